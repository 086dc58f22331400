"""``--handler MODULE:FUNCTION``: find a function of the user's, and say in one line why that is not possible.

Importing runs somebody's code, so anything at all can be raised. Whatever it is, the person wants to know what and
where, and neither our frames nor importlib's say anything about that.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import operator
import os
import sys
import traceback
from typing import TYPE_CHECKING, NamedTuple, cast

from ._common import Failure

if TYPE_CHECKING:
    from types import ModuleType

    from .._handler import Handler


class HandlerName(NamedTuple):
    """Where a handler is; either part may have dots."""

    module: str
    function: str


def handler_name(text: str) -> HandlerName:
    """Read ``MODULE:FUNCTION``."""
    module, _, function = text.partition(":")
    if not all(part.isidentifier() for part in [*module.split("."), *function.split(".")]):
        raise argparse.ArgumentTypeError(f"a handler is MODULE:FUNCTION, like mymodule:answer, not {text!r}")
    return HandlerName(module, function)


def load_handler(module_name: str, function_name: str) -> Handler:
    """Import the module, from the current directory first, and get the function.

    Raises:
      Failure: there is no such module or function, importing it raised, or it is not an async function.
    """
    module = _import(module_name)
    where = f"{module_name}:{function_name}"
    try:
        function = operator.attrgetter(function_name)(module)
    except AttributeError:
        raise Failure(f"cannot use the handler {where}: the module has no {function_name!r}") from None
    if not _may_be_async(function):
        raise Failure(f"cannot use the handler {where}: it must be an async function (async def)")
    return cast("Handler", function)


def _import(name: str) -> ModuleType:
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # and it stays: the handler may import more of its own later
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # Is it the module itself that is missing, or one that it imports?
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise Failure(f"cannot import {name}: {error.msg} (looked in {os.getcwd()} first)") from None
        raise Failure(_why(name, error)) from None
    except (Exception, SystemExit) as error:
        raise Failure(_why(name, error)) from None


def _why(name: str, error: BaseException) -> str:
    *_, frame = traceback.extract_tb(error.__traceback__)
    # Of a SyntaxError the message itself tells the place: the frame is where the compiler was called.
    where = "" if isinstance(error, SyntaxError) else f" ({frame.filename}, line {frame.lineno})"
    return f"cannot import {name}: {type(error).__name__}: {error}{where}".replace("\n", " ")


def _may_be_async(function: object) -> bool:
    """False for what certainly is no handler: not callable, a class, a plain function.

    Other objects that can be called may well return something to await, and so may a function that `functools.wraps` an
    async one. What they return is looked at when they do.
    """
    if inspect.isfunction(function) or inspect.ismethod(function):
        return inspect.iscoroutinefunction(inspect.unwrap(function))
    return callable(function) and not isinstance(function, type) and not inspect.isbuiltin(function)

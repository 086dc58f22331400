"""What ``import trio_udp`` gives, pinned: a name that goes or comes is a decision, and has a line in the changelog."""

from __future__ import annotations

import inspect
import subprocess
import sys

import trio_udp

NAMES = """
    Address AddressCookies AttemptStarted AttemptTimedOut Datagram DatagramArrived DatagramDropped DatagramLost
    DatagramReceived DatagramSent DatagramTooLarge Event Guard Handler HandlerFinished HandlerStarted NoReply PeerClosed
    PeerHandler PeerOpened RateLimit ReplyAccepted ReplyIgnored RequestFailed Retry RoundTripEstimate
    SocketExchanged UDPChannel UDPClient UDPEndpoint UDPStatistics cache_replies endpoints_from_systemd first_reply
    limit_amplification limit_rate log_errors observe open_udp_channel open_udp_client open_udp_endpoint
    open_udp_endpoints serve_endpoints serve_peers serve_udp serve_udp_peers
"""

ALIASES = {"Address", "Event", "Handler", "PeerHandler"}  # types that have no place for a docstring


def test_all_is_pinned_and_sorted() -> None:
    assert trio_udp.__all__ == NAMES.split()
    assert trio_udp.__all__ == sorted(trio_udp.__all__)


def test_every_name_is_there_and_documented() -> None:
    for name in trio_udp.__all__:
        value = getattr(trio_udp, name)
        if name not in ALIASES and (inspect.isclass(value) or inspect.isfunction(value)):
            assert value.__doc__, f"{name} has no docstring"
            assert value.__module__.startswith("trio_udp.")


def test_public_methods_are_documented() -> None:
    for cls in (trio_udp.UDPChannel, trio_udp.UDPEndpoint, trio_udp.UDPClient, trio_udp.Retry, trio_udp.AddressCookies):
        for name, member in vars(cls).items():
            if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
                assert inspect.getdoc(member), f"{cls.__name__}.{name} has no docstring"


def test_there_are_no_timeout_parameters() -> None:
    """The deadline is the caller's: trio.fail_after and trio.move_on_after are for that."""
    functions = [getattr(trio_udp, name) for name in trio_udp.__all__]
    functions += [
        member
        for cls in (trio_udp.UDPChannel, trio_udp.UDPEndpoint, trio_udp.UDPClient)
        for member in vars(cls).values()
    ]
    for function in filter(inspect.isfunction, functions):
        if function.__name__.startswith("_"):
            continue
        assert "timeout" not in inspect.signature(function).parameters


def test_importing_stays_light() -> None:
    """Neither the command line nor anything optional comes along."""
    code = "import sys, trio_udp; print([m for m in sys.modules if m in ('argparse', 'rich', 'trio_udp.cli')])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout.strip() == "[]"

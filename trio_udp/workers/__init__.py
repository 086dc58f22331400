"""One port, several processes: for a server whose handler has more to compute than one core can.

    workers = await nursery.start(partial(serve_workers, answer, 10000, workers=4))

Python runs on one core at a time, so a busy server wants as many processes as there are cores. The obvious way is one
socket that all of them inherit: then every datagram wakes several for one, and what one client sends is answered by
whichever comes first. With SO_REUSEPORT each process has a socket of its own on the same port, and Linux chooses by the
client's address and port: one client, one process (socket(7)). On macOS and Windows the same call gives everything to
one of them, or does not exist, so there is an error at once.

The usual way of that, each process opening its own socket, has two faults. When a process dies, the kernel shares its
peers out anew, and what waited in its socket is lost. And a port that cannot be opened is the problem of a child. So
the parent opens all the sockets, keeps them, and gives each worker its own; a successor gets the same one.

What is lost with a worker that is killed: the datagrams that it had taken off its socket and not answered yet. What is
not shared between workers: anything. Each has imported the handler for itself, so its variables, caches and limits are
its own. What does not reach the parent: events; `observe` sees those of its own process.

    _worker    the process: serves until it is told to stop, or nobody is left to tell it
    _process   the same from outside: started, heard, seen to its end
    _backoff   how long to wait before the next one
    _seat      a share of the port, and one worker after another to serve it
    _serve     serve_workers: all of them in one nursery
"""

from ._serve import Workers, serve_workers

__all__ = ["serve_workers", "Workers"]

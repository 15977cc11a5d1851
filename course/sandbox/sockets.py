"""The loopback sockets of a sandbox."""

import errno
import os
import socket

from course.errors import CourseError

LOOPBACK = "127.0.0.1"


class PortInUse(CourseError, OSError):  # a cause, named as people say it
    """Somebody else listens on the port that was asked for."""

    def __init__(self, port: int) -> None:
        super().__init__(
            f"Port {port} is in use. Stop the program that listens on it, or choose another: --port {port + 1}."
        )
        self.port = port


def open_sockets(port: int | None) -> list[socket.socket]:
    """Hub, router, file store, endpoints, elsewhere. With a port for the Hub, the router takes the next, if free."""
    hub = open_socket(port or 0)
    try:
        router = open_socket(port + 1 if port else 0)
    except (PortInUse, OverflowError):
        router = open_socket(0)
    return [hub, router, *(open_socket(0) for _ in range(3))]


def open_socket(port: int, listening: bool = True) -> socket.socket:
    """A loopback socket; port 0 means a free one. Raises PortInUse."""
    # The protocol is named because asyncio sets TCP_NODELAY only then; without it each POST takes 40 ms more.
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # Elsewhere this option would let two servers share the port; on Linux, two sockets that do not listen.
        if os.name == "posix" and listening:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((LOOPBACK, port))
        if listening:
            opened.listen(128)
    except OSError as error:
        opened.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise PortInUse(port) from None
        raise
    return opened


def url_of(opened: socket.socket) -> str:
    return f"http://{LOOPBACK}:{opened.getsockname()[1]}"

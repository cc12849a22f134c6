"""What systemd is told of a role that it started with `Type=notify`: datagrams to the socket that it names (sd_notify(3))."""

import logging
import socket

_log = logging.getLogger("notify")


class Notify:
    """Tells systemd; without a socket it tells nobody."""

    def __init__(self, path: str | None) -> None:
        """`path` is what NOTIFY_SOCKET says; `@` at its start stands for an abstract name."""
        self._path = "\0" + path[1:] if path and path.startswith("@") else path

    def __call__(self, *words: str) -> None:
        """Tell it, each word a `NAME=value`. Trouble is logged: it is no reason to stop work."""
        if self._path is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notified:
                notified.sendto("\n".join(words).encode(), self._path)
        except OSError as trouble:
            _log.warning("systemd could not be told", extra={"facts": {"trouble": trouble}})

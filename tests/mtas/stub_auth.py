"""Dovecot's auth service, as far as Postfix asks it: whoever gives a name may log in with it, whatever the password.

The protocol is lines of words with tabs between them: https://doc.dovecot.org/main/developers/design/auth_protocol.html
The server tells its mechanisms and DONE; the client's `AUTH id mechanism … resp=BASE64` is answered with `OK id user=NAME`.
"""

from __future__ import annotations

import base64
import socketserver
import threading
from types import TracebackType
from typing import Self

from tests.mtas.addresses import HostPort

_GREETING = b"VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t00000000000000000000000000000000\nDONE\n"


class StubAuth:
    """The service on a free port of loopback; a context manager."""

    def __init__(self) -> None:
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Client)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def address(self) -> HostPort:
        """Where it listens."""
        return HostPort("127.0.0.1", self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Client(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(_GREETING)
        for line in self.rfile:
            words = line.decode().rstrip("\n").split("\t")
            if words[0] == "AUTH":
                self.wfile.write(f"OK\t{words[1]}\tuser={_user(words)}\n".encode())


def _user(words: list[str]) -> str:
    """RFC 4616 2: PLAIN is [whom to act for] NUL whoever logs in NUL password."""
    response = next(word for word in words if word.startswith("resp="))
    return base64.b64decode(response.removeprefix("resp=")).split(b"\0")[1].decode()

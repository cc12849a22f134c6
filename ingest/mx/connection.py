"""The life of one connection: it is admitted, read in bounded chunks, answered, and ended, whatever its client does.

aiosmtpd brings the protocol on the event loop, the session and the envelope. What it does not bring is here: every wait has an
end, replies to a group of commands leave together, a client that has closed its side is still answered, and nothing that a
client does cancels the task, because a lost connection is to it nothing but the end of its input. So a message that is being
recorded is recorded, also when nobody is left to hear of it. What the commands mean stands in `session.py`.
"""

import asyncio
import logging
import ssl
from typing import cast

from aiosmtpd.smtp import SMTP

from ingest.mx.capacity import Connections, HeldBytes
from ingest.mx.handler import MxHandler
from ingest.mx.replies import Reply
from nullsender import limits, telemetry

_log = logging.getLogger("mx")


class Shared:
    """What all connections of one MX share."""

    def __init__(
        self,
        *,
        hostname: str,
        handler: MxHandler,
        tls: ssl.SSLContext | None,
        connections: Connections,
        held: HeldBytes,
    ) -> None:
        """To be made on the running event loop."""
        self.connections = connections
        self.held = held
        self.alive: set[MxConnection] = set()
        self.stopping = False
        # aiosmtpd's constructor inspects every member of its class and of the handler, which takes as long as a whole message.
        # What it finds is always the same, so it runs once, here, and each connection begins as a copy of this.
        self.prototype = SMTP(
            handler,
            hostname=hostname,
            ident="ESMTP",
            enable_SMTPUTF8=True,
            tls_context=tls,
            loop=asyncio.get_running_loop(),
        )


class MxConnection(SMTP):
    """The server's end of one connection, which lasts `seconds_max` at most and a little longer to end well."""

    def __init__(self, shared: Shared, *, seconds_max: float) -> None:
        self.__dict__.update(shared.prototype.__dict__)
        asyncio.StreamReaderProtocol.__init__(
            self,
            asyncio.StreamReader(limit=limits.READ_CHUNK_BYTES, loop=self.loop),
            client_connected_cb=self._cb_client_connected,
            loop=self.loop,
        )
        self._shared = shared
        self._ip = ""
        self._admitted = False
        self._ending = False  # no further command is read
        self._receiving = False  # a message is arriving or being recorded
        self._unsent: list[str] = []
        self._refusals = 0
        self._ends_at = self.loop.time() + seconds_max

    # --- begin and end -------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the session, or say 421 where there are too many already."""
        self._ip = (transport.get_extra_info("peername") or ("",))[0]
        refusal = Reply.STOPPING if self._shared.stopping else self._shared.connections.admit(self._ip)
        if refusal is not None:
            telemetry.MX_REFUSALS.labels(refusal.name.lower()).inc()
            cast(asyncio.Transport, transport).write(f"{refusal}\r\n".encode())
            transport.close()
            return
        self._admitted = True
        super().connection_made(transport)
        self._shared.alive.add(self)
        self.task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._shared.alive.discard(self)
        if not task.cancelled() and (error := task.exception()):
            _log.error("a session ended by our mistake", exc_info=error)

    @property
    def task(self) -> asyncio.Task[None]:
        """What obeys the client; it ends with the session."""
        assert self._handler_coroutine is not None
        return self._handler_coroutine

    def stop(self) -> None:
        """Say 421 and hang up, unless a message is under way: then right after its reply."""
        if not self._receiving:
            self._hang_up(Reply.STOPPING)

    def eof_received(self) -> bool | None:
        """A client that has said all may still listen: it is answered before the connection is closed."""
        return asyncio.StreamReaderProtocol.eof_received(self)

    def connection_lost(self, error: Exception | None) -> None:
        """Give the place free, and let the task find that its input has ended."""
        if not self._admitted:
            return
        self._shared.connections.release(self._ip)
        self._stop_timer()
        asyncio.StreamReaderProtocol.connection_lost(self, error)
        self.transport = None

    def _hang_up(self, reply: Reply) -> None:
        """Say a last word and close."""
        self._ending = True
        if self.transport is not None and not self.transport.is_closing():
            telemetry.MX_REFUSALS.labels(reply.name.lower()).inc()
            self._unsent.append(reply)
            cast(asyncio.Transport, self.transport).write(self._take_answers())
            self._close()

    def _close(self) -> None:
        """Close when the client has fetched what was said, or when it has had enough time to."""
        self._stop_timer()
        if self.transport is not None:
            self.transport.close()
            self._timeout_handle = self.loop.call_later(limits.LINGER_SECONDS, cast(asyncio.Transport, self.transport).abort)

    # --- time ----------------------------------------------------------------------------------------------------------

    def _wait_at_most(self, seconds: float) -> None:
        """From now on the client has so long for what comes next."""
        if seconds > 0:
            self._reset_timeout(seconds)
        else:
            self._timeout_cb()

    def _stop_timer(self) -> None:
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()

    def _timeout_cb(self) -> None:
        self._hang_up(Reply.TOO_SLOW)

    # --- say and hear --------------------------------------------------------------------------------------------------

    async def _answer(self, status: str) -> None:
        """Put a reply behind those that wait to be sent: the answers to a group of commands leave together (RFC 2920 3.2)."""
        if isinstance(status, Reply) and status[0] in "45":
            telemetry.MX_REFUSALS.labels(status.name.lower()).inc()
            self._refusals += status[0] == "5"
        self._unsent.append(status)
        if len(self._unsent) >= limits.REPLIES_TOGETHER_MAX:
            await self._send_answers()

    async def _send_answers(self) -> None:
        if self._unsent:
            self._writer.write(self._take_answers())
            await self._writer.drain()

    def _take_answers(self) -> bytes:
        answers = "".join(f"{reply}\r\n" for reply in self._unsent).encode()
        self._unsent.clear()
        return answers

    async def _read(self) -> bytes:
        """What the client says next, after it has heard all that we have to say; `b""` when it has gone or was sent away."""
        await self._send_answers()
        return b"" if self._ending else await self._reader.read(limits.READ_CHUNK_BYTES)

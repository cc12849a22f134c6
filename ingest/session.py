"""One SMTP session: aiosmtpd's server, with what strangers on the Internet do to it taken into account.

From aiosmtpd come the protocol on the event loop, the session, the envelope and the hooks that `handler.py` answers. Our own:
commands and messages are read in chunks of bounded size (`wire.py`), every wait has an end, every reply stands in `replies.py`,
and nothing that a client does cancels a message that is being recorded: the session's task always runs to its own end, because
a lost connection is to it nothing but the end of its input.
"""

# ruff: noqa: N802, ARG002  (aiosmtpd finds commands by the names of methods, and gives each the rest of its line)

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, cast

import msgspec
from aiosmtpd.smtp import SMTP

from ingest.addresses import Path, parse_path
from ingest.connections import Connections, HeldBytes
from ingest.handler import MxHandler
from ingest.replies import Reply
from ingest.wire import Command, CommandReader, MessageReader
from nullsender import limits, telemetry
from nullsender.errors import Invalid

_log = logging.getLogger("mx")
_OFFERED = frozenset({"DATA", "EHLO", "HELO", "HELP", "MAIL", "NOOP", "QUIT", "RCPT", "RSET", "STARTTLS", "VRFY"})
_NOT_OFFERED = frozenset({"AUTH", "BDAT", "ETRN", "EXPN"})
_BODIES = frozenset({"7BIT", "8BITMIME"})


class SessionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one session may take, and how long."""

    message_bytes_max: int = limits.MESSAGE_BYTES_MAX
    recipients_max: int = limits.RECIPIENTS_MAX
    refusals_max: int = limits.REFUSALS_MAX
    commands_without_message_max: int = limits.COMMANDS_WITHOUT_MESSAGE_MAX
    command_wait_seconds: float = limits.COMMAND_WAIT_SECONDS
    data_wait_seconds: float = limits.DATA_WAIT_SECONDS
    data_seconds_max: float = limits.DATA_SECONDS_MAX
    session_seconds_max: float = limits.SESSION_SECONDS_MAX


class Shared(msgspec.Struct, kw_only=True):
    """What all sessions of one MX share; `stopping` is the only part that changes under their eyes."""

    hostname: str
    handler: MxHandler
    tls: ssl.SSLContext | None
    limits: SessionLimits
    connections: Connections
    held: HeldBytes
    stopping: bool = False


class _Refused(Exception):
    """The command is answered with this and nothing else happens."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply)
        self.reply = reply


class MxSession(SMTP):
    """The server side of one connection. `sessions` holds it from the connection's first to the task's last moment."""

    def __init__(self, shared: Shared, prototype: SMTP, sessions: "set[MxSession]") -> None:
        # aiosmtpd's constructor inspects every member of its class and the handler's, which takes as long as a whole message.
        # What it finds is always the same, so it ran once, for the prototype, and each session begins as a copy of that.
        self.__dict__.update(prototype.__dict__)
        asyncio.StreamReaderProtocol.__init__(
            self,
            asyncio.StreamReader(limit=limits.READ_CHUNK_BYTES, loop=self.loop),
            client_connected_cb=self._cb_client_connected,
            loop=self.loop,
        )
        self._shared = shared
        self._limits = shared.limits
        self._sessions = sessions
        self._commands = CommandReader()
        self._ip = ""
        self._admitted = False
        self._ending = False  # no further command is read
        self._receiving = False  # a message is arriving or being recorded
        self._unsent: list[str] = []
        self._refusals = 0
        self._commands_without_message = 0
        self._ends_at = self.loop.time() + shared.limits.session_seconds_max

    # --- the connection ------------------------------------------------------------------------------------------------

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
        self._sessions.add(self)
        self.task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._sessions.discard(self)
        if not task.cancelled() and (error := task.exception()):
            _log.error("a session ended by our mistake", exc_info=error)

    def connection_lost(self, error: Exception | None) -> None:
        """Give the place free. The session's task finds its input ended; a message that it is recording is still recorded."""
        if not self._admitted:
            return
        self._shared.connections.release(self._ip)
        self._stop_waiting()
        asyncio.StreamReaderProtocol.connection_lost(self, error)
        self.transport = None

    def eof_received(self) -> bool | None:
        """A client that has said all may still listen: it is answered before the connection is closed."""
        return asyncio.StreamReaderProtocol.eof_received(self)

    @property
    def task(self) -> asyncio.Task[None]:
        """What obeys the client; it ends with the session."""
        assert self._handler_coroutine is not None
        return self._handler_coroutine

    def stop(self) -> None:
        """Say 421 and hang up, unless a message is under way: then right after its reply."""
        if not self._receiving:
            self._hang_up(Reply.STOPPING)

    # --- time ----------------------------------------------------------------------------------------------------------

    def _wait_at_most(self, seconds: float) -> None:
        if seconds > 0:
            self._reset_timeout(seconds)
        else:
            self._timeout_cb()

    def _stop_waiting(self) -> None:
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()

    def _timeout_cb(self) -> None:
        self._hang_up(Reply.TOO_SLOW)

    def _hang_up(self, reply: Reply) -> None:
        """Say a last word and close; a client that does not fetch it is cut off."""
        self._ending = True
        transport = cast(asyncio.Transport | None, self.transport)
        if transport is not None and not transport.is_closing():
            telemetry.MX_REFUSALS.labels(reply.name.lower()).inc()
            transport.write("".join(f"{line}\r\n" for line in (*self._unsent, reply)).encode())
            self._unsent.clear()
            transport.close()
            self.loop.call_later(limits.LINGER_SECONDS, transport.abort)

    # --- commands ------------------------------------------------------------------------------------------------------

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
            replies = "\r\n".join(self._unsent)
            self._unsent.clear()
            await self.push(replies)

    async def _read(self) -> bytes:
        """What the client says next, after it has heard all that we have to say; `b""` when it has gone or was sent away."""
        await self._send_answers()
        return b"" if self._ending else await self._reader.read(limits.READ_CHUNK_BYTES)

    async def _handle_client(self) -> None:
        """Greet, then obey one command after the other until one side has enough."""
        try:
            await self._answer(f"220 {self.hostname} {self.__ident__}")
            while not self._ending:
                self._wait_at_most(min(self._limits.command_wait_seconds, self._ends_at - self.loop.time()))
                command = await self._next_command()
                if command is None or self._ending:
                    break
                await self._obey(command)
                self._end_if_enough()
            await self._send_answers()
        except (ConnectionError, TimeoutError, ssl.SSLError) as error:
            _log.debug("connection lost", extra={"facts": {"ip": self._ip, "error": error}})
        finally:
            self._stop_waiting()
            self._writer.close()

    async def _next_command(self) -> Command | Reply | None:
        while (command := self._commands.next()) is None:
            chunk = await self._read()
            if not chunk:
                return None
            self._commands.feed(chunk)
        return command

    async def _obey(self, command: Command | Reply) -> None:
        self._commands_without_message += 1
        try:
            if isinstance(command, Reply):
                raise _Refused(command)
            await self._method(command.verb)(command.argument)
        except _Refused as refused:
            await self._answer(refused.reply)
        except (ConnectionError, TimeoutError, ssl.SSLError):
            raise
        except Exception as error:
            await self._answer(await self.handle_exception(error))

    def _method(self, verb: str) -> Callable[[str], Awaitable[None]]:
        if verb in _NOT_OFFERED:
            raise _Refused(Reply.NOT_OFFERED)
        if verb not in _OFFERED:
            raise _Refused(Reply.UNKNOWN_COMMAND)
        method: Callable[[str], Awaitable[None]] = getattr(self, f"smtp_{verb}")
        return method

    def _end_if_enough(self) -> None:
        if self._shared.stopping:
            self._hang_up(Reply.STOPPING)
        elif self._refusals >= self._limits.refusals_max:
            self._hang_up(Reply.TOO_MANY_REFUSALS)
        elif self._commands_without_message >= self._limits.commands_without_message_max:
            self._hang_up(Reply.TOO_MANY_COMMANDS)
        elif self.loop.time() >= self._ends_at:
            self._hang_up(Reply.SESSION_TOO_LONG)

    async def smtp_HELO(self, hostname: str) -> None:
        """RFC 5321 4.1.1.1, the old form."""
        self._greeted(hostname, extended=False)
        await self._answer(f"250 {self.hostname}")

    async def smtp_EHLO(self, hostname: str) -> None:
        """RFC 5321 4.1.1.1: announce what we do."""
        self._greeted(hostname, extended=True)
        offers = ["PIPELINING", f"SIZE {self._limits.message_bytes_max}", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"]
        if self.tls_context and not self._is_encrypted:
            offers.append("STARTTLS")
        lines = [f"250-{self.hostname}", *(f"250-{offer}" for offer in offers[:-1]), f"250 {offers[-1]}"]
        await self._answer("\r\n".join(lines))

    def _greeted(self, hostname: str, *, extended: bool) -> None:
        if not hostname:
            raise _Refused(Reply.NEEDS_NAME)
        self._begin_anew()
        assert self.session is not None
        # What is no UTF-8 in it would go through to the log, which holds text.
        self.session.host_name = hostname.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        self.session.extended_smtp = extended

    async def smtp_STARTTLS(self, argument: str) -> None:
        """RFC 3207."""
        _require(not argument, Reply.TAKES_NO_ARGUMENT)
        _require(self.tls_context is not None, Reply.NOT_OFFERED)
        _require(not self._is_encrypted, Reply.TLS_ALREADY)
        await self._answer(Reply.READY_FOR_TLS)
        await self._send_answers()
        # RFC 3207 4.2: what was said in the clear counts no more, above all what somebody slipped in behind STARTTLS.
        self._commands.take_rest()
        self._reader._buffer.clear()  # type: ignore[attr-defined]
        self._wait_at_most(limits.TLS_HANDSHAKE_SECONDS_MAX)
        assert self.tls_context is not None
        await self._writer.start_tls(self.tls_context, ssl_handshake_timeout=limits.TLS_HANDSHAKE_SECONDS_MAX)
        self.transport = self._writer.transport
        self._begin_anew()
        assert self.session is not None
        self.session.host_name = None
        self.session.ssl = {"cipher": self.transport.get_extra_info("cipher")}

    @property
    def _is_encrypted(self) -> bool:
        return self.session is not None and self.session.ssl is not None

    async def smtp_MAIL(self, argument: str | None) -> None:
        """RFC 5321 4.1.1.2; any sender is taken, the null sender above all."""
        assert self.session is not None
        assert self.envelope is not None
        _require(bool(self.session.host_name), Reply.SAY_HELLO_FIRST)
        _require(self.envelope.mail_from is None, Reply.ALREADY_A_SENDER)
        path = _path("FROM:", argument or "", syntax=Reply.MAIL_SYNTAX, malformed=Reply.BAD_SENDER)
        self._require_offered(path.parameters)
        self.envelope.mail_from = path.address
        self.envelope.smtp_utf8 = "SMTPUTF8" in path.parameters
        await self._answer(Reply.SENDER_OK)

    def _require_offered(self, parameters: dict[str, str | None]) -> None:
        size = parameters.get("SIZE", "0") or ""
        _require(parameters.keys() <= {"SIZE", "BODY", "SMTPUTF8"}, Reply.UNKNOWN_PARAMETER)
        _require((parameters.get("BODY", "7BIT") or "").upper() in _BODIES, Reply.BAD_PARAMETER)
        _require(parameters.get("SMTPUTF8") is None, Reply.BAD_PARAMETER)
        # RFC 1870 3: at most 20 digits.
        _require(size.isascii() and size.isdigit() and len(size) <= 20, Reply.BAD_PARAMETER)
        _require(int(size) <= self._limits.message_bytes_max, Reply.TOO_LARGE)

    async def smtp_RCPT(self, argument: str | None) -> None:
        """RFC 5321 4.1.1.3; whether the recipient is ours says the handler."""
        assert self.envelope is not None
        _require(self.envelope.mail_from is not None, Reply.NEEDS_SENDER)
        _require(len(self.envelope.rcpt_tos) < self._limits.recipients_max, Reply.TOO_MANY_RECIPIENTS)
        path = _path("TO:", argument or "", syntax=Reply.RCPT_SYNTAX, malformed=Reply.BAD_RECIPIENT)
        _require(path.address != "", Reply.BAD_RECIPIENT)
        _require(not path.parameters, Reply.UNKNOWN_PARAMETER)
        await self._answer(await self._call_handler_hook("RCPT", path.address, []))

    async def smtp_DATA(self, argument: str) -> None:
        """RFC 5321 4.1.1.4: take the message, and answer what the handler says once it is recorded."""
        assert self.envelope is not None
        _require(not argument, Reply.TAKES_NO_ARGUMENT)
        _require(self.envelope.mail_from is not None, Reply.NEEDS_SENDER)
        _require(bool(self.envelope.rcpt_tos), Reply.NEEDS_RECIPIENT)
        self._receiving = True
        message = MessageReader(bytes_max=self._limits.message_bytes_max)
        try:
            await self._answer(Reply.START_MESSAGE)
            held_bytes = await self._receive(message)
            try:
                await self._answer(await self._record(message))
            finally:
                self._shared.held.change(-held_bytes)
        finally:
            self._receiving = False
            self._begin_anew()

    async def _receive(self, message: MessageReader) -> int:
        """Read `message` to its end; the bytes that were counted as held for it."""
        held_bytes = 0
        ends_at = self.loop.time() + self._limits.data_seconds_max
        rest = message.feed(self._commands.take_rest())
        try:
            while True:
                if self._shared.held.change(message.held_bytes - held_bytes):
                    held_bytes = message.held_bytes
                else:
                    message.discard(Reply.TOO_MUCH_AT_ONCE)
                if rest is not None:
                    self._commands.feed(rest)
                    return held_bytes
                self._wait_at_most(min(self._limits.data_wait_seconds, ends_at - self.loop.time()))
                chunk = await self._read()
                if not chunk:
                    raise ConnectionResetError("gone in the middle of a message")
                rest = message.feed(chunk)
        except BaseException:
            self._shared.held.change(-held_bytes)
            raise

    async def _record(self, message: MessageReader) -> str:
        assert self.envelope is not None
        self._stop_waiting()  # what takes time now is ours, and has its own bound
        await self._send_answers()
        if message.refusal is not None:
            return message.refusal
        self.envelope.original_content = self.envelope.content = message.content()
        reply: str = await self._call_handler_hook("DATA")
        if reply.startswith("250"):
            self._refusals = self._commands_without_message = 0
        return reply

    def _begin_anew(self) -> None:
        self.envelope = self._create_envelope()

    async def smtp_RSET(self, argument: str) -> None:
        """RFC 5321 4.1.1.5."""
        _require(not argument, Reply.TAKES_NO_ARGUMENT)
        self._begin_anew()
        await self._answer(Reply.OK)

    async def smtp_NOOP(self, argument: str) -> None:
        """RFC 5321 4.1.1.9; it gains no time: a session that only does this ends."""
        await self._answer(Reply.OK)

    async def smtp_VRFY(self, argument: str | None) -> None:
        """RFC 5321 4.1.1.6: we tell nobody which addresses there are."""
        await self._answer(Reply.CANNOT_VERIFY)

    async def smtp_HELP(self, argument: str | None) -> None:
        """RFC 5321 4.1.1.8."""
        await self._answer(Reply.HELP)

    async def smtp_QUIT(self, argument: str) -> None:
        """RFC 5321 4.1.1.10."""
        self._ending = True
        await self._answer(Reply.BYE)


def _require(condition: bool, otherwise: Reply) -> None:
    if not condition:
        raise _Refused(otherwise)


def _path(keyword: str, argument: str, *, syntax: Reply, malformed: Reply) -> Path:
    if argument[: len(keyword)].upper() != keyword:
        raise _Refused(syntax)
    try:
        return parse_path(argument[len(keyword) :])
    except Invalid:
        raise _Refused(malformed) from None


def prototype(shared: Shared, loop: asyncio.AbstractEventLoop) -> Any:
    """What every session of `shared` begins as a copy of."""
    return SMTP(
        shared.handler,
        hostname=shared.hostname,
        ident="ESMTP",
        enable_SMTPUTF8=True,
        tls_context=shared.tls,
        loop=loop,
    )

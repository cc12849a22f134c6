"""What the MX answers to each SMTP command (RFC 5321), and to whoever says too much without ever delivering a message.

Commands and messages come out of bounded chunks (`wire.py`), every reply stands in `replies.py`, and the two decisions that are
not the protocol's, whom we take mail for and what becomes of a message, are the handler's (`handler.py`).
"""

# ruff: noqa: N802, ARG002  (aiosmtpd names commands' methods so, and gives each the rest of its line)

from collections.abc import Awaitable, Callable

import msgspec

from ingest.mx.addresses import Path, parse_path
from ingest.mx.connection import MxConnection, Shared
from ingest.mx.replies import Reply
from ingest.mx.wire import Command, CommandReader, MessageReader
from nullsender import limits
from nullsender.errors import Invalid

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


class _Refused(Exception):
    """The command is answered with this and nothing else happens."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply)
        self.reply = reply


class MxSession(MxConnection):
    """A connection whose client is obeyed."""

    def __init__(self, shared: Shared, limits: SessionLimits) -> None:
        super().__init__(shared, seconds_max=limits.session_seconds_max)
        self._limits = limits
        self._commands = CommandReader()
        self._commands_without_message = 0

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
        except OSError:
            pass  # the connection is lost, or never got its TLS; what was recorded is recorded
        finally:
            self._close()

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
        except OSError:
            raise  # the connection's: the handler answers for its own
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
        self._stop_timer()
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
                self._shared.held.change(self._ip, -held_bytes)
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
                if self._shared.held.change(self._ip, message.held_bytes - held_bytes):
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
            self._shared.held.change(self._ip, -held_bytes)
            raise

    async def _record(self, message: MessageReader) -> str:
        assert self.envelope is not None
        await self._send_answers()
        self._stop_timer()  # what takes time now is ours, and has its own bound
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

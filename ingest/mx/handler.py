"""What happens to a message: it is read, its records are made durable, and only then its sender hears 250 (G1).

These are the hooks that aiosmtpd calls. Whatever goes wrong in here is our trouble and a 451: the sender keeps its message
and brings it again, and the same message makes the same records.
"""

# ruff: noqa: N802  (aiosmtpd finds hooks by these names)

import asyncio
import logging
from concurrent.futures import Future

from aiosmtpd.smtp import SMTP, Envelope, Session

from ingest.intake import UNREADABLE, Intake, Taken
from ingest.mx.capacity import UnreadableMail
from ingest.mx.recipients import Recipients
from ingest.mx.replies import Reply, recorded
from nullsender import telemetry
from nullsender.clock import Clock
from nullsender.errors import NullsenderError
from nullsender.events import Source
from nullsender.limits import ADDRESS_CHARACTERS_MAX, PUBLISH_SECONDS_MAX, READ_IN_THREAD_BYTES, READ_IN_THREAD_RECIPIENTS
from nullsender.log import Producer

_log = logging.getLogger("mx")


class MxHandler:
    """Decides whom we take mail for, and records messages."""

    def __init__(self, *, recipients: Recipients, intake: Intake, producer: Producer, clock: Clock) -> None:
        self._recipients = recipients
        self._intake = intake
        self._producer = producer
        self._clock = clock
        self._unreadable = UnreadableMail(clock=clock)

    async def handle_RCPT(self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]) -> str:
        """Take the recipient or say why not."""
        refusal = self._recipients.refusal(address)
        if refusal is not None:
            return refusal
        envelope.rcpt_tos.append(address)
        return Reply.RECIPIENT_OK

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:
        """250 with the message's id when its records are durable; 451 when they could not be, or should not be, made so."""
        assert isinstance(envelope.content, bytes)
        source = Source(
            ip=str(session.peer[0]) if session.peer else "",
            helo=(session.host_name or "")[:ADDRESS_CHARACTERS_MAX],  # every report repeats it
            mail_from=envelope.mail_from or "",
            rcpt_to=tuple(envelope.rcpt_tos),
            tls=session.ssl is not None,
        )
        try:
            return await self._record(envelope.content, source)
        except NullsenderError as error:
            _log.error("not recorded", extra={"facts": {"ip": source.ip, "reason": error}})
            return self._deferred()
        except Exception as error:
            return await self.handle_exception(error)

    async def handle_exception(self, error: Exception) -> str:
        """The reply where our own code failed: never a word of what it was, never a 5xx."""
        _log.error("not recorded by our mistake", exc_info=error)
        return self._deferred()

    async def _record(self, content: bytes, source: Source) -> str:
        started_seconds = self._clock.monotonic_seconds()
        taken = await self._take(content, source)
        if taken.kind == UNREADABLE and not self._unreadable.admit(source.ip, len(content)):
            _log.warning("too much unreadable mail", extra={"facts": {"ip": source.ip, "message_id": taken.message_id}})
            return Reply.TOO_MANY_UNREADABLE
        if not await self._is_durable(self._producer.publish(taken.records)):
            _log.error("not durable in time", extra={"facts": {"message_id": taken.message_id}})
            return self._deferred()
        took_seconds = self._clock.monotonic_seconds() - started_seconds
        telemetry.MX_MESSAGES.labels(taken.kind).inc()
        telemetry.MX_NAMELESS.inc(taken.nameless)
        for record in taken.records:
            telemetry.MX_RECORDS.labels(record.topic).inc()
        telemetry.MX_RECORDING.observe(took_seconds)
        _log.info("stored", extra={"facts": {**taken.facts(), "ip": source.ip, "took_ms": round(took_seconds * 1000, 1)}})
        return recorded(taken.message_id, taken.reports)

    async def _take(self, content: bytes, source: Source) -> Taken:
        received_at = self._clock.now()
        if len(content) <= READ_IN_THREAD_BYTES and len(source.rcpt_to) <= READ_IN_THREAD_RECIPIENTS:
            return self._intake.take(content, source, received_at)
        return await asyncio.to_thread(self._intake.take, content, source, received_at)

    async def _is_durable(self, published: "Future[None]") -> bool:
        """Wait for the log. Nobody who stops waiting, the client's connection least of all, stops the log from writing."""
        waiter = asyncio.wrap_future(published)
        waiter.add_done_callback(_look_at)
        done, _ = await asyncio.wait([waiter], timeout=PUBLISH_SECONDS_MAX)
        if done:
            waiter.result()
        return bool(done)

    def _deferred(self) -> Reply:
        telemetry.MX_DEFERRED.inc()
        return Reply.TROUBLE


def _look_at(waiter: "asyncio.Future[None]") -> None:
    """An answer that comes after nobody waits for it any more is no mistake worth a traceback."""
    if not waiter.cancelled():
        waiter.exception()

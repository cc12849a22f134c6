"""A reply on a line of its own, as `nullsender reply` and `nullsender rules test --file` take it."""

from datetime import datetime

import msgspec

from classifiers.rulebook import Example
from nullsender.errors import Invalid
from nullsender.events import Kind, Report

_CODE_DIGITS_MAX = 3


class ReplyLine(msgspec.Struct, frozen=True):
    """One line: what the server said, and what is known beside it. Some write the reply code as text."""

    text: str
    status: str | None = None
    reply_code: int | str | None = None
    provider: str | None = None

    @property
    def facts(self) -> Example:
        """The same with the reply code as a number; `Invalid` where it is none."""
        code = "" if self.reply_code is None else str(self.reply_code).strip()
        if code and not (code.isdecimal() and len(code) <= _CODE_DIGITS_MAX):
            raise Invalid(f"its reply_code {self.reply_code!r} is not a number of three digits")
        return Example(self.text, self.status, int(code) if code else None, self.provider)


def read_reply_line(line: bytes, number: int, *, bare_words: bool = False) -> tuple[ReplyLine, Example]:
    """The reply on line `number` as it was written, and its facts; `Invalid` says what is wrong with it.

    A line is a JSON object, or with `bare_words` also the reply itself.
    """
    if bare_words and not line.lstrip().startswith(b"{"):
        reply = ReplyLine(text=line.decode("utf-8", "replace").strip())
        return reply, reply.facts
    try:
        reply = msgspec.json.decode(line, type=ReplyLine)
        return reply, reply.facts
    except (msgspec.MsgspecError, UnicodeDecodeError, Invalid) as error:
        raise Invalid(f"line {number} is no reply: {error}") from error


def report_of(reply: Example, report_id: str, now: datetime) -> Report:
    """The reply as the report that a bounce with these words would make."""
    return Report(
        id=report_id,
        message_id=report_id,
        received_at=now,
        kind=Kind.BOUNCE,
        format="smtp",
        status=reply.status,
        reply_code=reply.reply_code,
        diagnostic=reply.text,
    )

"""What the sender's own MTA wrote into the mail that it sent, so as to know it again when a complaint brings it back.

Providers blacken the recipient in the fields that they know. KumoMTA and Momentum write him once more, in base64, into a field
of their own: that is whom the mail was sent to, also where it was forwarded later. None of it is signed, so it says who, and
proves nothing.
"""

import binascii
from collections.abc import Iterator

import msgspec

from ingest.reading.charsets import decode_base64, decode_bytes
from ingest.reading.headers import Headers
from ingest.reading.mentions import is_address
from ingest.reading.redaction import is_redacted
from nullsender.limits import TRACE_CHARACTERS_MAX, TRACE_FIELDS_MAX

_MOMENTUM = "x-msfbl"
_KUMO_MARK = "\\_/"
# Base64 of `{"`, which is what JSON begins with: the field of KumoMTA may have any name that begins with X-.
_JSON_BEGINS = "eyJ"


class _KumoTrace(msgspec.Struct, rename={"mark": "_@_"}):
    """KumoMTA's supplemental trace: a mark that tells it from other JSON, and the recipient, or a list of them."""

    mark: str = ""
    recipient: str | list[str] = ""


class _MomentumTrace(msgspec.Struct, rename={"recipient": "r"}):
    """Momentum's trace as JSON; the other fields are names of its own set-up."""

    recipient: str = ""


_read_kumo = msgspec.json.Decoder(_KumoTrace).decode
_read_momentum = msgspec.json.Decoder(_MomentumTrace).decode


def traced_recipient(fields: Headers) -> str | None:
    """Whom the mail with these fields was sent to, as its sender's MTA wrote into it; None where it did not."""
    return next((trace for trace in _traces(fields) if is_address(trace) and not is_redacted(trace)), None)


def _traces(fields: Headers) -> Iterator[str]:
    for name in sorted(name for name in fields.names() if name.startswith("x-"))[:TRACE_FIELDS_MAX]:
        value = fields.get(name)[:TRACE_CHARACTERS_MAX]
        if name == _MOMENTUM:
            yield _momentum(value)
        elif value.startswith(_JSON_BEGINS):
            yield _kumo(value)


def _kumo(value: str) -> str:
    try:
        trace = _read_kumo(decode_base64(value.encode("utf-8", "replace")))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return ""
    if trace.mark != _KUMO_MARK:
        return ""
    recipients = [trace.recipient] if isinstance(trace.recipient, str) else trace.recipient
    return recipients[0] if len(recipients) == 1 else ""


def _momentum(value: str) -> str:
    """`SIGNATURE|JSON` in newer versions, else `local part@domain@binding@group@words of the sender`; base64 each."""
    try:
        text = decode_bytes(binascii.a2b_base64(value.rpartition("|")[2].encode("utf-8", "replace")))
        return _read_momentum(text).recipient if text.startswith("{") else "@".join(text.split("@", 2)[:2])
    except (binascii.Error, msgspec.MsgspecError, RecursionError):
        return ""

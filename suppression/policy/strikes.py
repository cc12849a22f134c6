"""What is remembered of soft reports: strikes, the deliveries between them, and what came of those that are not kept any more.

A *strike* is one soft report that counts. It stands at the time of the bounce, not at that of its arrival: reports come late
and in any order. Several reports about one send are one strike; that they are about one send is known by the mail's Message-ID,
by the signed address that they came to, or else by the day.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from nullsender.events import Proof, Report
from nullsender.limits import SOFT_LATE_DAYS, UNPROVEN_STRIKES_KEPT_MAX
from suppression.policy.transitions import Standing

_LATE = timedelta(days=SOFT_LATE_DAYS)
_SEND_BYTES = 8  # of a digest: there are a few dozen sends to tell apart


class Strike(NamedTuple):
    """One soft report that counts. The last three are empty in what older versions kept."""

    at: datetime
    proven: bool
    send: str = ""
    category: str = ""
    report_id: str = ""


class Before(msgspec.Struct, frozen=True, kw_only=True):
    """What all came to that is not kept any more."""

    until: datetime
    standing: Standing | None
    run: tuple[Strike, ...]  # the newest strikes that counted then
    level: int  # how many entries in a row
    asked: bool  # whether an operator's word holds the entry


class SoftHistory(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of one address on one scope; in no particular order."""

    strikes: tuple[Strike, ...] = ()
    deliveries: tuple[datetime, ...] = ()
    before: Before | None = None

    def struck(self, strike: Strike) -> "SoftHistory":
        """With one more strike; of unproven ones only the newest are kept, for anybody can send them."""
        return self.with_strikes((*self.strikes, strike))

    def with_strikes(self, strikes: Iterable[Strike]) -> "SoftHistory":
        """With these strikes, as far as they are kept."""
        known = sorted(set(strikes))
        gone = set([strike for strike in known if not strike.proven][:-UNPROVEN_STRIKES_KEPT_MAX])
        return msgspec.structs.replace(self, strikes=tuple(strike for strike in known if strike not in gone))

    def delivered(self, times: Iterable[datetime]) -> "SoftHistory":
        """With deliveries at these times."""
        return msgspec.structs.replace(self, deliveries=tuple(sorted({*self.deliveries, *times})))

    def newest(self) -> datetime:
        """The time of the last strike or delivery; the beginning of all times where there is none."""
        until = self.before.until if self.before else datetime.min.replace(tzinfo=UTC)
        return max((until, *(strike.at for strike in self.strikes), *self.deliveries))


def event_time(occurred_at: datetime | None, received_at: datetime) -> datetime:
    """When a bounce happened: as the report says, unless that lies ahead of its arrival or days before it."""
    if occurred_at is None or not received_at - _LATE <= occurred_at <= received_at:
        return received_at
    return occurred_at


def send_of(report: Report) -> str:
    """Which send a report is about, as a short name; "" where nothing but its day can say."""
    if report.original_message_id:
        return _named("m", report.original_message_id)
    if report.proof is Proof.RETURN_PATH and report.source.rcpt_to:
        return _named("r", report.source.rcpt_to[0].lower())
    return ""


def distinct(strikes: Iterable[Strike]) -> list[Strike]:
    """One strike for each send, the best of its reports, oldest first; the same whatever came first."""
    by_report: dict[object, Strike] = {}
    for strike in sorted(strikes, key=_best_first):
        by_report.setdefault(strike.report_id or strike, strike)
    by_send: dict[object, Strike] = {}
    for strike in sorted(by_report.values(), key=_best_first):
        by_send.setdefault(_send_name(strike), strike)
    return sorted(by_send.values())


def _best_first(strike: Strike) -> tuple[object, ...]:
    return not strike.proven, strike.at, strike.category, strike.report_id


def _send_name(strike: Strike) -> object:
    if strike.send:
        return strike.send
    return strike.at.date() if strike.report_id else strike.at


def _named(kind: str, text: str) -> str:
    return kind + blake2b(text.strip().encode("utf-8", "replace"), digest_size=_SEND_BYTES).hexdigest()

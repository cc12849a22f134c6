"""The circuit breaker: whether one key suddenly makes far more new hard entries than its usual share. Pure: counts in.

A *key* is what entries may have in common when a mistake makes them: the rule that decided, the provider that refused, the
address that the mail was sent from, whoever reported it, the category. For each its busiest hour of each day is remembered.
A key is tripped where in this hour it makes

    more than nobody has to look at                    (so a small sender never sees it)
    many times its usual busiest hour                  (and there is one: days enough were seen)
    and has grown many times as much as all else has   (a larger campaign makes everything grow alike)

A tripped key is open: what it makes from then on is held for a review. It closes by itself after an hour in which it wanted no
more than is usual; what it holds stays held until a person has looked. Only what is proven counts and is held: anybody can send
the rest, whose entries end within days, and whose number is capped.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from nullsender import limits
from nullsender.events import Outcome
from suppression.incidents.matching import provider_of, sending_ip_of

#: The tally of all keys together.
ALL = "all"
#: What keys are of, the most telling first.
KINDS = ("rule", "provider", "sending-ip", "source", "category")

_HOUR = timedelta(hours=1)


class BreakerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator may move; the reasons stand in `nullsender/limits.py`."""

    enabled: bool = True
    hour_min: int = limits.BREAKER_HOUR_MIN
    times: int = limits.BREAKER_TIMES
    review_days: int = limits.BREAKER_REVIEW_DAYS


class Day(NamedTuple):
    """The busiest hour of a day."""

    ordinal: int  # `date.toordinal` in UTC
    made: int  # new entries


class Tally(msgspec.Struct, kw_only=True, array_like=True):
    """What one key has made. Kept small: there is one for each key that made an entry within four weeks.

    It counts where it stands: each new entry goes into six of them, and a copy of each would cost more than the entry.
    """

    hour: datetime  # the beginning of the hour that the next two are about
    wanted: int = 0  # new entries that were asked for
    made: int = 0  # those of them that were not held
    days: tuple[Day, ...] = ()  # oldest first
    open_since: datetime | None = None
    trusted_until: datetime | None = None  # an operator has looked: it may make what it likes

    def count(self, *, held: bool, trusted: bool = False) -> None:
        """One more entry was asked for; a trusted one becomes usual, and speaks against nobody now."""
        self.wanted += not trusted
        self.made += not held


def keys_of(outcome: Outcome) -> Sequence[str]:
    """The keys of a hard outcome, the most telling first: `rule NAME`, `provider DOMAIN`, `sending-ip IP` and so on."""
    report, decision = outcome.report, outcome.decision
    names = decision.rule, provider_of(report), sending_ip_of(report, decision), report.source.ip, decision.category
    return [f"{kind} {name}" for kind, name in zip(KINDS, names, strict=True) if name]


def rolled(tally: Tally | None, now: datetime, settings: BreakerSettings) -> Tally:
    """The tally in the hour of `now`: what an hour that is over made is remembered; a key that is calm again is closed."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    if tally is None:
        return Tally(hour=hour)
    if tally.hour >= hour:  # or the clock was set back
        return tally
    calm = hour - tally.hour > _HOUR or tally.wanted <= settings.hour_min
    return msgspec.structs.replace(
        tally,
        hour=hour,
        wanted=0,
        made=0,
        days=_remembered(tally, hour.toordinal() - limits.BREAKER_DAYS),
        open_since=None if calm else tally.open_since,
    )


def _remembered(tally: Tally, since: int) -> tuple[Day, ...]:
    busiest = dict(tally.days)
    if tally.made:
        day = tally.hour.toordinal()
        busiest[day] = max(busiest.get(day, 0), tally.made)
    return tuple(Day(ordinal, made) for ordinal, made in sorted(busiest.items()) if ordinal >= since)


def is_trusted(tallies: Iterable[Tally], now: datetime) -> bool:
    """Whether an operator has looked at one of an entry's keys: such entries are what they seem, whatever else they have."""
    untils = [tally.trusted_until for tally in tallies if tally.trusted_until is not None]
    return any(until > now for until in untils)


def tripped_by(tallies: Mapping[str, Tally], settings: BreakerSettings) -> str | None:
    """Which key holds the entry that is asked for now, if one does.

    `tallies`: of the entry's keys, in their order, and of ALL, each rolled to now.
    """
    for key, tally in tallies.items():
        if tally.open_since is None and tally.wanted < settings.hour_min:
            continue  # nearly always
        if key != ALL and (tally.open_since is not None or _is_too_much(tally, tallies[ALL], settings)):
            return key
    return None


def usual(tally: Tally, days: int) -> float:
    """How many entries the key makes in the busiest hour of a day on which there were any of any key; of so many days."""
    today = tally.hour.toordinal()
    return sum(made for ordinal, made in tally.days if ordinal < today) / days if days else 0.0


def days_seen(everything: Tally) -> int:
    """On how many days before today the tally of ALL has counted anything."""
    today = everything.hour.toordinal()
    return sum(ordinal < today for ordinal, _ in everything.days)


def _is_too_much(tally: Tally, everything: Tally, settings: BreakerSettings) -> bool:
    wanted, days = tally.wanted + 1, days_seen(everything)
    if days < limits.BREAKER_DAYS_MIN:
        return False
    usually, usually_all = usual(tally, days), usual(everything, days)
    if wanted <= settings.times * usually or usually > limits.BREAKER_SHARE_MAX * usually_all:
        return False
    others, usual_others = everything.wanted - tally.wanted, max(usually_all - usually, 0.0)
    # One is added to each, so that what was never seen has not grown without bound at its first entry.
    growth, growth_of_others = (wanted + 1) / (usually + 1), (others + 1) / (usual_others + 1)
    return growth > limits.BREAKER_GROWTH_TIMES * growth_of_others


def words(key: str, tally: Tally, everything: Tally) -> str:
    """Why a key is open, for a person."""
    return (
        f"{key} asked for {tally.wanted:,} new entries within the hour; its usual busiest hour of a day makes "
        f"{usual(tally, days_seen(everything)):,.0f}"
    )

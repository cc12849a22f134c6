"""Whether an incident's marks are those of a report. Pure: marks and facts in, one of three answers out.

The third is that nobody can tell: what a report said leaves the store after a while, and only its row is left then.
"""

import re
from datetime import datetime, timedelta
from enum import Enum, auto
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import NamedTuple, TypeAlias

from nullsender.address import domain_of, domain_to_ascii
from nullsender.errors import Invalid, Misconfigured
from nullsender.events import Decision, Outcome, Report
from nullsender.limits import INCIDENT_TEXT_CHARACTERS_MAX, SOFT_LATE_DAYS
from nullsender.matching import CASELESS, Patterns
from suppression.incidents.incident import Marks

_HOST = re.compile(r"[A-Za-z0-9._-]+")

Network: TypeAlias = IPv4Network | IPv6Network


class Match(Enum):
    """What can be said."""

    NO = auto()
    YES = auto()
    UNKNOWN = auto()  # all that is left of the report fits, and the rest is gone


class Words(NamedTuple):
    """What a report said, as far as marks ask for it."""

    sending_ips: tuple[str, ...]
    providers: tuple[str, ...]  # domains
    text: str
    sources: tuple[str, ...]  # an address, or hosts


class Facts(NamedTuple):
    """One report: what its row has, and what it said while that is there."""

    failed_at: datetime
    rule: str
    category: str
    stream: str | None
    words: Words | None
    held: str | None = None


def facts_of(outcome: Outcome, failed_at: datetime, held: str | None = None) -> Facts:
    """The facts of a report whose words are there; `failed_at` as the store has it."""
    decision, report = outcome.decision, outcome.report
    return Facts(failed_at, decision.rule, decision.category, report.stream, _words_of(report, decision), held)


class Matcher:
    """Marks, made ready. Any number of threads may use one."""

    def __init__(self, marks: Marks) -> None:
        """`Invalid` where a network, a domain or an expression is none."""
        self._marks = marks
        self._sending = marks.sending_ip and _network(marks.sending_ip, "sending_ip")
        self._source = marks.source and _network_or_domain(marks.source)
        self._provider = marks.provider and _domain(marks.provider, "provider")
        self._text = marks.text and marks.text.casefold()
        self._pattern = marks.pattern and _pattern(marks.pattern)
        asked = (marks.sending_ip, marks.source, marks.provider, marks.text, marks.pattern)
        self._asks_words = any(mark is not None for mark in asked)

    def match(self, facts: Facts) -> Match:
        """Whether the report is one of these; the words are looked at last."""
        marks = self._marks
        if marks.rule not in (None, facts.rule) or marks.category not in (None, facts.category):
            return Match.NO
        if marks.stream not in (None, facts.stream) or marks.held not in (None, facts.held):
            return Match.NO
        if (marks.since and facts.failed_at < marks.since) or (marks.until and facts.failed_at >= marks.until):
            return Match.NO
        if not self._asks_words:
            return Match.YES
        if facts.words is None:
            return Match.UNKNOWN
        return Match.YES if self._has(facts.words) else Match.NO

    def _has(self, words: Words) -> bool:
        if self._sending and not any(_is_of(ip, self._sending) for ip in words.sending_ips):
            return False
        if self._source and not any(_is_of(source, self._source) for source in words.sources):
            return False
        if self._provider and not any(_is_of(provider, self._provider) for provider in words.providers):
            return False
        if self._text and self._text not in words.text.casefold():
            return False
        return not self._pattern or bool(self._pattern.first_ends(words.text.encode("utf-8", "replace")))


def latest_arrival(until: datetime) -> datetime:
    """When the last report came of what failed before `until` (`event_time`)."""
    return until + timedelta(days=SOFT_LATE_DAYS)


def parent_domain(host: str) -> str:
    """The domain that an MTA stands in: `mail.protection.example.com` for `x.mail.protection.example.com`."""
    parent = host.partition(".")[2]
    return parent if "." in parent else host


def provider_of(report: Report) -> str:
    """Whose mail server refused: the remote MTA's domain, else the recipient's; "" where nobody says."""
    host = _host(report.remote_mta)
    return parent_domain(host) if host else _recipient_domain(report)


def sending_ip_of(report: Report, decision: Decision) -> str:
    """Which of our addresses the mail was sent from, as the report or the reply says; "" where neither does."""
    return report.original_source_ip or decision.ip or ""


def _words_of(report: Report, decision: Decision) -> Words:
    return Words(
        sending_ips=tuple(filter(None, (report.original_source_ip, decision.ip, report.source.ip))),
        providers=tuple(filter(None, (_host(report.remote_mta), _recipient_domain(report)))),
        text=(report.diagnostic or decision.words or "")[:INCIDENT_TEXT_CHARACTERS_MAX],
        sources=tuple(filter(None, (report.source.ip, _host(report.reporting_mta)))),
    )


def _recipient_domain(report: Report) -> str:
    return domain_of((report.recipient or "").strip().lower())


def _host(name: str | None) -> str:
    """The host of a field such as Remote-MTA, which may hold a comment or an address behind the name."""
    found = _HOST.search(name or "")
    return found.group().lower().strip(".") if found else ""


def _is_of(name: str, wanted: Network | str) -> bool:
    if isinstance(wanted, str):
        return name == wanted or name.endswith(f".{wanted}")
    try:
        return ip_address(name) in wanted
    except ValueError:
        return False


def _network(text: str, mark: str) -> Network:
    try:
        return ip_network(text.strip(), strict=False)
    except ValueError as error:
        raise Invalid(f"{mark}: {text!r} is no address or network, such as 192.0.2.1 or 192.0.2.0/24") from error


def _network_or_domain(text: str) -> Network | str:
    try:
        return ip_network(text.strip(), strict=False)
    except ValueError:
        return _domain(text, "source")


def _domain(text: str, mark: str) -> str:
    try:
        return domain_to_ascii(text.strip().strip(".")).lower()
    except Invalid as invalid:
        raise Invalid(f"{mark}: {invalid.reason}") from invalid


def _pattern(expression: str) -> Patterns:
    try:
        return Patterns([expression], flags=CASELESS)
    except (Misconfigured, UnicodeEncodeError) as error:
        raise Invalid(
            f"pattern: {expression!r} is no expression that can be looked for in bounded time (no back references, no "
            f"lookaround): {error}"
        ) from error

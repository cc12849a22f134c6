"""What a replay found, in numbers: grouped by what a report was read as, what it is read as today, and what that does."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import IO, NamedTuple

from nullsender.cli.explaining.marks import shown
from nullsender.cli.replaying.reading import Unreadable
from nullsender.events import Outcome
from nullsender.limits import REPLAY_EXAMPLE_CHARACTERS_MAX, REPLAY_EXAMPLES_MAX
from suppression.policy import Cause, Did
from suppression.records import Applied, Changed, Reading


class _Group(NamedTuple):
    """Reports that were read alike and are read alike."""

    before: Reading | None
    now: Reading


class Summary:
    """Counts as it goes; its size depends on how many rules there are, not on how many reports."""

    def __init__(self, *, as_json: bool) -> None:
        self.records = 0  # of the topic
        self.reports = 0  # in them, within the span
        self.found = 0  # of those, read otherwise or not known
        self.published = 0
        self.changes: Counter[tuple[Did, Cause]] = Counter()
        self._as_json = as_json
        self._did: dict[_Group, Counter[str]] = {}
        self._examples: dict[_Group, list[str]] = {}
        self._addresses: dict[tuple[Did, Cause], list[str]] = {}
        self._unreadable: list[Unreadable] = []
        self._unreadable_count = 0

    def differs(self, outcome: Outcome, applied: Applied) -> None:
        """A report is read otherwise than before, or was not known."""
        decision, report = outcome.decision, outcome.report
        group = _Group(applied.before, Reading(decision.outcome.value, decision.category, decision.rule))
        left = applied.did is Did.REPEATED
        self._did.setdefault(group, Counter())[f"left as it was: {applied.why}" if left else applied.did.value] += 1
        examples = self._examples.setdefault(group, [])
        if len(examples) < REPLAY_EXAMPLES_MAX:
            words = shown(report.diagnostic or "without words", REPLAY_EXAMPLE_CHARACTERS_MAX)
            examples.append(f"{report.id}  {report.received_at:%Y-%m-%d %H:%M:%S}  {shown(report.recipient or '-')}: {words}")
        if self._as_json:
            print(json.dumps(_facts(outcome, applied)))

    def would_change(self, changed: Iterable[Changed]) -> None:
        """What that would do to the list."""
        for did, cause, address in changed:
            self.changes[did, cause] += 1
            addresses = self._addresses.setdefault((did, cause), [])
            if address and len(addresses) < REPLAY_EXAMPLES_MAX:
                addresses.append(shown(address))
            if self._as_json:
                print(json.dumps({"address": address, "entry": did, "cause": cause}))

    def cannot_read(self, unreadable: Unreadable) -> None:
        """Today's reader can not read a record."""
        self._unreadable_count += 1
        if len(self._unreadable) < REPLAY_EXAMPLES_MAX:
            self._unreadable.append(unreadable)

    def show(self, to: IO[str], *, title: str) -> None:
        """All of it, for a person."""
        print(f"{title}: {self.records:,} records, {self.reports:,} reports in the span", file=to)
        print(f"{self.reports - self.found:,} are read as before, {self.found:,} otherwise", file=to)
        for group, did in sorted(self._did.items(), key=lambda item: -item[1].total()):
            was = "not known" if group.before is None else _words(group.before)
            print(f"\n{did.total():,}  {was} -> {_words(group.now)}", file=to)
            for what, count in did.most_common():
                print(f"    {count:,} {what}", file=to)
            for example in self._examples[group]:
                print(f"    such as {example}", file=to)
        self._show_unreadable(to)
        for (change, cause), count in self.changes.most_common():
            addresses = self._addresses[change, cause]
            such_as = f", such as {', '.join(addresses)}" if addresses else ""
            print(f"the list: {count:,} {cause} {'entry' if count == 1 else 'entries'} {change}{such_as}", file=to)
        if self.published:
            print(f"{self.published:,} outcomes are on the log; `suppress` applies them", file=to)

    def _show_unreadable(self, to: IO[str]) -> None:
        if self._unreadable_count:
            print(f"\n{self._unreadable_count:,} records can not be read today; they are left as they are", file=to)
        for unreadable in self._unreadable:
            print(f"    such as {unreadable.where}: {unreadable.reason}", file=to)


def _words(reading: Reading) -> str:
    return f"{reading.outcome} {reading.category} ({reading.rule})"


def _facts(outcome: Outcome, applied: Applied) -> dict[str, object]:
    decision, report = outcome.decision, outcome.report
    return {
        "report": report.id,
        "recipient": report.recipient,
        "received_at": report.received_at.isoformat(),
        "diagnostic": report.diagnostic,
        "from": applied.before and applied.before._asdict(),
        "to": Reading(decision.outcome.value, decision.category, decision.rule)._asdict(),
        "did": None if applied.did is Did.REPEATED else applied.did.value,
        "why": applied.why,
    }

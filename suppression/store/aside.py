"""Reports that count otherwise because of an incident or a review: those that come, and those that the list knows.

What a report is to count for follows from what it was read as and from the incidents that hold (`suppression/incidents`). Here
that becomes rows, and the list follows by the same settling that a replay uses (`settle.py`).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, func, select

from nullsender.address import canonical
from nullsender.errors import Invalid
from nullsender.events import Decision, Outcome, Rejudgement, Result, decode
from nullsender.limits import INCIDENTS_HOLDING_MAX, REPORTS_FOLDED_MAX
from suppression.incidents.incident import Held, Incident, IncidentKind, Marks, Said, reading_of
from suppression.incidents.matching import Facts, Match, Matcher, facts_of
from suppression.models import held_reports, incidents, outcomes
from suppression.policy import PROTECTED, Did, Policy
from suppression.policy.strikes import event_time
from suppression.records import Applied
from suppression.store.breaker import held_columns, let_go
from suppression.store.bulk import Columns, insert_rows
from suppression.store.histories import Row, asked_of
from suppression.store.incident_reports import insert_memberships, membership, said_by
from suppression.store.reported import Reported
from suppression.store.rows import Key, Person, one_of
from suppression.store.settle import Anew, ReportKey, Settling, report_key_of
from suppression.store.text import json_of
from suppression.store.turn import Turn

_MARKS = msgspec.json.Decoder(Marks)
_STILL_ASKING = frozenset({Did.CAPPED, Did.HELD})  # what came of a report that asks, and that no fold says anew


class Holding:
    """The incidents that hold for the reports which come in one turn."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._incidents: Mapping[str, Sequence[Incident]] = {}
        self._memberships: list[Columns] = []
        turn.at_end(self._save)

    def load(self, tenants: Collection[str]) -> None:
        """Read those of these tenants; a bad-rule incident says nothing of what comes."""
        row = incidents.c
        holds = row.undone_at.is_(None), row.kind == IncidentKind.SENDER_FAULT.value
        found = self._turn.connection.execute(select(incidents).where(*holds, row.tenant.in_(sorted(tenants))))
        self._incidents = {}
        for incident in map(incident_of, found):
            self._incidents = {**self._incidents, incident.tenant: (*self._incidents.get(incident.tenant, ()), incident)}

    def of(self, report: Reported) -> Sequence[Incident]:
        """Those that hold for a report that asks for something; a person's own word is never set aside."""
        candidates = self._incidents.get(report.tenant, ())
        if not candidates or report.key is None or report.key.cause in PROTECTED:
            return ()
        facts = facts_of(report.outcome, report.strike.at)
        return [incident for incident in candidates if matcher_of(incident.marks).match(facts) is Match.YES]

    def note(self, row: Row, holding: Sequence[Incident]) -> None:
        """Write down that these hold for the report of a new row of `outcomes`."""
        own = msgspec.structs.replace(said_by(row), did=Did.COUNTED.value, why="")
        self._memberships += [membership(incident.id, row, own, None) for incident in holding]

    def _save(self, connection: Connection) -> None:
        insert_memberships(connection, self._memberships)


class Recount(NamedTuple):
    """A stored report, and what holds for it from now on."""

    row: Row
    own: Said
    holding: Sequence[Held]
    why: str  # for the report's own history
    decision: Decision | None = None  # what today's rules made of it, whole


class Recounting:
    """Lets stored reports count for something else, within one turn."""

    def __init__(self, turn: Turn, policy: Policy, *, actor: str, words: str, because: str) -> None:
        """`words`: who wants it and why, for an entry that stands; `because`: the same for one that is released."""
        self._turn = turn
        self._policy = policy
        self._actor = actor
        self._words = words
        self._because = because

    def recount(self, recounts: Sequence[Recount]) -> dict[ReportKey, Applied]:
        """Let them, and the list follow; what each did. The turn has loaded the people concerned."""
        anew = {report_key_of(one.row): self._anew(one) for one in recounts}
        freed = [report for report, one in anew.items() if one.row["did"] == Did.HELD != one.after["did"]]
        held = [
            held_columns(one.row, one.own.held, self._turn.now)
            for one in recounts
            if one.own.held and anew[report_key_of(one.row)].after["did"] == Did.HELD != one.row["did"]
        ]
        self._turn.at_end(lambda connection: let_go(connection, freed))
        self._turn.at_end(lambda connection: insert_rows(connection, held_reports, held))
        return Settling(self._turn, self._policy, anew).settle()

    def _anew(self, one: Recount) -> Anew:
        said, set_aside = reading_of(one.own, one.holding)
        after = _after(one, said, set_aside=set_aside)
        return Anew(
            one.row,
            after,
            self._key(one.row),
            self._key(after),
            actor=self._actor,
            words=self._words,
            because=self._because,
            why=one.why,
            address=_address(one.row),
        )

    def _key(self, row: Row) -> Key | None:
        asked = asked_of(row, self._policy)
        return asked and asked[0]


def incident_of(row: Any) -> Incident:
    """The incident of a row of `incidents`."""
    return Incident(
        id=row.id,
        tenant=row.tenant,
        kind=IncidentKind(row.kind),
        marks=_MARKS.decode(row.marks),
        reason=row.reason,
        made_at=row.made_at,
        made_by=row.made_by,
        job=row.job,
        undone_at=row.undone_at,
        undone_by=row.undone_by,
        undone_because=row.undone_because,
    )


@lru_cache(INCIDENTS_HOLDING_MAX)
def matcher_of(marks: Marks) -> Matcher:
    """Its matcher, which takes a while to make where it holds an expression."""
    return Matcher(marks)


def _after(one: Recount, said: Said, *, set_aside: bool) -> Row:
    did = Did(said.did)
    if set_aside or said.scope is None:
        did = Did.RECORDED
    elif did not in _STILL_ASKING:
        did = Did.COUNTED
    read = {"outcome": said.outcome, "category": said.category, "rule": said.rule, "scope": said.scope}
    return {**one.row, **read, "did": did.value, "entry_id": None, "body": _body(one, said)}


def _body(one: Recount, said: Said) -> str | None:
    """The words of a report with the decision that counts; those before it are kept behind it."""
    row = one.row
    if row["body"] is None or (row["outcome"], row["category"], row["rule"]) == (said.outcome, said.category, said.rule):
        body: str | None = row["body"]
        return body
    outcome = decode(Outcome, row["body"])
    before = outcome.rejudged or Rejudgement(replay_id="incident", reason=one.why)
    known = one.decision or _known(said, before.earlier)
    rejudged = msgspec.structs.replace(before, earlier=(*before.earlier, outcome.decision))
    return json_of(msgspec.structs.replace(outcome, decision=known, rejudged=rejudged))


def _address(row: Row) -> str:
    """The plain address, where the report holds it still: what was held or set aside has named nobody yet."""
    if row["body"] is None:
        return ""
    try:
        return canonical(decode(Outcome, row["body"]).report.recipient or "")
    except Invalid:
        return ""


def _known(said: Said, earlier: Iterable[Decision]) -> Decision:
    """The decision that was made once, whole where the report holds it still."""
    for decision in earlier:
        if (decision.outcome.value, decision.category, decision.rule) == (said.outcome, said.category, said.rule):
            return decision
    return Decision(outcome=Result(said.outcome), permanent=None, fault=None, category=said.category, rule=said.rule)


def facts_of_row(row: Row, held: str | None) -> Facts:
    """What the store has of a report still."""
    failed_at = event_time(row["occurred_at"], row["received_at"])
    if row["body"] is not None:
        return facts_of(decode(Outcome, row["body"]), failed_at, held)
    return Facts(failed_at, row["rule"], row["category"], row["stream"], None, held)


def too_many_said(turn: Turn, people: Collection[Person]) -> set[Person]:
    """Those of whom more was said than one turn can go through: their entries are left to a person.

    The index counts for all of them in one question; one for each takes ten times as long.
    """
    row = outcomes.c
    asked = (
        select(row.tenant, row.address_hash).group_by(row.tenant, row.address_hash).having(func.count() > REPORTS_FOLDED_MAX)
    )
    found: set[Person] = set()
    for tenant in sorted({person.tenant for person in people}):
        hashes = [person.address_hash for person in people if person.tenant == tenant]
        for these in one_of(turn.connection, row.address_hash, hashes):
            found |= {Person(*one) for one in turn.connection.execute(asked.where(row.tenant == tenant, these))}
    return found

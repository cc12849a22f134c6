"""Reports that are known and read otherwise today: their rows are rewritten, and the list follows.

Only an outcome that says so (`Outcome.rejudged`, from `nullsender replay`) takes the place of another: two versions of the
rules that run side by side during an upgrade do not fight. What the report was read as before stays in its row, in words for
ever. The entries that the old and the new reading speak of are folded from their whole history (`refold.py`): one that rested
on this report alone is released, one that rests on others too stays, one that it asks for is made. Others are left alone.

Two things a replay does not take away. What was proven stays as it was where the keys of today do not prove it, for the keys of
that day may be gone. And a person's own word stays, unless the operator says that such words may be released too.

Anybody can send reports about an address of his choice. One that very many name is left as it is, with a sentence: to go
through all that was said of it would take the writers' turn for too long, and more memory than there is.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from nullsender.events import Decision, Outcome, Rejudgement, Result, decode
from nullsender.limits import REPORTS_FOLDED_MAX
from suppression.policy import PROTECTED, Did, Policy, source_of
from suppression.records import Applied, Reading
from suppression.store.histories import REPLAY_ACTOR, Row, asked_of, person_of
from suppression.store.incident_reports import forget_memberships
from suppression.store.reported import Reported, columns_of
from suppression.store.rows import Key, Person
from suppression.store.settle import Anew, ReportKey, Settling, report_key_of
from suppression.store.text import clean_words
from suppression.store.turn import Turn

#: What came of a report that asks for something and does not get it: an incident or a review decides, not a replay.
_NOT_TO_BE_READ = frozenset({Did.RECORDED, Did.RELEASED, Did.HELD})


class _Judged(NamedTuple):
    """A report that is read otherwise than its row says."""

    report: Reported
    rejudged: Rejudgement
    row: Row
    before: Key | None  # the entry that it spoke of


class Rejudger:
    """Takes new outcomes of known reports within one turn."""

    def __init__(self, turn: Turn, policy: Policy) -> None:
        self._turn = turn
        self._policy = policy
        self._rows: dict[ReportKey, Row] = {}
        self._is_much_reported: dict[Person, bool] = {}

    def people_of(self, reports: Collection[Reported]) -> set[Person]:
        """Whom those of these known reports are and were about that are read otherwise; the turn has to load them first."""
        self._rows = {report_key_of(row): row for row in self._turn.recorded({report.id for report in reports})}
        anew = [judged for report in reports if isinstance(judged := self._judge(report), _Judged)]
        return {person for one in anew for person in (person_of(one.row), one.report.person) if person}

    def rejudge(self, reports: Sequence[Reported]) -> list[Applied]:
        """What each of them did, in their order."""
        self._rows |= {report_key_of(row): row for row in self._turn.recorded_now()}
        anew: dict[ReportKey, Anew] = {}
        applied: list[Applied | None] = []
        for report in reports:
            judged = self._judge(report)
            if isinstance(judged, _Judged):
                anew[report.id, report.proven] = _anew(judged)  # of two in one batch the one that came last
            applied.append(judged if isinstance(judged, Applied) else None)
        # What a bad-rule incident made of them is read anew too; to undo it later takes nothing back any more.
        self._turn.at_end(lambda connection: forget_memberships(connection, anew))
        done = Settling(self._turn, self._policy, anew).settle() if anew else {}
        return [one or done[report.id, report.proven] for one, report in zip(applied, reports, strict=True)]

    def _judge(self, report: Reported) -> Applied | _Judged:
        """Whether it is read otherwise; where not, or where that shall not count, why not."""
        row, rejudged = self._rows.get((report.id, report.proven)), report.outcome.rejudged
        assert rejudged is not None, "the others are only repeated"
        if row is None:
            return _left(report, None, "it was proven, and the keys of today do not prove it: left as it was")
        decision, asked = report.outcome.decision, asked_of(row, self._policy)
        before, key = asked and asked[0], report.key
        reading = Reading(row["outcome"], row["category"], row["rule"])
        now = Reading(decision.outcome.value, clean_words(decision.category), clean_words(decision.rule))
        if row["scope"] is not None and row["did"] in _NOT_TO_BE_READ:
            return _left(report, None, "an incident sets it aside, or it is held for review: that has to end first")
        if (reading, before, row["address_hash"]) == (now, key, report.person and report.person.address_hash):
            return _left(report, None, "the report is read as it was before")
        latest = row["body"] and decode(Outcome, row["body"])
        if latest and latest.rejudged and latest.decided_at > report.outcome.decided_at:
            return _left(report, reading, "the report was read anew later than this")
        if before is not None and before.cause in PROTECTED and key != before and not rejudged.release_protected:
            return _left(report, reading, f"a person's own word ({before.cause}) is not released unless the replay says so")
        if any(map(self._is_too_much, (person_of(row), report.person))):
            return _left(report, reading, f"more than {REPORTS_FOLDED_MAX} reports name the address: change its entry by hand")
        return _Judged(report, rejudged, row, before)

    def _is_too_much(self, person: Person | None) -> bool:
        """Whether more was said of somebody than one turn can go through."""
        if person is None:
            return False
        if person not in self._is_much_reported:
            self._is_much_reported[person] = self._turn.has_more_reports(person, REPORTS_FOLDED_MAX)
        return self._is_much_reported[person]


def _left(report: Reported, before: Reading | None, why: str) -> Applied:
    return Applied(report_id=report.id, did=Did.REPEATED, why=why, before=before)


def _anew(judged: _Judged) -> Anew:
    report, rejudged, row, before = judged
    decision = report.outcome.decision
    outcome = replace(report.outcome, rejudged=replace(rejudged, earlier=_earlier(row)))
    asks = Applied(report_id=report.id, did=Did.RECORDED if report.key is None else Did.COUNTED, why="")
    after = columns_of(row["seq"], report._replace(outcome=outcome), asks)
    made_one = row["did"] == Did.ADDED
    return Anew(
        row,
        {**after, "received_at": row["received_at"]},  # the same message may have come once more since
        before,
        report.key,
        actor=REPLAY_ACTOR,
        words=rejudged.words,
        because=f"read as {decision.outcome} ({decision.category}, {decision.rule}) by {rejudged.words}",
        why=f"{rejudged.words}; before: {row['outcome']} ({row['category']}, {row['rule']}): {row['why']}",
        address=report.address,
        source=None if made_one else source_of(report.outcome.report.source.ip),
    )


def _earlier(row: Row) -> tuple[Decision, ...]:
    """What the report was read as before, oldest first; of an erased one what the row says."""
    if row["body"] is None:
        decision = Decision(
            outcome=Result(row["outcome"]), permanent=None, fault=None, category=row["category"], rule=row["rule"]
        )
        return (decision,)
    known = decode(Outcome, row["body"])
    return (*(known.rejudged.earlier if known.rejudged else ()), known.decision)

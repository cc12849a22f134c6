"""The list after reports count otherwise than before: which entries are to stand, what they rest on, what each report did.

A report may be read anew (`rejudge.py`), or be set aside and taken back (`aside.py`). Only the entries that it spoke of and
speaks of are folded, and one that comes to the same either way is left alone, whatever stands there: nothing changes but what
the reports change.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from nullsender.events import Outcome, decode
from suppression.policy import Cause, Did, Policy, Standing
from suppression.records import Applied, Entry, Reading
from suppression.refold import CORRECTIONS, Folded, fold, fold_strikes
from suppression.store.histories import Basis, Row, Said, histories
from suppression.store.reported import NAMED
from suppression.store.rows import Key, Person
from suppression.store.text import clean_words
from suppression.store.turn import Grounds, Place, Turn
from suppression.unsubscribes.asking import asking_of

ReportKey = tuple[str, bool]  # a report's id, and whether it is proven

_CHANGED = frozenset({Did.ADDED, Did.HARDENED, Did.RENEWED})


class Anew(NamedTuple):
    """A report that counts otherwise than its row says."""

    row: Row
    after: Row  # as the row will be; `did` says only whether it asks for something: COUNTED, else RECORDED
    before: Key | None  # the entry that it spoke of
    key: Key | None  # the entry that it speaks of
    actor: str
    words: str  # who wants that and why, for the history of an entry
    because: str  # the same for an entry that is released by it
    why: str  # the same for the report
    address: str = ""  # canonical, where the plain one is known
    source: str | None = None  # whose cap on provisional entries it counts against, where it has not been counted yet

    @property
    def reading(self) -> Reading:
        """What it was read as."""
        return Reading(self.row["outcome"], self.row["category"], self.row["rule"])

    def entries(self) -> Iterable[Key]:
        """The entries that it spoke of and speaks of."""
        return (key for key in (self.before, self.key) if key is not None)


class Settling:
    """One settling: of these reports, within one turn, which has loaded the people concerned."""

    def __init__(self, turn: Turn, policy: Policy, anew: Mapping[ReportKey, Anew]) -> None:
        self._turn = turn
        self._policy = policy
        self._anew = anew
        self._concerned = {key: one for one in anew.values() for key in one.entries()}
        reported, self._changed = turn.history_of({key.person for key in self._concerned})
        self._rows = {report_key_of(row): row for row in reported}
        self._new_rows = {report_key: dict(one.after) for report_key, one in anew.items()}

    def settle(self) -> dict[ReportKey, Applied]:
        """Let the list and the rows of the reports be what the new readings make of them; what each did."""
        before = self._fold(self._rows.values())
        folded = self._fold_within_caps()
        corrected = {key: self._correct(key, before[key], folded[key]) for key in sorted(folded)}
        return {report_key: self._finish(report_key, folded, corrected) for report_key in self._anew}

    def _fold(self, rows: Iterable[Row]) -> dict[Key, Folded[Basis]]:
        told = histories(rows, self._changed, self._policy)
        return {key: self._fold_one(key, told.get(key, ())) for key in self._concerned}

    def _fold_one(self, key: Key, told: Sequence[Said]) -> Folded[Basis]:
        if key.cause is not Cause.SOFT:
            return fold(told)
        deliveries = self._turn.soft_history(Place(key.person, key.scope)).deliveries
        return fold_strikes(told, deliveries, self._policy.settings_of_scope(key.person.tenant, key.scope))

    def _fold_within_caps(self) -> dict[Key, Folded[Basis]]:
        """Fold with the new readings; those of a source that has made too many provisional entries are heard and no more."""
        counted: set[ReportKey] = set()
        while True:
            folded = self._fold((self._rows | self._new_rows).values())
            making = {report_key for one in folded.values() for report_key, did in one.did.items() if did is Did.ADDED}
            making = {report_key for report_key in making & self._anew.keys() if not report_key[1]} - counted
            over = [report_key for report_key in sorted(making) if not self._may_make(self._anew[report_key])]
            if not over:
                return folded
            counted |= making
            for report_key in over:
                self._new_rows[report_key]["did"] = Did.CAPPED.value

    def _may_make(self, one: Anew) -> bool:
        """Whether its source may make one more provisional entry; one that it had made has been counted."""
        made_max = self._policy.settings_for(one.row["tenant"], one.row["stream"]).provisional_per_source_and_hour_max
        return one.source is None or self._turn.take_provisional(one.source, one.row["received_at"], made_max)

    def _correct(self, key: Key, before: Folded[Basis], folded: Folded[Basis]) -> Did | None:
        """Bring the entry to where its history says that it stands; what that did, if anything had to be done."""
        turn, standing = self._turn, folded.standing
        if key.cause is Cause.SOFT:
            turn.keep_soft(Place(key.person, key.scope), folded.soft)
        if before.is_like(folded):
            return None
        entry = turn.entry(key)
        did = CORRECTIONS[entry is not None and entry.is_live(turn.now), standing is not None and standing.stops(turn.now)]
        if did is Did.RELEASED:
            assert entry is not None, "it stands"
            turn.put(key, did, _released(entry, standing, turn), self._grounds(key, None))
        elif did is not None:
            basis = folded.rests_on
            assert standing is not None, "it should stand"
            assert basis is not None, "and rests on something"
            if entry is not None and did is Did.AMENDED and _rests_so(entry, standing, basis):
                return None
            after = turn.put(key, did, standing, self._grounds(key, basis))
            self._keep_evidence(folded, basis, after)
        return did

    def _grounds(self, key: Key, basis: Basis | None) -> Grounds:
        one = self._concerned[key]
        if basis is None:
            return Grounds(actor=one.actor, reason=clean_words(one.because), evidence=one.row["report_id"])
        return Grounds(
            actor=one.actor,
            reason=clean_words(f"{basis.reason} ({one.words})"),
            evidence=basis.evidence,
            category=basis.category,
            rule=basis.rule,
            asking=asking_of(decode(Outcome, one.after["body"])) if one.after["body"] else None,
        )

    def _keep_evidence(self, folded: Folded[Basis], basis: Basis, entry: Entry) -> None:
        """Another report may hold the entry now that had changed nothing; what it said must not be erased any more."""
        for report_key, did in folded.did.items():
            row = self._rows.get(report_key)
            if row is None or report_key in self._anew or report_key[0] != basis.evidence:
                continue
            if did in _CHANGED and row["did"] not in _CHANGED:
                self._turn.rewrite({**self._whole(report_key), "did": did.value, "entry_id": entry.id})

    def _whole(self, report_key: ReportKey) -> Row:
        """Every column of a report's row; of a fold's rows only some were read."""
        rows = (*self._turn.recorded_now(), *self._turn.recorded({report_key[0]}))
        return next(row for row in rows if report_key_of(row) == report_key)

    def _finish(
        self, report_key: ReportKey, folded: Mapping[Key, Folded[Basis]], corrected: Mapping[Key, Did | None]
    ) -> Applied:
        """Write the row of a report that counts otherwise now."""
        one, row = self._anew[report_key], self._new_rows[report_key]
        key, did = one.key, Did(row["did"])
        if did is Did.COUNTED:
            assert key is not None, "it asks for something"
            did = folded[key].did[report_key]
        elif did is Did.RECORDED and one.before is not None and corrected[one.before] is Did.RELEASED:
            key, did = one.before, Did.RELEASED
        entry = self._turn.entry(key) if key is not None and did not in (Did.COUNTED, Did.CAPPED) else None
        if did in _CHANGED and entry is None:
            did = Did.KEPT  # its entry would have ended by now, and none was made that the row could leave with
        why, entry_id = clean_words(one.why), entry.id if entry else None
        self._turn.rewrite({**row, "did": did.value, "why": why, "entry_id": entry_id})
        if one.address and did in NAMED:
            self._turn.name(Person(row["tenant"], row["address_hash"]), one.address)
        return Applied(report_id=row["report_id"], did=did, why=why, entry_id=entry_id, before=one.reading)


def report_key_of(row: Row) -> ReportKey:
    """Which report a row of `outcomes` is of."""
    return row["report_id"], row["proven"]


def _released(entry: Entry, standing: Standing | None, turn: Turn) -> Standing:
    """How a released entry stands. Where an operator had lifted it before, that lift holds again."""
    if standing is not None and standing.ended_by is Did.LIFTED:
        return standing
    return entry.standing().end(turn.now, Did.RELEASED)


def _rests_so(entry: Entry, standing: Standing, basis: Basis) -> bool:
    return (entry.standing(), entry.evidence, entry.category, entry.rule) == (standing, *basis[:3])

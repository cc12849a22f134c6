"""Outcomes become changes of the list: each report once, in the order in which they come.

A report's id is made of the message's bytes, so a stranger who has a copy may send it before the source that we trust does.
That must not disarm it: a report counts once without proof and once with proof, the stronger in place of the weaker.

One that is known does nothing more, unless its outcome says that the report was read anew: see `store/rejudge.py`.
"""

from collections.abc import Sequence

from nullsender.address import AddressHasher
from nullsender.events import Outcome
from suppression.incidents.breaker import BreakerSettings
from suppression.incidents.incident import Incident
from suppression.policy import (
    Cause,
    Claim,
    Did,
    Policy,
    decide,
    source_of,
)
from suppression.records import Applied
from suppression.store.aside import Holding
from suppression.store.breaker import Breaking
from suppression.store.rejudge import Rejudger
from suppression.store.reported import NAMED, Reported, columns_of, read_outcome
from suppression.store.rows import Key
from suppression.store.strikes import Strikes
from suppression.store.text import clean_words
from suppression.store.turn import Grounds, Turn
from suppression.unsubscribes.asking import asking_of

ACTOR = "suppress"  # the stage, as the history names it

# What the breaker looks at: strangers may be quicker with copies of a flood, and then it comes to entries that stand already.
_MAKES_FULL = frozenset({Did.ADDED, Did.HARDENED})


class Applier:
    """Applies outcomes within one turn."""

    def __init__(self, turn: Turn, hasher: AddressHasher, policy: Policy, breaker: BreakerSettings) -> None:
        self._turn = turn
        self._hasher = hasher
        self._policy = policy
        self._rejudger = Rejudger(turn, policy)
        self._strikes = Strikes(turn, policy)
        self._holding = Holding(turn)
        self.breaking = Breaking(turn, breaker)
        self._known: set[tuple[str, bool]] = set()  # reports that were applied

    def apply(self, batch: Sequence[Outcome]) -> list[Applied]:
        """What each of them did, in their order."""
        reports = [read_outcome(outcome, self._hasher, self._policy) for outcome in batch]
        self._known = self._turn.known_reports([report.id for report in reports])
        self._load(reports)
        applied: list[Applied] = []
        read_anew: dict[int, Reported] = {}  # by its place; these come last, for they are folded with all the others
        for place, report in enumerate(reports):
            if not self._is_known(report):
                applied.append(self._apply_new(report))
                self._known.add((report.id, report.proven))
                continue
            applied.append(Applied(report_id=report.id, did=Did.REPEATED, why="the report was applied before"))
            if report.outcome.rejudged is not None:
                read_anew[place] = report
        for place, judged in zip(read_anew, self._rejudger.rejudge(list(read_anew.values())), strict=True):
            applied[place] = judged
        return applied

    def _load(self, reports: Sequence[Reported]) -> None:
        """Read all that there is of the people whom these reports concern."""
        new = {report.person for report in reports if report.person and not self._is_known(report)}
        read_anew = [report for report in reports if report.outcome.rejudged is not None and self._is_known(report)]
        self._turn.load(new | self._rejudger.people_of(read_anew))
        soft = (report for report in reports if report.key and report.key.cause is Cause.SOFT)
        self._strikes.load({report.key.person for report in soft if report.key and not self._is_known(report)})
        self._holding.load({report.tenant for report in reports})
        hard = [report for report in reports if report.key and report.key.cause is Cause.HARD and report.proven]
        self.breaking.load((report.tenant, report.outcome) for report in hard if not self._is_known(report))

    def _is_known(self, report: Reported) -> bool:
        """It was applied as it is, or with proof, which is more than it brings."""
        return (report.id, report.proven) in self._known or (report.id, True) in self._known

    def _apply_new(self, report: Reported) -> Applied:
        seq = self._turn.number()
        holding = self._holding.of(report)
        applied = _set_aside(report, holding) if holding else self._act(report)
        row = columns_of(seq, report, applied)
        self._turn.record(row)
        self._holding.note(row, holding)
        if applied.held_by is not None:
            self.breaking.hold(row, applied.held_by)
        self._note_asking(seq, report, applied)
        if report.person and applied.did in NAMED:
            self._turn.name(report.person, report.address)
        return applied

    def _note_asking(self, seq: int, report: Reported, applied: Applied) -> None:
        """Keep how a person asked for no more mail where that made no change, which would have kept it."""
        asking = asking_of(report.outcome)
        if asking is None or report.person is None:
            return
        entry = self._turn.entry(report.key) if report.key else None
        if applied.did is Did.KEPT and report.proven and report.key and entry and entry.is_live(self._turn.now):
            self._turn.asked.heeded(seq, report.key, entry, asking)
        elif applied.did in (Did.RECORDED, Did.CAPPED):
            self._turn.asked.in_vain(seq, report.person, asking, applied.why)

    def _act(self, report: Reported) -> Applied:
        claim, key = report.claim, report.key
        if isinstance(claim, str) or key is None:
            return Applied(report_id=report.id, did=Did.RECORDED, why=report.why_nothing())
        if claim.cause is Cause.SOFT:
            return self._strikes.strike(report, key, _grounds(report))
        return self._claim(report, key, claim)

    def _claim(self, report: Reported, key: Key, claim: Claim) -> Applied:
        turn, policy = self._turn, self._policy.settings_for(report.tenant, report.outcome.report.stream)
        did, standing = decide(turn.standing(key), claim)
        entry = turn.entry(key)
        if standing is None or did is Did.KEPT:
            why = "an entry stood already, or was lifted after the report had come"
            return Applied(report_id=report.id, did=Did.KEPT, why=why, entry_id=entry.id if entry else None)
        if did is Did.ADDED and not claim.proven:
            source = source_of(report.outcome.report.source.ip)
            made_max = policy.provisional_per_source_and_hour_max
            if not turn.take_provisional(source, report.received_at, made_max):
                why = f"{source} has made {made_max} provisional entries within the hour"
                return Applied(report_id=report.id, did=Did.CAPPED, why=why)
        if did in _MAKES_FULL and claim.proven and claim.cause is Cause.HARD:
            held_by = self.breaking.key_holding(report.tenant, report.outcome)
            if held_by is not None:
                why = f"held for review: {held_by} makes far more new entries than its usual share"
                return Applied(report_id=report.id, did=Did.HELD, why=clean_words(why), held_by=held_by)
        entry = turn.put(key, did, standing, _grounds(report))
        why = f"{claim.cause}, proof: {report.outcome.report.proof}"
        return Applied(report_id=report.id, did=did, why=why, entry_id=entry.id)


def _set_aside(report: Reported, holding: Sequence[Incident]) -> Applied:
    why = "; ".join(incident.words for incident in holding)
    return Applied(report_id=report.id, did=Did.RECORDED, why=clean_words(f"set aside by {why}"))


def _grounds(report: Reported) -> Grounds:
    decision, rejudged = report.outcome.decision, report.outcome.rejudged
    return Grounds(
        actor=ACTOR,
        reason=report.reason if rejudged is None else clean_words(f"{report.reason} ({rejudged.words})"),
        evidence=report.id,
        category=clean_words(decision.category),
        rule=clean_words(decision.rule),
        asking=asking_of(report.outcome),
    )

"""The certificate of an erasure: what was removed where, what is left and why, and what leaves by itself until when. Pure.

Nobody can undo an erasure and nobody can look again, so this says all there is to say, to a machine and to a person alike. What
is left is what it takes not to mail the person again: GDPR Article 17(3)(b) and (e) let it stay, and Article 21(3) asks for it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from suppression.privacy.retention import Rule

#: What an erasure removes: the name in the certificate, and the words for it.
REMOVED: Mapping[str, str] = {
    "addresses": "the plain address, and a hash of it that somebody brought",
    "outcomes": "the words of reports about the person",
    "changes": "the words of the history: reasons and consent that people typed",
    "entries": "the reasons that people typed for entries",
    "strikes": "counts of soft bounces",
    "deliveries": "what was delivered lately",
    "unsubscribes": "IP address, browser, message and token of unsubscribes",
    "audit": "the words of acts in the audit trail that are about the person or hold the address",
    "jobs": "the address, and the reasons that held it, in jobs and incidents",
}

KEPT: Sequence[Mapping[str, str]] = (
    {
        "what": "a keyed hash of the address, with cause, scope and dates of each entry and of its changes",
        "why": "without it nobody could know that this person must not be mailed; without our key it names nobody",
        "basis": "GDPR Art. 6(1)(c) and (f), 17(3)(b) and (e), 21(3)",
    },
    {
        "what": "that there were reports: their ids, times, kinds and outcomes, under the keyed hash",
        "why": "a report that comes again must not count twice",
        "basis": "GDPR Art. 6(1)(f)",
    },
    {
        "what": "digests of the audit trail, and this certificate",
        "why": "they prove that nothing was altered and that this erasure was done; they name nobody",
        "basis": "GDPR Art. 5(2), 17(3)(b)",
    },
)


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """One erasure."""

    id: str
    at: datetime
    subject: str  # the keyed hash, in hexadecimal digits
    tenants: Sequence[str]  # whose lists it was removed from
    actor: str
    reason: str
    removed: Mapping[str, int]  # rows, by the names of `REMOVED`
    leaves_later: Sequence[Rule]

    def document(self) -> dict[str, Any]:
        """As JSON, to be signed."""
        return {
            "document": "nullsender erasure certificate",
            "version": 1,
            "id": self.id,
            "at": _second(self.at),
            "subject": self.subject,
            "tenants": [*self.tenants],
            "actor": self.actor,
            "reason": self.reason,
            "removed": [{"where": name, "what": REMOVED[name], "rows": self.removed.get(name, 0)} for name in REMOVED],
            "kept": [dict(one) for one in KEPT],
            "leaves_later": [
                {"where": rule.kind, "what": rule.what, "at_the_latest": _second(self._last(rule))}
                for rule in self.leaves_later
            ],
        }

    def text(self) -> str:
        """The same for a person."""
        removed = [f"  - {REMOVED[name]}: {self.removed.get(name, 0)}" for name in REMOVED]
        kept = [f"  - {one['what']}: {one['why']} ({one['basis']})" for one in KEPT]
        later = [f"  - {rule.what}: by {self._last(rule):%Y-%m-%d}" for rule in self.leaves_later]
        return "\n".join(
            [
                f"Certificate of erasure {self.id}",
                f"Done on {self.at:%Y-%m-%d at %H:%M} UTC by {self.actor}, because: {self.reason}",
                f"The person is known here as {self.subject} from now on.",
                f"Lists that told of the person: {', '.join(self.tenants) or 'none'}",
                "",
                "Removed (how many rows of each):",
                *removed,
                "",
                "Left, and why it may be:",
                *kept,
                "",
                "What lies in files leaves later; freed pages of the database are written over in time:",
                *later,
            ]
        )

    def _last(self, rule: Rule) -> datetime:
        assert rule.days is not None, "it leaves"
        return self.at + timedelta(days=rule.days)


def _second(moment: datetime) -> str:
    return moment.replace(microsecond=0).isoformat().replace("+00:00", "Z")

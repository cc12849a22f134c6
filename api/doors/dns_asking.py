"""How the DNS zone asks: by a hash that anybody can make, which the directory turns into ours; from there on as every door."""

from collections.abc import Collection

from api.doors.asking import Asking
from api.doors.dns_directory import Directory
from api.doors.said import Question, Said
from api.doors.words import refused
from api.lookup import Lookup, Verdict
from api.view import View
from nullsender.errors import Invalid, Transient


class LookupByDigest:
    """Answers for digests in hexadecimal, in the place of addresses."""

    def __init__(self, lookup: Lookup, directory: Directory, *, allow_unknown: Collection[View]) -> None:
        """`allow_unknown`: views whose mail goes when nobody can tell."""
        self._lookup = lookup
        self._directory = directory
        self._allow_unknown = frozenset(allow_unknown)

    def at_once(self, view: View, digest: str) -> Verdict | None:
        """As `Lookup.at_once`. Reads a page of a mapped file, and waits for nothing else."""
        try:
            address_hash = self._directory.find(bytes.fromhex(digest))
        except Transient:
            return None
        if address_hash is not None:
            return self._lookup.at_once_of(view, (address_hash,))
        return Verdict(allowed=True) if self._directory.is_fresh() else None

    def verdict(self, view: View, digest: str) -> Verdict:
        """As `Lookup.verdict`."""
        try:
            address_hash = self._directory.find(bytes.fromhex(digest))
            if address_hash is not None:
                return self._lookup.verdict_of(view, (address_hash,))
            if not self._directory.is_fresh():
                raise Transient("the DNS zone has not heard of the newest addresses")
        except Transient:
            if view not in self._allow_unknown:
                raise
            return Verdict(allowed=True, known=False)
        return Verdict(allowed=True)


class AskingByDigest(Asking):
    """The questions of one listener of the zone; their addresses are digests."""

    def _read(self, question: Question) -> tuple[View, str] | Said:
        try:
            return self._chooser.view(question), question.address
        except Invalid as mistake:
            return refused(mistake.reason)

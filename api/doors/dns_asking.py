"""How the DNS zone asks: by a hash that anybody can make, which the directory turns into ours; from there on as every door.

Whom the list knows only by a hash that somebody brought stands in no directory; such a hash of the zone's kind is asked as is.
"""

from collections.abc import Collection, Mapping
from typing import Final

from api.doors.asking import Asking
from api.doors.dns_directory import Directory
from api.doors.said import Question, Said
from api.doors.words import refused
from api.lookup import Keys, Lookup, Verdict
from api.view import View
from nullsender.errors import Invalid, Transient

#: Which hashes may be brought (`AddressHasher.hash_prehashed`), by the bytes that they have.
_BROUGHT: Final[Mapping[int, str]] = {16: "md5", 32: "sha256"}


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
            own, brought = self._keys(digest)
        except Transient:
            return None
        verdict = self._lookup.at_once_of(view, own + brought) if own or brought else Verdict(allowed=True)
        return verdict if own or verdict is None or not verdict.allowed or self._directory.is_fresh() else None

    def verdict(self, view: View, digest: str) -> Verdict:
        """As `Lookup.verdict`."""
        try:
            own, brought = self._keys(digest)
            verdict = self._lookup.verdict_of(view, own + brought) if own or brought else Verdict(allowed=True)
            if verdict.allowed and not own and not self._directory.is_fresh():
                raise Transient("the DNS zone has not heard of the newest addresses")
        except Transient:
            if view._replace(mailing_list=None) not in self._allow_unknown:
                raise
            return Verdict(allowed=True, known=False)
        return verdict

    def _keys(self, digest: str) -> tuple[Keys, Keys]:
        """Under which keys the list may know the address: its own, if the directory has it, and that of a brought hash."""
        octets = bytes.fromhex(digest)
        own, kind = self._directory.find(octets), _BROUGHT.get(len(octets))
        brought = () if kind is None else (self._lookup.hasher.hash_prehashed(f"{kind}:{octets.hex()}"),)
        return () if own is None else (own,), brought


class AskingByDigest(Asking):
    """The questions of one listener of the zone; their addresses are digests."""

    def _read(self, question: Question) -> tuple[View, str] | Said:
        try:
            return self._chooser.view(question), question.address
        except Invalid as mistake:
            return refused(mistake.reason)

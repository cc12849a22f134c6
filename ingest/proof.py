"""How a report is tied to mail that we sent, and what it may not do where the ties contradict each other (G5).

Strongest first: it came to a signed return path, it returns our signed token, it came from a source that the operator named.
Anyone may write to the MX, so the rule behind all of this: a report acts on the one address that its proof names, or on nobody.
A mail that was forwarded is charged to the address that we sent it to, since that is the one we can stop sending to.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import date
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from itertools import islice

import msgspec

from ingest.reading.report import Reading
from ingest.signing.keys import Claims, SigningKeys
from ingest.signing.return_path import ReturnPaths, is_return_path
from ingest.signing.token import Tokens
from nullsender.address import canonical
from nullsender.errors import Invalid
from nullsender.events import DerivedFrom, Proof, Report, Source
from nullsender.limits import RETURNED_ADDRESSES_TRIED_MAX, RETURNED_HEADER_BYTES_TRIED_MAX

_ADDRESS = re.compile(rb"[^\s<>,;:\"()@]{1,64}@[0-9A-Za-z.-]{1,255}")
#: Places that do not say whom the report is about, so that a token may: nowhere, and the To of a mail to several people.
_GUESSED = frozenset({DerivedFrom.NOWHERE, DerivedFrom.ORIGINAL_TO})

SOMEONE_ELSE = "it names someone else than the address that the mail was sent to"


class Prover:
    """Sets tenant, stream, proof, recipient and `withheld` of the reports of a message."""

    def __init__(self, keys: SigningKeys, *, trusted_sources: Iterable[IPv4Network | IPv6Network] = ()) -> None:
        self._return_paths = ReturnPaths(keys)
        self._tokens = Tokens(keys)
        self._trusted_sources = tuple(trusted_sources)

    def prove(self, reading: Reading, source: Source, *, today: date) -> tuple[Report, ...]:
        """The reports of `reading` with what is proven about each; `source` is how the message came, `today` in UTC."""
        token, note = self._token(reading.reports, today)
        reports = tuple(_with_note(report, note) for report in reading.reports)
        paths = [local for local in (address.rpartition("@")[0] for address in source.rcpt_to) if is_return_path(local)]
        if paths:
            return self._by_return_path(reports, paths, token, reading.returned, today)
        alone = len(reports) == 1
        if token is not None:
            return tuple(_by_token(report, token, alone=alone) for report in reports)
        proof = Proof.SOURCE if self._is_trusted(source.ip) else Proof.NONE
        return tuple(msgspec.structs.replace(report, proof=proof) for report in reports)

    def _token(self, reports: Iterable[Report], today: date) -> tuple[Claims | None, str | None]:
        returned = next((report.returned_token for report in reports if report.returned_token), None)
        if returned is None:
            return None, None
        try:
            return self._tokens.verify(returned, today=today), None
        except Invalid as invalid:
            return None, f"the returned token proves nothing: {invalid.reason}"

    def _by_return_path(
        self, reports: tuple[Report, ...], paths: Iterable[str], token: Claims | None, returned: bytes, today: date
    ) -> tuple[Report, ...]:
        named = [*_recipients(reports), *([token.recipient] if token else []), *_addresses_in(returned)]
        proven: dict[str, Claims] = {}
        reason = ""
        for path in paths:
            try:
                claims = self._return_paths.verify(path, today=today, recipients=named)
                proven[claims.recipient] = claims
            except Invalid as invalid:
                reason = invalid.reason
        if not proven:
            why = f"it came to a return path that proves nothing: {reason}"
            return tuple(msgspec.structs.replace(report, withheld=why) for report in reports)
        # One report that came to one return path is about that path's recipient, whatever it says itself.
        if len(reports) == 1 and len(proven) == 1:
            (claims,) = proven.values()
            return (_proven(reports[0], claims, Proof.RETURN_PATH, DerivedFrom.RETURN_PATH),)
        return tuple(_about_one_of(report, proven) for report in reports)

    def _is_trusted(self, ip: str) -> bool:
        if not self._trusted_sources or not ip:
            return False
        address: IPv4Address | IPv6Address = ip_address(ip.partition("%")[0])
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self._trusted_sources)


def _by_token(report: Report, claims: Claims, *, alone: bool) -> Report:
    if _canonical(report.recipient) == claims.recipient:
        return _proven(report, claims, Proof.TOKEN, report.derived_from)
    if alone and (report.recipient is None or report.derived_from in _GUESSED):
        return _proven(report, claims, Proof.TOKEN, DerivedFrom.TOKEN)
    return msgspec.structs.replace(report, withheld=SOMEONE_ELSE)


def _about_one_of(report: Report, proven: dict[str, Claims]) -> Report:
    claims = proven.get(_canonical(report.recipient) or "")
    if claims is None:
        return msgspec.structs.replace(report, withheld=SOMEONE_ELSE)
    return _proven(report, claims, Proof.RETURN_PATH, report.derived_from)


def _proven(report: Report, claims: Claims, proof: Proof, derived_from: DerivedFrom) -> Report:
    return msgspec.structs.replace(
        report,
        tenant=claims.tenant,
        stream=claims.stream,
        proof=proof,
        recipient=claims.recipient,
        derived_from=derived_from,
    )


def _with_note(report: Report, note: str | None) -> Report:
    return msgspec.structs.replace(report, notes=(*report.notes, note)) if note else report


def _recipients(reports: Iterable[Report]) -> Iterator[str]:
    return filter(None, (_canonical(report.recipient) for report in reports))


def _canonical(address: str | None) -> str | None:
    try:
        return canonical(address) if address else None
    except Invalid:
        return None


def _addresses_in(returned: bytes) -> list[str]:
    """Addresses at the top of the returned mail, which may be the one that a short return path was signed for."""
    head = returned[:RETURNED_HEADER_BYTES_TRIED_MAX]
    found = (match[0].decode("utf-8", "replace") for match in _ADDRESS.finditer(head))
    return list(filter(None, map(_canonical, islice(found, RETURNED_ADDRESSES_TRIED_MAX))))

"""How a report is tied to mail that we sent, and what it may not do where the ties contradict each other (G5).

Strongest first: it came to a signed return path, it returns a token or an address that we signed, it came from a source that
the operator named. Anyone may write to the MX, so the rule behind all of this: a report acts on the one address that its proof
names, or on nobody. A mail that was forwarded is charged to the address that we sent it to, since that is the one we can stop
sending to.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from itertools import chain, islice
from typing import NamedTuple

import msgspec

from ingest.reading.report import Reading
from nullsender.address import canonical
from nullsender.errors import Invalid
from nullsender.events import DerivedFrom, Kind, Proof, Report, Source
from nullsender.limits import (
    RETURN_PATH_CANDIDATES_MAX,
    RETURNED_HEADER_BYTES_TRIED_MAX,
    SHORT_RETURN_PATHS_TRIED_MAX,
    UNSUBSCRIBE_LINKS_TRIED_MAX,
)
from nullsender.signing.keys import Claims, Expired, SigningKeys
from nullsender.signing.return_path import ReturnPaths, is_return_path, is_short_return_path, is_unsubscribe_address
from nullsender.signing.token import Tokens
from nullsender.signing.unsubscribe_link import UnsubscribeLinks, tokens_in

# It begins only where a word does and never goes back (`+`), so the time is linear.
_ADDRESS = re.compile(rb"(?<![^\s<>,;:\"()@])[^\s<>,;:\"()@]{1,64}+@[0-9A-Za-z.-]{1,255}")
# What our signed addresses look like in the head of the mail that came back: its Return-Path, its List-Unsubscribe.
_SIGNED = re.compile(rb"(?<![\w.+=-])((?:b|unsubscribe)\+[^\s<>@]{1,100}+)@", re.IGNORECASE)
#: Places that do not say whom the report is about, so that a token may: nowhere, the To of a mail to several people, and the
#: writer of an unsubscribe, who may have got the mail from another address of his.
_GUESSED = frozenset({DerivedFrom.NOWHERE, DerivedFrom.ORIGINAL_TO, DerivedFrom.SENDER})

SOMEONE_ELSE = "it names someone else than the address that the mail was sent to"
SEVERAL_STREAMS = "it came to return paths of several streams, and does not say which of their mails it is about"
SEVERAL_CANDIDATES = "it names several people, one of whom wants no more mail, and nothing of ours says which"
_PROVES_NOTHING = "it came to a return path that proves nothing: {}"


class _Tie(NamedTuple):
    """What one return path says, in which address it stood, and, where it is too old, so how old."""

    claims: Claims
    address: str
    expired: str | None = None


class Prover:
    """Sets tenant, stream, proof, recipient and `withheld` of the reports of a message."""

    def __init__(self, keys: SigningKeys, *, trusted_sources: Iterable[IPv4Network | IPv6Network] = ()) -> None:
        self._return_paths = ReturnPaths(keys)
        self._tokens = Tokens(keys)
        self._links = UnsubscribeLinks(keys)
        self._trusted_sources = tuple(trusted_sources)

    def prove(self, reading: Reading, source: Source, *, today: date) -> tuple[Report, ...]:
        """The reports of `reading` with what is proven about each; `source` is how the message came, `today` in UTC."""
        token, note, expired = self._token(reading, today)
        reports = tuple(_with_note(report, note) for report in reading.reports)
        # Whatever the case, a return path is the same one.
        paths = {local.lower(): address for address in source.rcpt_to if is_return_path(local := address.rpartition("@")[0])}
        if paths:
            ties, reason = self._ties(paths, list(_candidates(reading, token)), reading.kind, today)
            if reading.kind is Kind.UNSUBSCRIBE and len(reports) == 1:
                return _unsubscribes(reports[0], ties, reason)
            return _by_return_path(reports, [tie for tie in ties if tie.expired is None], reason)
        alone = len(reports) == 1
        if token is not None:
            return tuple(_by_token(report, token, alone=alone) for report in reports)
        if expired is not None and alone and reading.kind is Kind.UNSUBSCRIBE:
            return (_proven(reports[0], expired, Proof.NONE, DerivedFrom.TOKEN),)
        if _names_candidates(reading):
            return tuple(_withheld(report, SEVERAL_CANDIDATES) for report in reports)
        proof = Proof.SOURCE if self._is_trusted(source.ip) else Proof.NONE
        return tuple(msgspec.structs.replace(report, proof=proof) for report in reports)

    def _token(self, reading: Reading, today: date) -> tuple[Claims | None, str | None, Claims | None]:
        """What the mail carries of ours; or in words why what it carries proves nothing, and what is too old of it says."""
        note: str | None = None
        expired: Claims | None = None
        for name, verify in self._tokens_in(reading, today):
            try:
                return verify(), None, None
            except Invalid as invalid:
                note = f"the {name} proves nothing: {invalid.reason}"
                expired = invalid.claims if isinstance(invalid, Expired) else expired
        return None, note, expired

    def _tokens_in(self, reading: Reading, today: date) -> Iterator[tuple[str, Callable[[], Claims]]]:
        """What may be ours, by its name and with what verifies it: links, the returned mail's token, a few addresses in it."""
        if reading.kind is not Kind.BOUNCE:
            for link in islice(_links_in(reading), UNSUBSCRIBE_LINKS_TRIED_MAX):
                yield "unsubscribe link", partial(self._links.verify, link, today=today)
        token = next((report.returned_token for report in reading.reports if report.returned_token), None)
        if token is not None:
            yield "returned token", partial(self._tokens.verify, token, today=today)
        for signed in islice(_signed_in(reading), SHORT_RETURN_PATHS_TRIED_MAX):
            candidates = list(_candidates(reading, None))
            yield "returned signed address", partial(self._return_paths.verify, signed, today=today, recipients=candidates)

    def _ties(self, paths: Mapping[str, str], candidates: Sequence[str], kind: Kind, today: date) -> tuple[list[_Tie], str]:
        """What the return paths say of each recipient's stream, in the order of the envelope; why the last bad one is bad."""
        ties: dict[tuple[str, str | None, str], _Tie] = {}
        reason = ""
        short = filter(is_short_return_path, paths)
        untried = frozenset(islice(short, SHORT_RETURN_PATHS_TRIED_MAX, None))
        for path, address in paths.items():
            if _is_no_proof_of(kind, path):
                reason = "it is for unsubscribing"
                continue
            if path in untried:
                reason = f"more than {SHORT_RETURN_PATHS_TRIED_MAX} return paths without a recipient came together"
                continue
            try:
                tie = _Tie(self._return_paths.verify(path, today=today, recipients=candidates), address)
            except Expired as expired:
                reason = expired.reason
                tie = _Tie(expired.claims, address, expired.reason)
            except Invalid as invalid:
                reason = invalid.reason
                continue
            key = (tie.claims.tenant, tie.claims.stream, tie.claims.recipient)
            if key not in ties or tie.expired is None:
                ties[key] = tie
        return list(ties.values()), reason

    def _is_trusted(self, ip: str) -> bool:
        if not self._trusted_sources or not ip:
            return False
        address: IPv4Address | IPv6Address = ip_address(ip.partition("%")[0])
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self._trusted_sources)


def without_keys(reading: Reading) -> tuple[Report, ...]:
    """The reports of `reading` as far as they can be told where nobody has our keys: none is proven."""
    if _names_candidates(reading):
        return tuple(_withheld(report, SEVERAL_CANDIDATES) for report in reading.reports)
    return tuple(reading.reports)


def _names_candidates(reading: Reading) -> bool:
    """Whether it is about one of several people: of a bounce each is meant, of anything else one."""
    return len(reading.reports) > 1 and reading.kind is not Kind.BOUNCE


def _by_token(report: Report, claims: Claims, *, alone: bool) -> Report:
    if _canonical(report.recipient) == claims.recipient:
        return _proven(report, claims, Proof.TOKEN, report.derived_from)
    if alone and (report.recipient is None or report.derived_from in _GUESSED):
        return _proven(report, claims, Proof.TOKEN, DerivedFrom.TOKEN)
    return _withheld(report, SOMEONE_ELSE)


def _by_return_path(reports: Sequence[Report], ties: Sequence[_Tie], reason: str) -> tuple[Report, ...]:
    if not ties:
        return tuple(_withheld(report, _PROVES_NOTHING.format(reason)) for report in reports)
    # One report that came to one return path is about that path's recipient, whatever it says itself.
    if len(reports) == 1 and len(ties) == 1:
        return (_tied(reports[0], ties[0], DerivedFrom.RETURN_PATH),)
    return tuple(_about_one_of(report, ties) for report in reports)


def _about_one_of(report: Report, ties: Iterable[_Tie]) -> Report:
    recipient = _canonical(report.recipient)
    about = [tie for tie in ties if tie.claims.recipient == recipient]
    if not about:
        return _withheld(report, SOMEONE_ELSE)
    if len(about) > 1:
        return _withheld(report, SEVERAL_STREAMS)
    return _tied(report, about[0], report.derived_from)


def _unsubscribes(report: Report, ties: Sequence[_Tie], reason: str) -> tuple[Report, ...]:
    """One report for each stream whose address it came to: people send one mail to all of them.

    An address that is too old to be believed was signed by us all the same: it counts as much as a mail to `unsubscribe@`.
    """
    if not ties:
        return (_withheld(report, _PROVES_NOTHING.format(reason)),)
    return tuple(
        msgspec.structs.replace(_tied(report, tie, DerivedFrom.RETURN_PATH), id=f"{report.message_id}-{index}")
        for index, tie in enumerate(ties)
    )


def _tied(report: Report, tie: _Tie, derived_from: DerivedFrom) -> Report:
    proof = Proof.RETURN_PATH if tie.expired is None else Proof.NONE
    note = f"the return path proves nothing any more: {tie.expired}" if tie.expired else None
    return msgspec.structs.replace(
        _with_note(_proven(report, tie.claims, proof, derived_from), note),
        source=msgspec.structs.replace(report.source, rcpt_to=(tie.address,)),
    )


def _withheld(report: Report, why: str) -> Report:
    return msgspec.structs.replace(report, withheld=why)


def _proven(report: Report, claims: Claims, proof: Proof, derived_from: DerivedFrom) -> Report:
    return msgspec.structs.replace(
        report,
        tenant=claims.tenant,
        stream=claims.stream,
        mailing_list=claims.mailing_list,
        message=claims.message or None,
        proof=proof,
        recipient=claims.recipient,
        derived_from=derived_from,
    )


def _with_note(report: Report, note: str | None) -> Report:
    return msgspec.structs.replace(report, notes=(*report.notes, note)) if note else report


def _candidates(reading: Reading, token: Claims | None) -> Iterator[str]:
    """Whom a return path without a recipient may have been signed for, most likely first; not many, and each once."""
    seen: set[str] = set()
    named = filter(None, (_canonical(report.recipient) for report in reading.reports))
    for address in chain([token.recipient] if token else [], named, _addresses_in(reading.returned)):
        if address not in seen:
            seen.add(address)
            yield address
            if len(seen) == RETURN_PATH_CANDIDATES_MAX:
                return


def _signed_in(reading: Reading) -> Iterator[str]:
    """The local parts of signed addresses of ours in the head of the returned mail, and of the reverse-path as reported.

    Whoever has one may write to it as well, so it proves no more here than there: its own recipient, and nobody else.
    """
    reported = (report.original_mail_from or "" for report in reading.reports[:1])
    head = reading.returned[:RETURNED_HEADER_BYTES_TRIED_MAX].partition(b"\n\n")[0]
    found = (match[1].decode("utf-8", "replace") for match in _SIGNED.finditer(head))
    signed = filter(is_return_path, chain((address.rpartition("@")[0] for address in reported), found))
    return (local_part for local_part in signed if not _is_no_proof_of(reading.kind, local_part))


def _links_in(reading: Reading) -> Iterator[str]:
    """The tokens of unsubscribe links of ours: in the subject that such a mail was to have, and in the returned mail's head."""
    if reading.kind is Kind.UNSUBSCRIBE:
        yield from tokens_in(reading.reports[0].subject or "")
    yield from tokens_in(reading.returned[:RETURNED_HEADER_BYTES_TRIED_MAX].partition(b"\n\n")[0].decode("ascii", "replace"))


def _is_no_proof_of(kind: Kind, local_part: str) -> bool:
    """Whether `local_part` is an address for unsubscribing, and `kind` a bounce.

    Such an address is there to be shown, for years, and whoever was shown it may end one stream with it. A bounce ends all
    mail, and no mail server sends one there.
    """
    return kind is Kind.BOUNCE and is_unsubscribe_address(local_part)


def _canonical(address: str | None) -> str | None:
    try:
        return canonical(address) if address else None
    except Invalid:
        return None


def _addresses_in(returned: bytes) -> Iterator[str]:
    """Addresses at the top of the returned mail, which may be the one that a short return path was signed for."""
    found = islice(_ADDRESS.finditer(returned[:RETURNED_HEADER_BYTES_TRIED_MAX]), RETURN_PATH_CANDIDATES_MAX)
    return filter(None, (_canonical(match[0].decode("utf-8", "replace")) for match in found))

"""What an export is asked for: which rows, in which format, what for and for whom.

Pure. What makes no sense is refused before anything is done, with what to do instead.
"""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum

import msgspec

from nullsender.address import domain_to_ascii
from nullsender.errors import Invalid
from nullsender.limits import EXPORT_WORDS_CHARACTERS_MAX
from nullsender.names import canonical_name
from suppression.policy import EVERYWHERE, LIST_PREFIX, NOT_TRANSACTIONAL, Cause, Policy


class What(StrEnum):
    """Which rows leave."""

    ENTRIES = "entries"  # the list itself
    UNSUBSCRIBES = "unsubscribes"  # how each person asked for no more mail, and since when that is heeded
    CHANGES = "changes"  # every change of the list


class Format(StrEnum):
    """How the rows are written."""

    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"
    MD5 = "md5"
    SHA256 = "sha256"

    @property
    def is_hashes(self) -> bool:
        """Whether it gives hashes of addresses and nothing else."""
        return self in (Format.MD5, Format.SHA256)


class ExportRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for; all filters hold together, None: any."""

    what: What = What.ENTRIES
    format: Format = Format.CSV
    gzip: bool = False
    tenant: str | None  # None: every tenant
    begins: datetime | None = None  # this moment included
    ends: datetime | None = None  # this moment not
    cause: Cause | None = None
    scope: str | None = None  # exactly this one
    stream: str | None = None  # every scope that stops mail of this stream
    mailing_list: str | None = None  # and of this list
    domain: str | None = None
    ended: bool = False  # those too that stop nothing any more
    purpose: str
    recipient: str

    @property
    def suffix(self) -> str:
        """How the name of its file ends."""
        ending = {Format.MD5: "md5.txt", Format.SHA256: "sha256.txt"}.get(self.format, self.format.value)
        return f".{ending}{'.gz' if self.gzip else ''}"

    def scopes(self, policy: Policy) -> tuple[str, ...] | None:
        """The scopes that it is about; None: any."""
        if self.scope is not None:
            return (self.scope,)
        if self.stream is None and self.mailing_list is None:
            return None
        assert self.tenant is not None, "checked() saw to it"
        return policy.scopes_of(self.tenant, self.stream, self.mailing_list)


def checked(request: ExportRequest, now: datetime) -> ExportRequest:
    """The request with its names in the one form that the list knows. `Invalid` with everything that makes no sense in it."""
    if mistakes := list(_mistakes(request, now)):
        raise Invalid("; ".join(mistakes))
    return msgspec.structs.replace(
        request,
        purpose=" ".join(request.purpose.split()),
        recipient=" ".join(request.recipient.split()),
        tenant=request.tenant and canonical_name(request.tenant),
        scope=request.scope and _scope(request.scope.strip()),
        stream=request.stream and canonical_name(request.stream),
        mailing_list=request.mailing_list and canonical_name(request.mailing_list),
        domain=request.domain and domain_to_ascii(request.domain.strip().rstrip(".")),
    )


def _scope(scope: str) -> str:
    if scope in (EVERYWHERE, NOT_TRANSACTIONAL):
        return scope
    if scope.startswith(LIST_PREFIX):
        return LIST_PREFIX + canonical_name(scope.removeprefix(LIST_PREFIX))
    return canonical_name(scope)


def _mistakes(request: ExportRequest, now: datetime) -> Iterator[str]:
    for name, words in (("purpose", request.purpose), ("recipient", request.recipient)):
        if not words.strip():
            yield f"`{name}` is missing: every export is logged with what it is for and who gets it"
        elif len(words) > EXPORT_WORDS_CHARACTERS_MAX or not words.isprintable():
            yield f"`{name}` has up to {EXPORT_WORDS_CHARACTERS_MAX} characters, each of which can be printed"
    if request.begins is not None and request.ends is not None and request.begins >= request.ends:
        yield "the span ends before it begins: `from` has to be earlier than `to`"
    elif request.begins is not None and request.begins > now:
        yield "the span begins in the future, and nothing can lie in it: give an earlier `from`"
    if request.gzip and request.format is Format.PARQUET:
        yield "Parquet is compressed in itself: leave `gzip` out"
    if request.ended and request.what is not What.ENTRIES:
        yield f"`ended` is about entries: {request.what} has all there were, so leave it out"
    yield from _mistakes_of_hashes(request)
    yield from _mistakes_of_filters(request)


def _mistakes_of_hashes(request: ExportRequest) -> Iterator[str]:
    if request.format.is_hashes and request.what is What.CHANGES:
        yield f"a list of hashes ({request.format}) is made of entries or unsubscribes: choose another `format` for changes"
    if request.format.is_hashes and request.ended:
        yield "a list of hashes says whom not to mail, and ended entries stop nobody's mail: leave `ended` out"


def _mistakes_of_filters(request: ExportRequest) -> Iterator[str]:
    if request.what is What.UNSUBSCRIBES and request.cause not in (None, Cause.UNSUBSCRIBE):
        yield f"unsubscribes have no cause `{request.cause}`: leave `cause` out, or export entries"
    if request.scope is not None and (request.stream is not None or request.mailing_list is not None):
        yield "`scope` means one scope, `stream` and `list` all that stop such mail: give one or the others"
    if request.tenant is None and (request.stream is not None or request.mailing_list is not None):
        yield "streams and lists are a tenant's: name one tenant, or give a `scope`"

"""What the operator says about a list, and what follows from it for a row: its cause, its scope, and since when it holds."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from nullsender.errors import Invalid
from nullsender.names import canonical_name
from suppression.imports.row import Said
from suppression.imports.times import UNREADABLE
from suppression.policy import EVERYWHERE, LIST_PREFIX, NOT_TRANSACTIONAL, PROTECTED, Cause, Claim, PolicySettings
from suppression.policy.scopes import scope_for

NO_CAUSE: Final = "the row does not say why it is on the list: name the cause of such rows (`cause`)"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How to take a list. None: as its rows say, or as the policy says."""

    format: str | None = None
    cause: Cause | None = None  # of rows that say none
    scope: str | None = None  # of all rows
    stream: str | None = None  # the mail that rows are about which do not say it
    mailing_list: str | None = None
    force: bool = False  # also what was lifted here later


def canonical_scope(text: str) -> str:
    """A scope as the list names it: `*`, `*-transactional`, a stream, or `list:NAME`; `Invalid` for any other."""
    scope = text.strip().lower()
    if scope in {EVERYWHERE, NOT_TRANSACTIONAL}:
        return scope
    if scope.startswith(LIST_PREFIX):
        return LIST_PREFIX + canonical_name(scope.removeprefix(LIST_PREFIX))
    return canonical_name(scope)


def claims_of_row(said: Said, options: Options, settings: PolicySettings, now: datetime) -> Sequence[Claim]:
    """What a row asks of the list: one claim, or one for each stream. `Invalid` says why it asks for nothing.

    Its time is its own, else now. A person's word has no end, whatever another system made of it; any other entry ends when
    it would have ended there.
    """
    cause = said.cause or options.cause
    if cause is None:
        raise Invalid(NO_CAUSE)
    at = min(said.since, now) if said.since else now
    expires = None if cause in PROTECTED or said.expires is UNREADABLE else said.expires
    if cause is Cause.SOFT and expires is None and settings.soft_lifetimes[0] is not None:
        expires = at + settings.soft_lifetimes[0]
    if expires is not None and expires <= now:
        raise Invalid(f"not a suppression any more: it ended at {expires:%Y-%m-%d %H:%M} UTC")
    scopes = _scopes_of(said, cause, options, settings)
    return [Claim(cause=cause, scope=scope, at=at, proven=True, expires=expires) for scope in scopes]


def _scopes_of(said: Said, cause: Cause, options: Options, settings: PolicySettings) -> Sequence[str]:
    if said.is_transactional and options.scope is None:
        return settings.transactional or (EVERYWHERE,)
    return (_scope_of(said, cause, options, settings),)


def _scope_of(said: Said, cause: Cause, options: Options, settings: PolicySettings) -> str:
    if options.scope is not None:
        return options.scope
    if said.scope is not None:
        return canonical_scope(said.scope)
    if cause is Cause.MANUAL:
        return LIST_PREFIX + options.mailing_list if options.mailing_list else options.stream or EVERYWHERE
    return scope_for(settings.breadth_of(cause), options.stream, options.mailing_list)

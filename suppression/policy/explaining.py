"""What the policy says of one address, in sentences: why what stands stops mail, what is counted, what comes next."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from suppression.policy.claims import Claim, claim_for
from suppression.policy.in_force import Policy
from suppression.policy.scopes import EVERYWHERE, LIST_PREFIX, NOT_TRANSACTIONAL, mail_of, scope_for
from suppression.policy.settings import PolicySettings
from suppression.policy.soft import Word, fold_soft, missing
from suppression.policy.strikes import SoftHistory, Strike
from suppression.policy.transitions import Standing, decide
from suppression.policy.words import Cause, Did

#: What a soft report says of itself where nothing else is known.
SOFT_CATEGORIES = ("mailbox-unavailable", "mailbox-full")


class Mail(NamedTuple):
    """Which mail is asked about."""

    tenant: str
    stream: str | None
    mailing_list: str | None

    @property
    def words(self) -> str:
        """The same in words."""
        of_list = f" and list {self.mailing_list}" if self.mailing_list else ""
        return f"{f'mail of stream {self.stream}' if self.stream else 'mail of no stream'}{of_list}"


class Soft(NamedTuple):
    """What is counted on a scope."""

    history: SoftHistory
    words: Sequence[Word] = ()


class Stands(NamedTuple):
    """An entry that stands."""

    cause: Cause
    scope: str
    standing: Standing


def why_it_stops(scope: str, mail: Mail, policy: Policy) -> tuple[bool, str]:
    """Whether entries of that scope stop this mail, and why (not)."""
    stops = scope in policy.scopes_of(*mail)
    if scope == EVERYWHERE:
        return stops, "it stops all mail, and no narrower rule lets any through"
    if scope == NOT_TRANSACTIONAL:
        if not stops:
            return stops, f"stream {mail.stream} is transactional, and it leaves such mail alone"
        of_it = f"stream {mail.stream} is not transactional" if mail.stream else "mail of no stream is not transactional"
        return stops, f"it stops all mail but that of transactional streams, and {of_it}"
    kind = "list" if scope.startswith(LIST_PREFIX) else "stream"
    return stops, f"it stops the mail of this {kind}" if stops else f"it stops only {mail_of(scope)}"


def what_is_counted(scope: str, soft: Soft, policy: Policy, tenant: str, now: datetime) -> Iterator[str]:
    """The strikes on a scope, and how many more make an entry."""
    settings = policy.settings_of_scope(tenant, scope)
    fold = fold_soft(soft.history, soft.words, settings)
    run = [strike for strike in fold.run if (now - strike.at).days < settings.soft_window_days]
    for strike in run:
        proven = "" if strike.proven else ", not proven"
        yield f"counts: {strike.category or 'a soft bounce'} of {strike.at:%Y-%m-%d %H:%M} UTC{proven}"
    more = ", or ".join(
        f"{missing(run, category, settings)} of {category}" for category in SOFT_CATEGORIES if settings.soft_limit_of(category)
    )
    yield f"missing: {more}, within {settings.soft_window_days} days and with no delivery between, until an entry stops it"
    if fold.level:
        yield f"entries in a row so far: {fold.level}"


def what_comes_next(
    mail: Mail, stands: Sequence[Stands], soft: Mapping[str, Soft], policy: Policy, now: datetime
) -> Iterator[tuple[str, str]]:
    """For each kind of report what the next one about this mail would do; and again for one that nothing proves."""
    settings = policy.settings_for(mail.tenant, mail.stream)
    for cause in (Cause.HARD, Cause.SOFT, Cause.COMPLAINT, Cause.UNSUBSCRIBE):
        scope = scope_for(settings.breadth_of(cause), mail.stream, mail.mailing_list)
        for proven in (True, False):
            name = f"{cause} report" if proven else f"{cause} report that nothing proves"
            if not proven and settings.unproven != "provisional":
                full = settings.unproven == "full"
                yield name, "would do the same" if full else "would be kept and do nothing"
            elif cause is Cause.SOFT:
                here = soft.get(scope, Soft(SoftHistory()))
                yield name, _next_soft(scope, here, policy.settings_of_scope(mail.tenant, scope), now, proven=proven)
            else:
                claim = claim_for(cause, scope, now, proven=proven, settings=settings)
                yield name, _next(claim, stands)


def _next(claim: Claim, stands: Sequence[Stands]) -> str:
    before = next((one.standing for one in stands if (one.cause, one.scope) == (claim.cause, claim.scope)), None)
    return _outcome(*decide(before, claim), claim.scope)


def _next_soft(scope: str, soft: Soft, settings: PolicySettings, now: datetime, *, proven: bool) -> str:
    category = next((name for name in SOFT_CATEGORIES if settings.soft_limit_of(name)), SOFT_CATEGORIES[0])
    strike = Strike(now, proven, send="the next", category=category, report_id="the next")
    fold = fold_soft(soft.history.struck(strike), soft.words, settings)
    did = fold.did.get((strike.report_id, proven), Did.COUNTED)
    if did is Did.COUNTED:
        return f"would count on {mail_of(scope)}; {missing(fold.run, category, settings)} more would make an entry"
    return _outcome(did, fold.standing, scope)


def _outcome(did: Did, standing: Standing | None, scope: str) -> str:
    if did is Did.KEPT or standing is None:
        return f"would change nothing: an entry on {mail_of(scope)} is as strong already"
    until = "for good" if standing.expires is None else f"until {standing.expires:%Y-%m-%d %H:%M} UTC"
    return f"would stop {mail_of(scope)} {until}"

"""What an outcome would do to the list: asked of the policy itself, or of the list as it stands, and told in a sentence."""

from datetime import timedelta

import msgspec

from classifiers.outcome import Category
from nullsender.cli.replaying.against import Judge
from nullsender.events import Action, Outcome, Proof, Result
from suppression.policy import Cause, Claim, Policy, PolicySettings, claim_of
from suppression.policy.scopes import mail_of


def on_the_list(outcome: Outcome, policy: Policy, *, proof_is_known: bool) -> str:
    """What would follow; both cases where it depends on the proof and nobody knows yet what the proof is."""
    if outcome.decision.outcome is Result.NONE:
        late = outcome.report.action is Action.DELAYED
        return f"stays as it is: {'the mail may still arrive' if late else 'nothing is said against the address'}"
    if outcome.report.withheld:
        return "stays as it is: the report is withheld"
    if outcome.decision.category == Category.SUPPRESSED_ELSEWHERE:
        return "stays as it is: nothing was tried, so nothing new is known"
    proven, unproven = _both_ways(outcome, policy)
    settings = policy.settings_for(outcome.report.tenant, outcome.report.stream)
    if_proven, if_not = (_sentence(asked, outcome.decision.category, settings) for asked in (proven, unproven))
    if proof_is_known:
        return if_not if outcome.report.proof is Proof.NONE else if_proven
    if if_proven == if_not:
        return if_proven
    if isinstance(unproven, Claim):
        return f"{if_proven} if the report is proven, {_for_how_long(unproven)} if not"
    return f"{if_proven} if the report is proven; if not, {if_not}"


def on_the_list_today(outcome: Outcome, judge: Judge) -> str:
    """What would follow for the list as it stands, which knows what was counted, lifted or entered before. Nothing is done."""
    (applied,) = judge.preview([outcome]).applied
    return f"{applied.did}: {applied.why}"


def hangs_on_proof(outcome: Outcome, policy: Policy) -> bool:
    """Whether anything would follow for the list that a proof could change."""
    return any(isinstance(asked, Claim) for asked in _both_ways(outcome, policy))


def _both_ways(outcome: Outcome, policy: Policy) -> tuple[Claim | str, Claim | str]:
    return _asked(outcome, Proof.SOURCE, policy), _asked(outcome, Proof.NONE, policy)


def _asked(outcome: Outcome, proof: Proof, policy: Policy) -> Claim | str:
    """The claim of this outcome if that were its proof, or why there is none."""
    report = msgspec.structs.replace(outcome.report, proof=proof)
    return claim_of(msgspec.structs.replace(outcome, report=report), report.received_at, policy)


def _sentence(asked: Claim | str, category: str, policy: PolicySettings) -> str:
    if isinstance(asked, str):
        return f"stays as it is: {asked}"
    if asked.cause is Cause.SOFT:
        return (
            f"counts one soft bounce; {policy.soft_limit_of(category)} within {policy.soft_window_days} days stop "
            f"{mail_of(asked.scope)} to the address {_lifetime(policy.soft_lifetimes[0])}"
        )
    return f"stops {mail_of(asked.scope)} to the address {_for_how_long(asked)}"


def _for_how_long(claim: Claim) -> str:
    return _lifetime(None if claim.expires is None else claim.expires - claim.at)


def _lifetime(lifetime: timedelta | None) -> str:
    if lifetime is None:
        return "for good"
    return "for a day" if lifetime.days == 1 else f"for {lifetime.days} days"

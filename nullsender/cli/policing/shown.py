"""The policy in force as a table, and the table of transitions as Markdown."""

from collections.abc import Iterator
from typing import Any

from suppression.policy import TRANSITIONS, Cause, Policy, PolicySettings, State, Word
from suppression.policy.settings import words_of


def table_of(policy: Policy) -> dict[str, Any]:
    """All that is in force, under the names of the policy file; of tenants and streams what differs from what is wider."""
    told = _settings(policy.default)
    for (tenant, stream), settings in sorted(policy.overrides.items(), key=str):
        wider = policy.default if stream is None else policy.settings_for(tenant, None)
        differs = {name: value for name, value in _settings(settings).items() if value != _settings(wider)[name]}
        table = told.setdefault("tenant", {}).setdefault(tenant, {})
        (table if stream is None else table.setdefault("stream", {}).setdefault(stream, {})).update(differs)
    return told


def _settings(settings: PolicySettings) -> dict[str, Any]:
    plain = {name: getattr(settings, name) for name in PolicySettings.__struct_fields__}
    plain["soft_lifetimes"] = list(words_of(settings.soft_lifetimes))
    plain["transactional"] = list(settings.transactional)
    plain["soft_limits"] = dict(settings.soft_limits)
    return plain


def transitions() -> Iterator[str]:
    """The table, a row for each state and cause; docs/policy.md shows it, and a test holds the two together."""
    yield f"| state | cause | {' | '.join(word.value for word in Word)} |"
    yield f"| --- | --- |{' --- |' * len(Word)}"
    for state in State:
        for cause in Cause:
            moves = " | ".join(TRANSITIONS[state, cause, word].value for word in Word)
            yield f"| {state} | {cause} | {moves} |"

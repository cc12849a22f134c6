"""Soft reports. One alone suppresses nobody: it is a *strike*; when enough of them fall within a window, they are one claim.

The newest `soft_limit` strikes are all that is kept of an address, however many come.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from suppression.policy.claims import Claim
from suppression.policy.settings import PolicySettings
from suppression.policy.transitions import Standing
from suppression.policy.words import Did


class Strike(NamedTuple):
    """One soft report that counts."""

    at: datetime
    proven: bool


def add_strike(
    strikes: Sequence[Strike],
    claim: Claim,
    standing: Standing | None,
    settings: PolicySettings,
    *,
    instead_of: Strike | None = None,
) -> tuple[Strike, ...]:
    """The newest `soft_limit` strikes, this one among them; those from before a lift no longer count.

    `instead_of` is the strike of the same report, which came without proof before.
    """
    others = list(strikes)
    if instead_of in others:
        others.remove(instead_of)
    counting = sorted((*others, Strike(claim.at, claim.proven)))
    if standing is not None and standing.ended is not None and standing.ended_by is Did.LIFTED:
        counting = [strike for strike in counting if strike.at >= standing.ended]
    return tuple(counting[-settings.soft_limit :])


def claim_of_strikes(strikes: Sequence[Strike], claim: Claim, settings: PolicySettings) -> Claim | None:
    """What the strikes ask for together, `claim` being that of the one that came last; None while there are too few."""
    window = timedelta(days=settings.soft_window_days)
    if len(strikes) < settings.soft_limit or strikes[-1].at - strikes[0].at > window:
        return None
    return msgspec.structs.replace(
        claim,
        proven=all(strike.proven for strike in strikes),
        expires=strikes[-1].at + timedelta(days=settings.soft_entry_days),
    )

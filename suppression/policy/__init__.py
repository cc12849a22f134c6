"""What reports, operators, deliveries and time do to the list. Pure: values in, values out; times are passed in.

    words.py         causes, states, and what can come of a report
    scopes.py        which mail an entry stops
    settings.py      what an operator may move
    in_force.py      the policy as a whole: settings by tenant and stream, and their version
    transitions.py   the table: what happens to an entry, by its state, its cause and what is said
    claims.py        what a report asks of the list
    strikes.py       what is remembered of soft reports
    soft.py          what they come to together

What the rest of the house uses is found here.
"""

from suppression.policy.claims import REACH, Claim, claim_for, claim_of, counts_as_proven, source_of
from suppression.policy.in_force import BUILT_IN, Policy
from suppression.policy.scopes import EVERYWHERE, LIST_PREFIX, NOT_TRANSACTIONAL
from suppression.policy.settings import PolicySettings
from suppression.policy.soft import SoftFold, fold_soft
from suppression.policy.strikes import SoftHistory, Strike
from suppression.policy.transitions import TRANSITIONS, Move, Standing, Word, decide, state_of
from suppression.policy.words import ENDS, GRAVITY, PROTECTED, Cause, Did, State

__all__ = [
    "BUILT_IN",
    "ENDS",
    "EVERYWHERE",
    "GRAVITY",
    "LIST_PREFIX",
    "NOT_TRANSACTIONAL",
    "PROTECTED",
    "REACH",
    "TRANSITIONS",
    "Cause",
    "Claim",
    "Did",
    "Move",
    "Policy",
    "PolicySettings",
    "SoftFold",
    "SoftHistory",
    "Standing",
    "State",
    "Strike",
    "Word",
    "claim_for",
    "claim_of",
    "counts_as_proven",
    "decide",
    "fold_soft",
    "source_of",
    "state_of",
]

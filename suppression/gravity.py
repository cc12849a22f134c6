"""Which of several entries is told: apart from the store, because a lookup in memory needs it and no SQL."""

from suppression.policy import EVERYWHERE, GRAVITY
from suppression.records import Entry


def gravity(entry: Entry) -> tuple[int, bool, bool]:
    """Of several entries that stop one mail, the one for which this is the most is told."""
    return GRAVITY[entry.cause], not entry.provisional, entry.scope == EVERYWHERE

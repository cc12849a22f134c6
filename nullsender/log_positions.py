"""What every log does with a group's position: counting what lies behind it, and saying when it is of another log."""

import logging

from nullsender.log import Partition

_log = logging.getLogger("log")


def lag_records(offsets: range, stored: int) -> int:
    """How many of `offsets` lie at or after `stored`."""
    return offsets.stop - min(max(stored, offsets.start), offsets.stop)


def say_misfit(group: str, partition: Partition, *, wanted: int, oldest: int) -> None:
    """Log that a position does not fit the log: an operator has to know, for something was lost."""
    _log.error(
        "a group's position does not fit the log, so it starts at the oldest record: the log was lost or put back, or "
        "the records in between were trimmed",
        extra={"facts": {"group": group, **partition._asdict(), "wanted": wanted, "oldest": oldest}},
    )

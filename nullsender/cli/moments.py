"""A moment as people write it after a flag."""

import argparse
from datetime import UTC, datetime


def moment(text: str) -> datetime:
    """A moment in ISO 8601, or a day, which means its beginning; without a zone it is UTC."""
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 2026-11-20, or 2026-11-20T08:00+01:00") from None

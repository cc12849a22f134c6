"""Times as the databases' drivers give them, where SQLAlchemy is not asked."""

from datetime import UTC, datetime


def time_of(value: str | datetime) -> datetime:
    """The moment, in UTC. SQLite keeps text without a zone, which is UTC; PostgreSQL gives the zone of the session."""
    return datetime.fromisoformat(value).replace(tzinfo=UTC) if isinstance(value, str) else value.astimezone(UTC)

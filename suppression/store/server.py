"""What the database says of itself, for an operator who looks."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select

from suppression.engine import opened, reading


class Server(NamedTuple):
    """The database behind a list."""

    name: str  # "postgresql" or "sqlite"
    version: tuple[int, ...]
    now: datetime | None  # its clock, aware; None where it is this machine's own


def server_of(url: str) -> Server:
    """Ask the database at `url`. `Transient` where it does not answer, `Misconfigured` where the URL names none."""
    with opened(url) as engine, reading(engine) as connection:
        version = connection.dialect.server_version_info or ()
        own_clock = connection.dialect.name == "sqlite"
        now = None if own_clock else connection.execute(select(func.clock_timestamp())).scalar_one()
        return Server(connection.dialect.name, tuple(int(number) for number in version), now)

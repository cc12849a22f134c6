"""Which schema the database has, and whether a process may run on it.

During a rolling upgrade the schema is newer than the processes that have not been restarted yet. A schema says for itself which
is the oldest revision whose processes it still serves (`serves` of each step in `migrations/versions`).
"""

from sqlalchemy import Connection, delete, insert, inspect, select, text

from nullsender.errors import Misconfigured
from suppression.models import SCHEMA_REVISION, meta

_SERVES = "schema_serves"
FINGERPRINT = "address_key_fingerprint"
#: Which address key the list was made with.
KNOWN_FINGERPRINT = select(meta.c.value).where(meta.c.name == FINGERPRINT)


def require_schema(connection: Connection) -> None:
    """Nothing, where this process may use the schema; `Misconfigured` says what to do where it may not."""
    found = revision_of(connection)
    if found is None:
        raise Misconfigured("the store has no tables yet: run `nullsender migrate`")
    if found < SCHEMA_REVISION:
        raise Misconfigured(f"the store's schema is {found} and this version needs {SCHEMA_REVISION}: run `nullsender migrate`")
    if not serves(connection, found, SCHEMA_REVISION):
        raise too_new(found)


def too_new(found: str) -> Misconfigured:
    """What there is to say of a schema that this process may not use."""
    return Misconfigured(f"the store's schema {found} is from a newer version of this system: upgrade this process first")


def revision_of(connection: Connection) -> str | None:
    """The schema's revision; None where there are no tables."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision


def serves(connection: Connection, found: str, revision: str) -> bool:
    """Whether processes that were made for `revision` may run on the schema `found`, which is theirs or a newer one."""
    if found == revision:
        return True
    oldest: str | None = connection.execute(select(meta.c.value).where(meta.c.name == _SERVES)).scalar()
    return oldest is not None and oldest <= revision


def note_whom_it_serves(connection: Connection, oldest: str | None = None) -> None:
    """Write down the oldest revision whose processes the schema serves; None: there is no schema any more."""
    if oldest is not None:
        connection.execute(delete(meta).where(meta.c.name == _SERVES))
        connection.execute(insert(meta).values(name=_SERVES, value=oldest))

"""Large lists on PostgreSQL, made within the database in minutes.

Entry n belongs to the number 4n. Each has an address of its own, the change that made it, and two reports: the one that made it
and one that found it standing. They are spread over HISTORY_DAYS, the oldest first, and one in ten reports has its words still.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import Engine, text

from nullsender.address import AddressHasher
from nullsender.clock import SystemClock
from suppression.engine import reading, writing
from suppression.migrate import upgrade
from suppression.policy import Policy
from suppression.store.store import Store
from tests.outcomes import an_outcome

HASHER = AddressHasher(b"a key that is only for benchmarks")
SAMPLES = 2_000  # entries, spread evenly, whose addresses can be asked for
HISTORY_DAYS = 800
NUMBERS_EACH = 4

_NUMBERED = f"""
    WITH numbered AS (
        SELECT n, coalesce(sample.hash, decode(md5('h' || n), 'hex')) AS hash,
               now() - interval '{HISTORY_DAYS} days' * (1 - n / %(count)s::float) AS at
        FROM generate_series(1, %(count)s::bigint) AS n LEFT JOIN sample USING (n)
    )
"""
_MADE = {
    "entries": """
        SELECT 'default', hash, '*', 'hard', 4 * n, at, NULL, false, NULL, NULL, 'mailbox-unknown 5.1.1', md5('added' || n),
               'mailbox-unknown', 'a rule of the tests', 'suppress'
        FROM numbered
    """,
    "addresses": """
        SELECT hash, 'user' || n || '@example' || mod(n, 1000) || '.com', 'example' || mod(n, 1000) || '.com'
        FROM numbered
    """,
    "outcomes": """
        SELECT md5(did || n), true, 4 * n - (did = 'added')::int, 'default', NULL, hash, at, NULL, 'hard', 'mailbox-unknown',
               'a rule of the tests', 'return-path', did, 'hard, proof: return-path', 4 * n,
               CASE WHEN mod(n, 10) = 0 THEN %(body)s END
        FROM numbered, (VALUES ('added'), ('kept')) AS twice (did)
    """,
    "changes": """
        SELECT 4 * n, at, 'default', hash, 4 * n, 'added', 'hard', '*', 'suppress', 'mailbox-unknown 5.1.1', NULL,
               md5('added' || n), NULL, %(after)s
        FROM numbered
    """,
}


def make(engine: Engine, count: int) -> None:
    """Fill an empty database with a list of so many entries, the indexes last."""
    upgrade(engine)
    store_on(engine).apply([an_outcome("an example")], group="bench", positions={})
    with writing(engine) as connection:
        database: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
        database.execute("SET LOCAL statement_timeout = 0")
        example = database.execute("SELECT body, after FROM outcomes, changes").fetchone()
        assert example is not None
        values = {"count": count, "body": example[0], "after": example[1]}
        database.execute("CREATE TEMP TABLE sample (n bigint PRIMARY KEY, hash bytea) ON COMMIT DROP")
        with database.cursor().copy("COPY sample FROM STDIN") as copy:
            for number, address in sampled(count).items():
                copy.write_row((number, HASHER.hash(address)))
        for table, made in _MADE.items():
            with _without_indexes(database, table):
                database.execute(f"TRUNCATE {table}")
                database.execute(f"{_NUMBERED} INSERT INTO {table} {made}", values)
        database.execute("UPDATE numbering SET last = %s", [NUMBERS_EACH * count])
    _settle(engine)


def sampled(count: int) -> dict[int, str]:
    """The addresses that can be asked for, by the numbers of their entries."""
    return {number: f"sample{number}@example.com" for number in range(1, count + 1, max(1, count // SAMPLES))}


@contextmanager
def _without_indexes(database: psycopg.Connection[Any], table: str) -> Iterator[None]:
    """Building an index once is far quicker than adding to it row by row."""
    constraints = database.execute(
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass", [table]
    ).fetchall()
    for name, _ in constraints:
        database.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    indexes = database.execute("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s", [table]).fetchall()
    for name, _ in indexes:
        database.execute(f"DROP INDEX {name}")
    yield
    for name, definition in constraints:
        database.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
    for _, definition in indexes:
        database.execute(definition)


def _settle(engine: Engine) -> None:
    """What autovacuum and a checkpoint do by and by."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in ("SET statement_timeout = 0", "VACUUM ANALYZE", "CHECKPOINT"):
            connection.execute(text(statement))
        connection.invalidate()


def shares_of(engine: Engine) -> Iterator[str]:
    """What each table and index takes, in all and for each row."""
    asked = text(
        "SELECT relname, pg_relation_size(oid), reltuples FROM pg_class "
        "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i') AND pg_relation_size(oid) > 1048576 ORDER BY 1"
    )
    with reading(engine) as connection:
        for name, size_bytes, rows in connection.execute(asked):
            yield f"{name:<22}{size_bytes / 2**20:>9,.0f} MiB{size_bytes / rows:>8,.0f} bytes a row"


def store_on(engine: Engine) -> Store:
    """The list on `engine`."""
    return Store(engine, hasher=HASHER, clock=SystemClock(), policy=Policy())

"""A list of many entries on SQLite, and the roles that answer from it, each a process on a core of its own choosing.

The first `LISTED_MAX` entries are of addresses that can be asked for (`listed`); the others, of larger lists, have hashes that
belong to nobody, because making ten million real ones would take longer than all that is measured. Rows are written straight
into the tables: adding is not what is measured here. `more` adds entries with their changes, as fast as the disk takes them.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

# The store's own SQLite: two different ones in a process drop each other's locks on a file, and commits are lost.
import pysqlite3.dbapi2 as sqlite

from nullsender import config
from nullsender.address import AddressHasher
from nullsender.cli import parts, store_parts
from suppression.store.store import Store
from tests.ports import free_ports
from tests.waiting import wait_for

LISTED_MAX = 1_000_000
STREAM = "marketing"  # that every question names
START_SECONDS_MAX = 300.0
STOP_SECONDS_MAX = 30.0
SINCE = "2026-01-01 00:00:00.000000"
_STALENESS = re.compile(r"^nullsender_lookup_staleness_seconds(?:{[^}]*})? (\S+)$", re.MULTILINE)


def listed(number: int) -> str:
    """An address that is on the list, for a number below `LISTED_MAX` and the list's size."""
    return f"user{number:07}@example.com"


def clean(number: int) -> str:
    """An address that is not."""
    return f"clean{number}@example.org"


class Role:
    """A role of ours that runs as a process."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int = 0) -> None:
        self.process = process
        self.pid = process.pid
        self.port = port  # of an API

    def stop(self) -> None:
        """Ask it to end; kill it where it does not."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class LookupWorld:
    """The data folder, and what is started on it. `with` stops whatever still runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = config.load({"data": str(folder)}, environment={})
        # Everything that counts, counts as it does under `up`.
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("NULLSENDER_")} | {
            "NULLSENDER_DATA": str(folder),
            "NULLSENDER_LOG_LEVEL": "warning",
            "PROMETHEUS_MULTIPROC_DIR": str(self.settings.metrics_folder),
        }
        self.store: Store = store_parts.migrate_store(self.settings)
        self.settings.metrics_folder.mkdir()
        self.key = self.store.create_key("bench", scopes=["check", "read", "write"], tenant="default", expires=None)[1]
        self.count = 0
        self._running = ExitStack()

    @property
    def hasher(self) -> AddressHasher:
        """What the list knows addresses by."""
        return parts.hasher_of(self.settings)

    def fill(self, count: int) -> None:
        """A list of so many entries, on an empty store."""
        self.suppress("first@example.net")  # the usual way, so that the feed begins with a change as every feed does
        # In the order of the key, and the other indexes last: an index that grows at its end is many times quicker.
        hash_of = self.hasher.hash
        hashes = sorted(hash_of(listed(number)) for number in range(min(count, LISTED_MAX)))
        first_stranger, after_last = _FIRST + len(hashes), _FIRST + count
        with self._written() as database:
            indexes = database.execute(_INDEXES).fetchall()
            for name, _ in indexes:
                database.execute(f"DROP INDEX {name}")
            database.execute(_LISTED, {"hashes": b"".join(hashes), "first": _FIRST, "end": first_stranger})
            database.execute(_STRANGERS, {"first": first_stranger, "end": after_last})
            for _, made in indexes:
                database.execute(made)
            database.execute("UPDATE numbering SET last = ?", [after_last])
        self.count = count

    def suppress(self, address: str) -> None:
        """An entry that is committed when this returns, by this process and not through the API."""
        self.store.add("default", address, scope="*", cause="manual", reason="bench", expires=None, actor="bench")

    def more(self, count: int) -> None:
        """So many more entries of strangers, with the changes that made them, in one transaction."""
        with self._written() as database:
            (last,) = database.execute("SELECT last FROM numbering").fetchone()
            span = {"first": last + 1, "end": last + 1 + count}
            database.execute(_STRANGERS, span)
            database.execute(_THEIR_CHANGES, span)
            database.execute("UPDATE numbering SET last = ?", [last + count])
        self.count += count

    @contextmanager
    def _written(self) -> Iterator[Any]:
        assert self.settings.sqlite_file is not None
        database = sqlite.connect(self.settings.sqlite_file, isolation_level=None, timeout=STOP_SECONDS_MAX)
        try:
            database.execute("PRAGMA cache_size = -1000000")
            database.execute("PRAGMA temp_store = memory")
            database.execute("BEGIN IMMEDIATE")
            yield database
            database.execute("COMMIT")
        finally:
            database.close()

    # --- roles ---

    def start(self, role: str, *words: str, core: int | None = None, settings: dict[str, str] | None = None) -> Role:
        """Start a role, on one core where one is named; its output goes to a file in the data folder."""
        pinned = ["taskset", "-c", str(core)] if core is not None else []
        with (self.folder / f"{role}.out").open("ab") as output:
            process = subprocess.Popen(
                [*pinned, sys.executable, "-m", "nullsender.cli", role, *words],
                env={**self.environment, **(settings or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        started = Role(process)
        self._running.callback(started.stop)
        return started

    def start_api(self, core: int | None = None) -> Role:
        """An API process; it may not answer yet (`wait_until_answering`)."""
        port = free_ports(1)[0]
        role = self.start("api", "--http", f"127.0.0.1:{port}", core=core)
        role.port = port
        return role

    def wait_until_fresh(self, api: Role) -> float:
        """Return when the API answers from memory; how many seconds that took."""
        began = time.monotonic()

        def is_fresh() -> bool:
            if api.process.poll() is not None:
                raise RuntimeError(f"the API ended: {self.said('api')[-2000:]}")
            return self.staleness_seconds(api) < 1.0

        wait_for(is_fresh, what="a fresh lookup table", seconds=START_SECONDS_MAX)
        return time.monotonic() - began

    def staleness_seconds(self, api: Role) -> float:
        """How old the API's answers are, as it says itself; infinite where it does not answer."""
        try:
            page = httpx.get(f"http://127.0.0.1:{api.port}/metrics", timeout=5).text
        except httpx.TransportError:
            return float("inf")
        found = _STALENESS.findall(page)
        return min(map(float, found)) if found else float("inf")

    def said(self, role: str) -> str:
        """What a role wrote."""
        return (self.folder / f"{role}.out").read_text(errors="replace")

    def command(self, *words: str) -> Sequence[str]:
        """The command line of another `nullsender …` on this list, for `environment`."""
        return [sys.executable, "-m", "nullsender.cli", *words]

    def __enter__(self) -> "LookupWorld":
        return self

    def __exit__(self, *_of_error: object) -> None:
        self._running.close()


_FIRST = 1_000  # the number of the first entry that was written straight
_INDEXES = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'entries' AND sql IS NOT NULL"
_HASH_BYTES = AddressHasher.HASH_BYTES


def _inserted(address_hash: str, scope: str, cause: str) -> str:
    """A statement that makes entries with the numbers from `:first` to before `:end`, in that order."""
    return f"""
        WITH RECURSIVE numbered (number) AS (
            SELECT :first WHERE :first < :end UNION ALL SELECT number + 1 FROM numbered WHERE number + 1 < :end
        )
        INSERT INTO entries (tenant, address_hash, scope, cause, id, since, expires_at, provisional, ended_at, ended_by,
                             reason, evidence, category, rule, created_by)
        SELECT 'default', {address_hash}, {scope}, {cause}, number, '{SINCE}', NULL, 0, NULL, NULL,
               '550 5.1.1 no such user', printf('%032x', number), 'mailbox-unknown', 'bench', 'bench'
        FROM numbered
    """


# All of them stop mail of the stream that is asked about.
_LISTED = _inserted(
    f"substr(:hashes, {_HASH_BYTES} * (number - :first) + 1, {_HASH_BYTES})",
    f"CASE WHEN number % 10 < 2 THEN '{STREAM}' ELSE '*' END",
    "CASE WHEN number % 10 < 2 THEN 'unsubscribe' WHEN number % 10 = 2 THEN 'complaint' ELSE 'hard' END",
)
# In order by their first four bytes; the table looks at the others first.
_STRANGERS = _inserted(
    f"CAST(unhex(printf('%08x', (number - :first) * 0xffffffff / (:end - :first))) || randomblob({_HASH_BYTES - 4}) AS BLOB)",
    "'*'",
    "'hard'",
)
_THEIR_CHANGES = f"""
    INSERT INTO changes (seq, at, tenant, address_hash, entry_id, action, cause, scope, actor, reason, after)
    SELECT id, strftime('%Y-%m-%d %H:%M:%f000', 'now'), tenant, address_hash, id, 'added', cause, scope, 'bench', 'bench',
           json_object('id', id, 'tenant', tenant, 'scope', scope, 'address', NULL, 'cause', cause,
                       'since', '{SINCE[:10]}T00:00:00Z', 'expires', NULL, 'provisional', json('false'), 'reason', reason,
                       'evidence', evidence, 'category', category, 'rule', rule, 'created_by', created_by)
    FROM entries WHERE tenant = 'default' AND id >= :first AND id < :end
"""

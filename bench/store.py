"""What the store does in a second, on SQLite and PostgreSQL, and how that changes as the list grows.

    .venv/bin/python -m bench.store [--entries 100000 1000000] [--rounds 5]

First both databases apply the same kinds of outcomes in batches of 1, 50 and 500, by turns, each commit synced to disk. Then
PostgreSQL gets a list of each size (`_lists.py`), and everything that the product asks of it is timed. The figures are medians;
the last column is the largest list's against the smallest's. Ten million entries take half an hour and 20 GB of disk.
"""

import argparse
import itertools
import random
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median

from bench._lists import HISTORY_DAYS, NUMBERS_EACH, make, sampled, shares_of, store_on
from nullsender.events import Outcome
from nullsender.log import Partition, Position, Topic
from suppression.engine import opened
from suppression.migrate import upgrade
from suppression.store.read import Filters
from suppression.store.store import Store
from tests.outcomes import an_outcome
from tests.servers.postgres import Postgres, postgres_server

PLACE = Partition(Topic.OUTCOMES, 0)
BATCHES = {1: 60, 50: 20, 500: 10}  # how many batches of which size a round applies
PAGE = 100
WARM_UPS = 5  # calls before those that are timed
CALLS_MAX = 150  # of one kind that applies
FORGET_MAX = 500
# A list of ten million is several times what the server keeps in memory itself.
SERVER = {"shared_buffers": "2GB", "max_wal_size": "8GB", "maintenance_work_mem": "512MB"}
_RESULTS = ["hard"] * 5 + ["soft"] * 3 + ["none"] * 2


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with postgres_server(SERVER, durable=True) as server, tempfile.TemporaryDirectory(prefix="ns-bench-") as folder:
        compare_databases(server, Path(folder), arguments.rounds)
        compare_sizes(server, arguments.entries)


# --- SQLite against PostgreSQL ---


def compare_databases(server: Postgres, folder: Path, rounds: int) -> None:
    """How quickly outcomes are applied."""
    urls = {"SQLite": f"sqlite:///{folder / 'list.sqlite'}", "PostgreSQL": server.url(server.create_database())}
    with opened(urls["SQLite"]) as one, opened(urls["PostgreSQL"]) as other:
        for engine in (one, other):
            upgrade(engine)
        stores = {"SQLite": store_on(one), "PostgreSQL": store_on(other)}
        seconds: dict[tuple[str, int], list[float]] = {}
        for _, (size, count) in itertools.product(range(rounds), BATCHES.items()):
            for name, store in stores.items():
                seconds.setdefault((name, size), []).append(timed(partial(apply, store, outcomes(size, count))) / count)
    print("applying outcomes            " + "".join(f"{name:>16}" for name in stores))
    for size in BATCHES:
        rates = [f"{size / median(seconds[name, size]):,.0f}/s" for name in stores]
        print(f"  in batches of {size:<13}" + "".join(f"{rate:>16}" for rate in rates))


def apply(store: Store, batches: Iterable[Sequence[Outcome]]) -> None:
    """Apply the batches."""
    for batch in batches:
        store.apply(batch, group="bench", positions={PLACE: Position(1, b"mark")})


def outcomes(size: int, count: int) -> Sequence[Sequence[Outcome]]:
    """So many batches of new outcomes, on 200,000 addresses."""
    return [
        [an_outcome(random.randbytes(16).hex(), random.choice(_RESULTS), recipient=_somebody()) for _ in range(size)]
        for _ in range(count)
    ]


def _somebody() -> str:
    return f"{random.randrange(200_000)}@new.example"


# --- small lists against large ones ---


def compare_sizes(server: Postgres, sizes: Sequence[int]) -> None:
    """How long each question takes on lists of each size."""
    found: dict[str, list[float]] = {}
    for count in sizes:
        name = server.create_database()
        with opened(server.url(name)) as engine:
            print(f"\na list of {count:,} entries, made in {timed(partial(make, engine, count)):.0f} s", flush=True)
            print("\n".join(f"  {row}" for row in shares_of(engine)), flush=True)
            for title, seconds in measured(store_on(engine), count):
                found.setdefault(title, []).append(seconds)
        server.drop_database(name)
    print("\nseconds a call (median)".ljust(40) + "".join(f"{count:>14,}" for count in sizes) + f"{'ratio':>10}")
    for title, seconds_by_size in found.items():
        row = "".join(f"{seconds * 1000:>11.2f} ms" for seconds in seconds_by_size)
        print(f"  {title:<37}{row}{seconds_by_size[-1] / seconds_by_size[0]:>10.1f}")


def measured(store: Store, count: int) -> Iterator[tuple[str, float]]:
    """Each kind of call on a list of so many entries, with its median in seconds."""
    chance = random.Random(1)
    people = list(sampled(count).values())
    batches = {size: list(outcomes(size, CALLS_MAX)) for size in BATCHES}
    later = datetime.now(UTC) + timedelta(days=HISTORY_DAYS)  # by then all that was made is old

    def anybody() -> str:
        return chance.choice(people)

    def anywhere() -> int:
        return chance.randrange(NUMBERS_EACH * count)

    calls: dict[str, tuple[Callable[[], object], int]] = {
        "confirm one hit": (lambda: store.check("default", None, [anybody()]), 500),
        "check 1,000, all of them hits": (lambda: store.check("default", None, people[:1_000]), 20),
        "history of one address": (lambda: store.history("default", anybody(), cursor=None, limit=PAGE), 500),
        "a page of the list, newest": (lambda: store.list("default", Filters(), cursor=None, limit=PAGE), 100),
        "a page of the list, anywhere": (lambda: store.list("default", Filters(), cursor=anywhere(), limit=PAGE), 100),
        "500 changes of the feed, anywhere": (lambda: store.since(anywhere(), 500).states, 50),
        "operator's entry": (lambda: add(store, chance), 100),
        "apply 1": (lambda: apply(store, [batches[1].pop()]), 100),
        "apply 50": (lambda: apply(store, [batches[50].pop()]), 40),
        "apply 500": (lambda: apply(store, [batches[500].pop()]), 20),
        "forget (words and reports, 500 each)": (lambda: store.forget(later, FORGET_MAX), 40),
    }
    for title, (call, times) in calls.items():
        for _ in range(WARM_UPS):
            call()
        yield title, median(timed(call) for _ in range(times))


def timed(call: Callable[[], object]) -> float:
    """How many seconds it takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def add(store: Store, chance: random.Random) -> None:
    """An operator's entry for somebody new."""
    address = f"{chance.getrandbits(64)}@example.net"
    store.add("default", address, scope="*", cause="manual", reason="bench", expires=None, actor="bench")


if __name__ == "__main__":
    main()

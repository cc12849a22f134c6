"""Many at once, and some of them killed: nothing is doubled, nothing is lost, and a follower misses nothing."""

import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, func, select

from nullsender.clock import SystemClock
from nullsender.events import Outcome, encode
from nullsender.log import Position
from suppression.engine import opened, reading, writing
from suppression.models import api_keys, changes, entries, meta, numbering, outcomes
from suppression.policy import Did
from suppression.store.store import Store
from tests.outcomes import an_outcome
from tests.store_contract import PLACE, put
from tests.store_fixtures import BOTH_DATABASES, store_on

pytestmark = pytest.mark.parametrize("database", BOTH_DATABASES)

ROOT = Path(__file__).parent.parent


def reports(count: int) -> list[Outcome]:
    """Reports on a third as many addresses."""
    return [an_outcome(f"report {number}", recipient=f"{number % (count // 3)}@example.com") for number in range(count)]


def require_whole(engine: Engine, told: Sequence[Outcome]) -> None:
    """Every report is there once, and so is every entry; the numbers have no holes and none was given twice."""
    addresses = {outcome.report.recipient for outcome in told}
    with reading(engine) as connection:
        assert connection.execute(select(func.count()).select_from(outcomes)).scalar_one() == len(told)
        assert connection.execute(select(func.count()).select_from(entries)).scalar_one() == len(addresses)
        numbers = [
            number for column in (outcomes.c.seq, changes.c.seq) for number in connection.execute(select(column)).scalars()
        ]
        last = connection.execute(select(numbering.c.last)).scalar_one()
    assert sorted(numbers) == list(range(1, last + 1))
    assert last == len(told) + len(addresses)


def test_appliers_of_overlapping_batches_double_nothing(store_url: str, engine: Engine) -> None:
    told = reports(300)

    def apply_all(seed: int) -> Counter[Did]:
        """All reports, in batches of an order of our own."""
        shuffled = random.Random(seed).sample(told, len(told))
        done: Counter[Did] = Counter()
        with opened(store_url) as own:
            store = store_on(own, SystemClock())
            for start in range(0, len(told), 20):
                batch = shuffled[start : start + 20]
                done += Counter(
                    applied.did for applied in store.apply(batch, group="g", positions={PLACE: Position(start, b"mark")})
                )
        return done

    with ThreadPoolExecutor(4) as threads:
        done = sum(threads.map(apply_all, range(4)), Counter[Did]())

    assert done == {Did.ADDED: 100, Did.KEPT: 200, Did.REPEATED: 900}
    require_whole(engine, told)


def test_several_may_open_a_new_list_and_bring_the_same_key_at_once(store_url: str, engine: Engine) -> None:
    rounds, workers = 5, 4
    together = threading.Barrier(workers, timeout=20)  # one that fails leaves nobody waiting

    def make_the_list_new() -> None:
        with writing(engine) as connection:
            connection.execute(delete(meta))
            connection.execute(delete(api_keys))

    def open_and_bring_the_key(worker: int) -> list[str]:
        ids = []
        with opened(store_url) as own:
            for _ in range(rounds):
                if worker == 0:
                    make_the_list_new()
                together.wait()
                store = store_on(own, SystemClock())
                ids.append(store.create_key("first", scopes=[], tenant=None, expires=None, plain="the bootstrap key")[0])
                together.wait()
        return ids

    with ThreadPoolExecutor(workers) as threads:
        ids = list(threads.map(open_and_bring_the_key, range(workers)))

    assert all(same == ids[0] for same in ids)
    assert len(set(ids[0])) == rounds


def test_a_follower_of_the_feed_misses_nothing(store_url: str, store: Store) -> None:
    writers = 4
    followed: list[int] = []
    done = threading.Event()

    def write(writer: int) -> None:
        with opened(store_url) as own:
            store = store_on(own, SystemClock())
            for number in range(25):
                put(store, f"{writer}.{number}@example.com")

    def follow() -> None:
        while not done.is_set() or store.feed_head() > (followed or [0])[-1]:
            page = store.since((followed or [0])[-1], 7)
            followed.extend(page.noted(place).seq for place in range(len(page)))

    follower = threading.Thread(target=follow)
    follower.start()
    with ThreadPoolExecutor(writers) as threads:
        list(threads.map(write, range(writers)))
    done.set()
    follower.join()

    assert followed == list(range(1, writers * 25 + 1))


def test_a_process_that_is_killed_anywhere_leaves_nothing_half_done(store_url: str, engine: Engine, tmp_path: Path) -> None:
    told = reports(1_200)
    file = tmp_path / "outcomes"
    file.write_bytes(b"\n".join(encode(outcome) for outcome in told))
    command = [sys.executable, "-m", "tests.store_child", store_url, str(file), "10"]

    for lines in (1, 5, 20):
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            for _ in range(lines):
                assert child.stdout.readline()
            child.kill()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)

    require_whole(engine, told)

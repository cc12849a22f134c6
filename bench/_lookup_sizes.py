"""What a larger list costs: memory, a single lookup, starting again, building anew, and growing while it answers."""

import itertools
import random
import subprocess
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

from api.index.table import table_path
from api.lookup import Lookup, open_lookup
from api.view import View
from bench._claims import Claim, at_most, milliseconds, show, thousands, times
from bench._lookup_http import Turns
from bench._lookup_world import LISTED_MAX, START_SECONDS_MAX, STREAM, LookupWorld, Role, clean, listed
from bench._plain_http import Caller
from nullsender.clock import SystemClock
from nullsender.limits import LOOKUP_STALENESS_SECONDS_MAX
from tests.waiting import wait_for

VIEW = View("default", STREAM)
SAMPLES = 200_000
ROUNDS = 5
GROW_ENTRIES = 2_000  # in one transaction: with the pause, several times what the list takes from its reports
GROW_EVERY_SECONDS = 0.1
GROW_SECONDS_MAX = 900.0  # 50 million grow by a quarter
_AGE_EVERY_SECONDS = 0.001


class Span(NamedTuple):
    """How long something took, and how old the table's knowledge became meanwhile."""

    seconds: float
    age_seconds_max: float


class Size(NamedTuple):
    """What one size of the list takes."""

    entries: int
    build_seconds: float
    bytes_a_million: float
    clean_ns: float
    listed_ns: float
    follower_seconds: float
    api_seconds: float
    rebuild: Span
    growth: Span | None  # None: not measured


def lookup_of(world: LookupWorld) -> Lookup:
    """Lookups in this process, as the API makes them."""
    clock, folder = SystemClock(), world.settings.index_folder
    return open_lookup(world.store, world.hasher, folder, clock=clock, staleness_seconds_max=LOOKUP_STALENESS_SECONDS_MAX)


def lookup_ns(lookup: Lookup, addresses: Sequence[str], allowed: bool) -> float:
    """CPU nanoseconds of `Lookup.at_once` for one address, hash included: the quickest of some rounds over all of them."""
    at_once, best = lookup.at_once, float("inf")
    for _ in range(ROUNDS):
        began = time.thread_time()
        verdicts = [at_once(VIEW, address) for address in addresses]
        best = min(best, time.thread_time() - began)
        if not all(verdict is not None and verdict.allowed is allowed for verdict in verdicts):
            raise RuntimeError("a wrong answer from memory")
    return best / len(addresses) * 1e9


class Ages:
    """How old the table's knowledge became at most while the block lasted, in seconds, looked at every millisecond."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._done = threading.Event()
        self._looking = threading.Thread(target=self._look, daemon=True)
        self.seconds_max = 0.0

    def _look(self) -> None:
        while not self._done.wait(_AGE_EVERY_SECONDS):
            self.seconds_max = max(self.seconds_max, self._lookup.staleness_seconds())

    def __enter__(self) -> "Ages":
        self._looking.start()
        return self

    def __exit__(self, *_of_error: object) -> None:
        self._done.set()
        self._looking.join()


def grown(world: LookupWorld, lookup: Lookup) -> Span:
    """Add entries at a steady pace until the table is another file."""
    path = table_path(world.settings.index_folder)
    before, began = path.stat().st_ino, time.monotonic()
    with Ages(lookup) as ages:
        for turn in itertools.count(1):
            world.more(GROW_ENTRIES)
            if path.stat().st_ino != before:
                break
            if time.monotonic() - began > GROW_SECONDS_MAX:
                raise RuntimeError("the table never grew")
            time.sleep(max(0.0, began + turn * GROW_EVERY_SECONDS - time.monotonic()))
        wait_for(lambda: lookup.staleness_seconds() < 1.0, what="a fresh table")
    return Span(time.monotonic() - began, ages.seconds_max)


def rebuilt(world: LookupWorld, lookup: Lookup) -> Span:
    """`nullsender index rebuild` beside the running follower."""
    began = time.monotonic()
    with Ages(lookup) as ages:
        subprocess.run(world.command("index", "rebuild"), env=world.environment, check=True, capture_output=True)
    return Span(time.monotonic() - began, ages.seconds_max)


def restarted(world: LookupWorld, follower: Role, core: int | None) -> tuple[Role, float]:
    """Another follower in place of this one, and how many seconds it took from its start until the table was fresh."""
    follower.stop()
    lookup = lookup_of(world)
    began = time.monotonic()
    role = world.start("follow", core=core)

    def has_checked() -> bool:
        return time.monotonic() - lookup.staleness_seconds() > began

    wait_for(has_checked, what="the follower", seconds=START_SECONDS_MAX)
    return role, time.monotonic() - began


def first_answer_seconds(world: LookupWorld, core: int | None) -> float:
    """From the start of another API process to its first answer."""
    began = time.monotonic()
    api = world.start_api(core=core)

    def answers() -> bool:
        try:
            with Caller(api, world.key) as caller:
                return not caller.may_send(listed(1))
        except OSError:
            return False

    wait_for(answers, what="an API process", seconds=START_SECONDS_MAX)
    took = time.monotonic() - began
    api.stop()
    return took


def measured(world: LookupWorld, follower: Role, build_seconds: float, turns: Turns, grow: bool) -> Size:
    """All of it for the list as it stands. The follower is another one afterwards."""
    chance = random.Random(1)
    entries, lookup = world.count, lookup_of(world)
    size_bytes = table_path(world.settings.index_folder).stat().st_size
    clean_ns = lookup_ns(lookup, [clean(chance.randrange(10**9)) for _ in range(SAMPLES)], allowed=True)
    listed_numbers = (chance.randrange(min(entries, LISTED_MAX)) for _ in range(SAMPLES))
    listed_ns = lookup_ns(lookup, [listed(number) for number in listed_numbers], allowed=False)
    api_seconds = first_answer_seconds(world, turns.asker)
    follower, follower_seconds = restarted(world, follower, turns.asker)
    return Size(
        entries=entries,
        build_seconds=build_seconds,
        bytes_a_million=size_bytes / entries * 1e6,
        clean_ns=clean_ns,
        listed_ns=listed_ns,
        follower_seconds=follower_seconds,
        api_seconds=api_seconds,
        rebuild=rebuilt(world, lookup),
        growth=grown(world, lookup) if grow else None,
    )


def report(sizes: Sequence[Size]) -> Sequence[Claim]:
    """One column a size."""
    rows = {
        "table, MB a million entries": [f"{size.bytes_a_million / 1e6:.1f}" for size in sizes],
        "first build, s": [f"{size.build_seconds:.1f}" for size in sizes],
        "one lookup in the process, clean, ns": [thousands(size.clean_ns) for size in sizes],
        "one lookup in the process, suppressed, ns": [thousands(size.listed_ns) for size in sizes],
        "follower started again, until it is fresh, s": [f"{size.follower_seconds:.2f}" for size in sizes],
        "API process started, until it answers, s": [f"{size.api_seconds:.2f}" for size in sizes],
        "`nullsender index rebuild`, s / age at most, ms": [_spans(size.rebuild) for size in sizes],
        "growth under writes, s / age at most, ms": [_spans(size.growth) for size in sizes],
    }
    heads = ("size", *(f"{size.entries:,} entries" for size in sizes))
    show("What a larger list costs.", heads, [[name, *figures] for name, figures in rows.items()])
    ages = [span.age_seconds_max for size in sizes for span in (size.rebuild, size.growth) if span is not None]
    return [
        at_most("the table, a million entries", max(size.bytes_a_million for size in sizes), 25e6, _megabytes),
        at_most("a lookup in the largest list, of one in the smallest", sizes[-1].clean_ns / sizes[0].clean_ns, 2.0, times),
        at_most("the table's age while it grows or is rebuilt", max(ages), LOOKUP_STALENESS_SECONDS_MAX, milliseconds),
    ]


def _spans(span: Span | None) -> str:
    return "not measured" if span is None else f"{span.seconds:.1f} / {span.age_seconds_max * 1000:.0f}"


def _megabytes(size_bytes: float) -> str:
    return f"{size_bytes / 1e6:.1f} MB"

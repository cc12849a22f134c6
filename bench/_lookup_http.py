"""Lookups over HTTP beside nginx and Redis: one address a request, and ten thousand.

Everything is asked by turns within each round, so that what the machine does meanwhile hits all alike, and what counts is the
ratio within a round. Before anything is timed a few answers are read whole: speed with wrong answers is none.
"""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from statistics import median
from typing import NamedTuple, TypeVar

import httpx

from bench import _redis_asking as redis_asking
from bench._claims import Claim, at_least, at_most, million, ratio, show, thousands, times
from bench._lookup_world import LISTED_MAX, STREAM, LookupWorld, Role, clean, listed
from bench._processes import cpu_seconds
from bench._wrk import Asked, Wrk, get, post
from tests.waiting import wait_for

CONNECTIONS = 32
BATCH = 10_000
BATCH_CONNECTIONS = 2
BATCHES = 12
LOADED_SECONDS = 0.03  # of CPU: until its compiled loops are loaded an API answers a batch one by one, which takes more
QUESTIONS = 100_000
REDIS_KEYS = 100 * LISTED_MAX  # of which LISTED_MAX are there: one question in a hundred is a hit
CLEAN, ONE_PERCENT = "clean", "1 % suppressed"
HITS = {CLEAN: 0.0, ONE_PERCENT: 0.01, "suppressed": 1.0}
BATCH_HITS = {CLEAN: 0.0, ONE_PERCENT: 0.01, "10 % suppressed": 0.1}
NGINX, REDIS, SMISMEMBER = "nginx, a constant 200", "Redis, GET of one key", "Redis, SMISMEMBER"

Answered = TypeVar("Answered")


class Peers(NamedTuple):
    """Who is asked: port and process id of each."""

    api: tuple[int, int]
    nginx: tuple[int, int]
    redis: tuple[int, int]
    listed: Sequence[str]  # what Redis holds


class Many(NamedTuple):
    """What came of one round of batches: addresses a second, and what one cost the server."""

    rate: float
    server_cpu_ns: float


class Turns(NamedTuple):
    """How often and how long each is asked, and from which core."""

    rounds: int
    seconds: int
    asker: int | None


def sample_answer(world: LookupWorld, api: Role) -> str:
    """What the API says to a clean address: nginx will say the same, so that both send as much."""
    with httpx.Client(base_url=f"http://127.0.0.1:{api.port}", headers={"Authorization": f"Bearer {world.key}"}) as client:
        for address, allowed in ((clean(1234567), True), (listed(7), False), (listed(17), False)):
            answer = client.get("/v1/check", params={"address": address, "stream": STREAM})
            if answer.status_code != 200 or answer.json()["allowed"] is not allowed:
                raise RuntimeError(f"a wrong answer about {address}: {answer.text}")
        batch = client.post("/v1/check", json={"stream": STREAM, "addresses": addresses_of(100, 0.1, world.count)}).json()
        if batch["checked"] != 100 or len(batch["suppressed"]) != 10:
            raise RuntimeError(f"a wrong answer about a batch: {batch}")
        return client.get("/v1/check", params={"address": clean(1234567), "stream": STREAM}).text


def addresses_of(count: int, hits: float, size: int, seed: int = 20260101) -> list[str]:
    """So many addresses, of which this share is on a list of `size`, in no order; the same at every run."""
    chance = random.Random(seed)
    found = [listed(chance.randrange(min(size, LISTED_MAX))) for _ in range(round(count * hits))]
    found += [clean(chance.randrange(10**9)) for _ in range(count - len(found))]
    chance.shuffle(found)
    return found


def singles(world: LookupWorld, peers: Peers, turns: Turns) -> Sequence[Claim]:
    """One address a request."""
    with ExitStack() as files:
        askers = {name: files.enter_context(_single_asker(world, hits, turns)) for name, hits in HITS.items()}

        def over_http(asker: Wrk, server: tuple[int, int]) -> Callable[[], Asked]:
            return lambda: asker.ask(*server, connections=CONNECTIONS, seconds=turns.seconds)

        def from_redis() -> Asked:
            return redis_asking.single(
                *peers.redis, connections=CONNECTIONS, seconds=turns.seconds, among=REDIS_KEYS, core=turns.asker
            )

        ours = {f"ours, {name}": over_http(asker, peers.api) for name, asker in askers.items()}
        rounds = _by_turns({NGINX: over_http(askers[CLEAN], peers.nginx), REDIS: from_redis, **ours}, turns.rounds)
        half = median(_rates(rounds[f"ours, {CLEAN}"])) / 2
        paced = {
            NGINX: askers[CLEAN].ask_at(half, *peers.nginx, seconds=turns.seconds),
            **{
                f"ours, {name}": askers[name].ask_at(half, *peers.api, seconds=turns.seconds)
                for name, hits in HITS.items()
                if hits < 1  # a list of nothing but suppressed addresses is not what half of the clean rate is about
            },
        }
    _show_singles(rounds)
    _show_paced(paced)
    nginx, redis, clean_ones = (_rates(rounds[name]) for name in (NGINX, REDIS, f"ours, {CLEAN}"))
    return [
        at_least("one address a request, of nginx", ratio(clean_ones, nginx), 0.7, times),
        at_least("one address a request, of Redis", ratio(clean_ones, redis), 1.0, times),
        at_most("p99 at half of that load", paced[f"ours, {CLEAN}"].p99_us, 1000, lambda us: f"{us:,.0f} µs"),
    ]


def _single_asker(world: LookupWorld, hits: float, turns: Turns) -> Wrk:
    paths = (f"/v1/check?address={address}&stream={STREAM}" for address in addresses_of(QUESTIONS, hits, world.count))
    return Wrk([get(path, world.key) for path in paths], core=turns.asker)


def _by_turns(asking: Mapping[str, Callable[[], Answered]], rounds: int) -> dict[str, list[Answered]]:
    """What each gave in every round, all of them asked by turns; a round before the first one warms everybody up."""
    found: dict[str, list[Answered]] = {name: [] for name in asking}
    for _ in range(1 + rounds):
        for name, ask in asking.items():
            found[name].append(ask())
    return {name: answered[1:] for name, answered in found.items()}


def _rates(asked: Sequence[Asked]) -> list[float]:
    return [one.rate for one in asked]


def _show_singles(rounds: Mapping[str, Sequence[Asked]]) -> None:
    nginx, redis = _rates(rounds[NGINX]), _rates(rounds[REDIS])
    rows = []
    for name, asked in rounds.items():
        rates, middle = _rates(asked), Asked(*map(median, zip(*asked, strict=True)))
        ratios = [times(ratio(rates, nginx)), times(ratio(rates, redis))]
        asker = "" if middle.asker_busy is None else f"{middle.asker_busy:.0%}"
        latencies = [thousands(middle.p50_us), thousands(middle.p99_us)]
        rows.append([name, thousands(middle.rate), *ratios, *latencies, f"{middle.server_cpu_us:.1f}", asker])
    heads = (
        "one address a request",
        "requests/s",
        "of nginx",
        "of Redis",
        "p50 µs",
        "p99 µs",
        "CPU µs a request",
        "asker's core",
    )
    show(f"{CONNECTIONS} connections, each asks again when it has its answer; medians of {len(nginx)} rounds.", heads, rows)


def _show_paced(paced: Mapping[str, Asked]) -> None:
    rows = [
        [name, *map(thousands, (asked.rate, asked.p50_us, asked.p99_us, asked.max_us)), f"{asked.asker_busy:.0%}"]
        for name, asked in paced.items()
    ]
    heads = ("one address a request", "requests/s", "p50 µs", "p99 µs", "max µs", "asker's core")
    show("At half of that rate.", heads, rows)


def _counted(server: int, batches_a_second: Callable[[], float], turns: Turns) -> Many:
    """What asking gave in addresses, and what the server used of its core meanwhile."""
    before = cpu_seconds(server)
    rate = batches_a_second() * BATCH
    return Many(rate, (cpu_seconds(server) - before) / (rate * turns.seconds) * 1e9)


def _batch_cpu_seconds(world: LookupWorld, peers: Peers, addresses: Sequence[str]) -> float:
    body, fields = (
        json.dumps({"stream": STREAM, "addresses": addresses}),
        {"Authorization": f"Bearer {world.key}", "Content-Type": "application/json"},
    )
    url, before = f"http://127.0.0.1:{peers.api[0]}/v1/check", cpu_seconds(peers.api[1])
    answer = httpx.post(url, content=body, headers=fields, timeout=60)
    answer.raise_for_status()
    return cpu_seconds(peers.api[1]) - before


def batches(world: LookupWorld, peers: Peers, turns: Turns) -> Sequence[Claim]:
    """Ten thousand addresses a request."""
    lists = {
        name: [addresses_of(BATCH, hits, world.count, seed) for seed in range(BATCHES)] for name, hits in BATCH_HITS.items()
    }
    numbers = [random.Random(seed).choices(range(REDIS_KEYS), k=BATCH) for seed in range(BATCHES)]
    in_set = [redis_asking.in_set(addresses) for addresses in lists[ONE_PERCENT]]
    by_key = [redis_asking.by_key(some, len(peers.listed)) for some in numbers]
    with ExitStack() as files:

        def ours(name: str) -> Callable[[], Many]:
            bodies = (json.dumps({"stream": STREAM, "addresses": addresses}).encode() for addresses in lists[name])
            asker = files.enter_context(Wrk([post("/v1/check", world.key, body) for body in bodies], core=turns.asker))
            ask = partial(asker.ask, *peers.api, connections=BATCH_CONNECTIONS, seconds=turns.seconds)
            return lambda: _counted(peers.api[1], lambda: ask().rate, turns)

        def redis(batches: Sequence[redis_asking.Batch]) -> Callable[[], Many]:
            ask = partial(redis_asking.many, peers.redis[0], batches, seconds=turns.seconds)
            return lambda: _counted(peers.redis[1], ask, turns)

        wait_for(lambda: _batch_cpu_seconds(world, peers, lists[CLEAN][0]) < LOADED_SECONDS, what="compiled loops to be loaded")
        asking = {
            SMISMEMBER: redis(in_set),
            "Redis, MGET": redis(by_key),
            **{f"ours, {name}": ours(name) for name in BATCH_HITS},
        }
        found = _by_turns(asking, turns.rounds)
    rates = {name: [one.rate for one in many] for name, many in found.items()}
    rows = []
    for name, many in found.items():
        middle = Many(*map(median, zip(*many, strict=True)))
        of_redis = times(ratio(rates[name], rates[SMISMEMBER]))
        rows.append([name, million(middle.rate), of_redis, thousands(middle.server_cpu_ns)])
    heads = (f"{BATCH:,} addresses a request", "addresses/s", "of SMISMEMBER", "CPU ns an address")
    show(f"{BATCH_CONNECTIONS} connections; medians of {turns.rounds} rounds.", heads, rows)
    return [
        at_least(f"{BATCH:,} addresses a request, {name}", median(rates[f"ours, {name}"]), 5e6, million) for name in BATCH_HITS
    ]

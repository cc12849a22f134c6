"""How soon a change of the list shows in lookups: in the process that wrote it, and in all others of the machine.

A write through the API is followed at once by a question on the same connection: the first answer has to be the new one. A
commit by another process (here this one, as `suppress` would be) is followed by questions to two API processes by turns, until
both have turned. At rest, and while one of the two answers half of what it can.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from bench._claims import Claim, at_most, milliseconds, quantile, show, thousands
from bench._lookup_http import CONNECTIONS, QUESTIONS, Turns, addresses_of
from bench._lookup_world import STREAM, LookupWorld, Role
from bench._plain_http import Caller
from bench._wrk import Wrk, get

WRITES = 200
LATE_SECONDS_MAX = 30.0


class Freshness(NamedTuple):
    """Seconds of each write: the PUT itself, from a commit until each of two processes showed it; and stale first reads."""

    put: Sequence[float]
    visible_one: Sequence[float]
    visible_other: Sequence[float]
    stale_reads: int


def freshness(world: LookupWorld, api: Role, turns: Turns) -> Sequence[Claim]:
    """At rest and under half load."""
    other = world.start_api(core=turns.asker)
    try:
        world.wait_until_fresh(other)
        at_rest = _measured(world, api, other, "rest")
        loaded, rate = _under_load(world, api, turns, lambda: _measured(world, api, other, "load"))
    finally:
        other.stop()
    rows = []
    for when, found in (("at rest", at_rest), (f"at {thousands(rate)} lookups/s", loaded)):
        for what, seconds in (
            ("PUT, until it is answered", found.put),
            ("commit, until one API process says no", found.visible_one),
            ("commit, until the other one does", found.visible_other),
        ):
            shown = [milliseconds(quantile(seconds, share)) for share in (0.5, 0.99, 1.0)]
            rows.append([f"{what}, {when}", *shown])
    show(f"{WRITES} writes each.", ("freshness", "p50", "p99", "max"), rows)
    stale = at_rest.stale_reads + loaded.stale_reads
    both = [*at_rest.visible_one, *at_rest.visible_other]
    under_load = [*loaded.visible_one, *loaded.visible_other]
    return [
        Claim("first reads after a PUT that were stale", f"{stale} of {2 * WRITES}", "none", stale == 0),
        at_most("commit to visible everywhere, p99", quantile(both, 0.99), 0.1, milliseconds),
        at_most("the same at half load", quantile(under_load, 0.99), 0.1, milliseconds),
        at_most("the longest of all", max(both + under_load), 1.0, milliseconds),
    ]


def _measured(world: LookupWorld, api: Role, other: Role, name: str) -> Freshness:
    put, one_seconds, other_seconds, stale = [], [], [], 0
    with Caller(api, world.key) as caller, Caller(other, world.key) as stranger:
        for number in range(WRITES):
            address = f"put-{name}-{number}@example.net"
            began = time.perf_counter()
            caller.suppress(address)
            put.append(time.perf_counter() - began)
            stale += caller.may_send(address)
            address = f"commit-{name}-{number}@example.net"
            world.suppress(address)
            first, second = _turned([caller, stranger], address)
            one_seconds.append(first)
            other_seconds.append(second)
    return Freshness(put, one_seconds, other_seconds, stale)


def _turned(callers: Sequence[Caller], address: str) -> Sequence[float]:
    """Seconds from now until each says no."""
    began = time.perf_counter()
    turned: dict[Caller, float] = {}
    while len(turned) < len(callers):
        for caller in callers:
            if caller not in turned and not caller.may_send(address):
                turned[caller] = time.perf_counter() - began
        if time.perf_counter() - began > LATE_SECONDS_MAX:
            raise RuntimeError(f"{address} was never refused")
    return [turned[caller] for caller in callers]


def _under_load(world: LookupWorld, api: Role, turns: Turns, measured: Callable[[], Freshness]) -> tuple[Freshness, float]:
    """The same while `api` answers half of what it can; and how many lookups a second that is."""
    paths = (f"/v1/check?address={address}&stream={STREAM}" for address in addresses_of(QUESTIONS, 0.0, world.count))
    done = threading.Event()
    with Wrk([get(path, world.key) for path in paths], core=turns.asker) as asker:
        rate = asker.ask(api.port, api.pid, connections=CONNECTIONS, seconds=1).rate / 2

        def load() -> None:
            while not done.is_set():
                asker.ask_at(rate, api.port, api.pid, seconds=1)

        loading = threading.Thread(target=load)
        loading.start()
        try:
            return measured(), rate
        finally:
            done.set()
            loading.join()

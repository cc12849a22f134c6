"""Pre-send lookups beside what a user could ask instead: nginx, which always says the same, and Redis with the list in it.

    make bench-lookup
    .venv/bin/python -m bench.lookup [--only single batch ...] [--entries 1000000 10000000] [--lines 5000000]
                                     [--rounds 5] [--seconds 1] [--grow]

All run on this machine: who is measured has one core to itself, who asks has another, where there are two. Our API is the role
as `nullsender up` starts it, with a key, a stream in each question and everything counted; the follower keeps the table. The
first size of `--entries` is measured wholly, further ones in one round, for what may depend on the size. docs/lookup-speed.md
tells how each figure is come by, and what it was.
"""

import argparse
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from api.batch import loading
from bench import _lookup_sizes as lookup_sizes
from bench._claims import Claim, show_claims
from bench._lookup_doors import doors
from bench._lookup_freshness import freshness
from bench._lookup_http import Peers, Turns, batches, sample_answer, singles
from bench._lookup_scrub import scrubs
from bench._lookup_tables import tables
from bench._lookup_world import LISTED_MAX, LookupWorld, Role, listed
from bench._peers import nginx, redis
from bench._processes import cores

TABLES = (1_000_000, 10_000_000, 50_000_000)
FOR_EVERY_SIZE = ("single", "batch")
PARTS = (*FOR_EVERY_SIZE, "scrub", "freshness", "doors", "sizes", "tables")


def main() -> None:
    """Measure what was asked for, a size after the other."""
    chosen = _chosen()
    core, asker = cores()
    if asker is not None:
        os.sched_setaffinity(0, {asker})  # and with us all that we start and do not say otherwise of
    loading.load()  # as an installation does, so that no process has to compile anything while it is measured
    claims: list[Claim] = []
    sizes: list[lookup_sizes.Size] = []
    if "tables" in chosen.only:
        claims += tables(chosen.tables)
    for place, entries in enumerate(chosen.entries if set(chosen.only) - {"tables"} else []):
        with tempfile.TemporaryDirectory(prefix="ns-bench-") as name, LookupWorld(Path(name) / "data") as world:
            world.fill(entries)
            follower, api = world.start("follow"), world.start_api(core=core)
            build_seconds = world.wait_until_fresh(api)
            print(f"\n## {entries:,} entries", flush=True)
            parts = chosen.only if place == 0 else [part for part in chosen.only if part in FOR_EVERY_SIZE]
            turns = Turns(chosen.rounds if place == 0 else 1, chosen.seconds, asker)
            found = _asked(world, api, parts, turns, chosen.lines, core)
            claims += [claim._replace(what=f"{claim.what}, {entries:,} entries") if place else claim for claim in found]
            if "sizes" in chosen.only:
                sizes.append(lookup_sizes.measured(world, follower, build_seconds, turns, grow=chosen.grow or place == 0))
    if sizes:
        claims += lookup_sizes.report(sizes)
    if claims:
        show_claims(claims)


def _chosen() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--entries", type=int, nargs="+", default=[LISTED_MAX], help="sizes of the list")
    parser.add_argument("--tables", type=int, nargs="+", default=TABLES, metavar="ENTRIES", help="sizes of the table alone")
    parser.add_argument("--lines", type=int, default=5_000_000, help="of the file that is scrubbed")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is asked")
    parser.add_argument("--seconds", type=int, default=1, help="how long each time")
    parser.add_argument("--grow", action="store_true", help="let lists of every size grow, not the first one alone (minutes)")
    return parser.parse_args()


def _asked(world: LookupWorld, api: Role, parts: Sequence[str], turns: Turns, lines: int, core: int | None) -> Sequence[Claim]:
    """Everything that is asked of the roles that run."""
    claims: list[Claim] = []
    answer = sample_answer(world, api)
    if {"single", "batch"} & set(parts):
        with _peers(world, api, answer, core) as peers:
            claims += singles(world, peers, turns) if "single" in parts else []
            claims += batches(world, peers, turns) if "batch" in parts else []
    if "scrub" in parts:
        claims += scrubs(world, api, turns, lines)
    if "freshness" in parts:
        claims += freshness(world, api, turns)
    if "doors" in parts:
        doors(world, turns, core)
    return claims


@contextmanager
def _peers(world: LookupWorld, api: Role, answer: str, core: int | None) -> Iterator[Peers]:
    """nginx and Redis on the same core as our API: whoever is not asked has nothing to do."""
    names = [listed(number) for number in range(min(world.count, LISTED_MAX))]
    with (
        nginx(world.folder / "nginx", answer, core=core) as its_nginx,
        redis(world.folder / "redis", names, core=core) as its_redis,
    ):
        yield Peers((api.port, api.pid), its_nginx, its_redis, names)


if __name__ == "__main__":
    main()

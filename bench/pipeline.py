"""The whole pipeline: from the 250 that a sending MTA hears to the lookup that turns, on each pair of log and store.

    .venv/bin/python -m bench.pipeline [--rounds 3] [--messages 5000] [--sessions 20] [--rate 100] [--seconds 10] [--worlds ...]

Each round starts `nullsender up` once on each pair, sends it real-looking DSNs (5 KB, each for another recipient, each to a
signed return path), first so many a second, then as fast as they are taken, and asks the API until every recipient is refused.
Sender, asker, servers and system share the machine, as they do on a small user's. Figures of the flood are medians over the
rounds. Beside them the same messages into aiosmtpd as it comes, which keeps nothing.
"""

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import uvloop
from aiosmtpd.smtp import SMTP, Envelope, Session

from bench._asking import drained_seconds, latencies_seconds
from bench._mail import Mail, bounces, send_all, send_at
from bench._processes import Watch
from bench._worlds import WORLDS, Measured
from nullsender.signing.return_path import ReturnPaths

WARM_UP_MESSAGES = 50


class Round(msgspec.Struct, frozen=True):
    """What one pair did in one round."""

    latencies_seconds: Sequence[float]  # of the steady part
    taken_per_second: float
    through_per_second: float
    plain_per_second: float
    cpu_seconds: Mapping[str, float]  # of the flood, by process
    peak_bytes: Mapping[str, int]


def one_round(world: str, options: argparse.Namespace) -> Round:
    """Start a system on that pair, and measure it."""
    with (
        tempfile.TemporaryDirectory(prefix="ns-pipeline-") as folder,
        WORLDS[world]() as servers,
        Measured(Path(folder) / "data", servers) as system,
    ):
        paths = ReturnPaths(system.signing_keys())
        steady = list(bounces(paths, "steady", int(options.seconds * options.rate)))
        flood = list(bounces(paths, "flood", options.messages))
        uvloop.run(send_at(system.smtp, list(bounces(paths, "warm", WARM_UP_MESSAGES)), options.rate, lambda _: None))
        latencies = uvloop.run(latencies_seconds(system, steady, options.rate))
        with Watch(system.processes()) as watch:
            accepted_seconds, listed_seconds = uvloop.run(drained_seconds(system, flood, options.sessions))
        plain_seconds = uvloop.run(_plain_seconds(flood, options.sessions))
    return Round(
        latencies_seconds=latencies,
        taken_per_second=len(flood) / accepted_seconds,
        through_per_second=len(flood) / listed_seconds,
        plain_per_second=len(flood) / plain_seconds,
        cpu_seconds=watch.cpu_seconds,
        peak_bytes=watch.peak_bytes,
    )


class Discards:
    """aiosmtpd's handler that keeps nothing."""

    async def handle_DATA(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802  (its name)
        """Say yes."""
        return "250 2.0.0 gone"


async def _plain_seconds(mails: Sequence[Mail], sessions: int) -> float:
    """How long aiosmtpd as it comes takes for the same messages, when it keeps none of them."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Discards()), "127.0.0.1", 0)
    try:
        return await send_all(server.sockets[0].getsockname()[:2], mails, sessions)
    finally:
        server.close()


def main() -> None:
    """Run every round on every pair and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=5_000, help="messages in the flood of a round")
    parser.add_argument("--sessions", type=int, default=20, help="SMTP sessions in the flood")
    parser.add_argument("--rate", type=float, default=100.0, help="messages a second in the steady part")
    parser.add_argument("--seconds", type=int, default=10, help="how long the steady part of a round lasts")
    parser.add_argument("--worlds", nargs="+", choices=tuple(WORLDS), default=tuple(WORLDS))
    options = parser.parse_args()
    rounds: dict[str, list[Round]] = {world: [] for world in options.worlds}
    for _ in range(options.rounds):
        for world in options.worlds:
            rounds[world].append(one_round(world, options))
    _print_latencies(rounds, options)
    _print_flood(rounds, options)
    for world in options.worlds:
        _print_costs(world, rounds[world], options.messages)


def _print_latencies(rounds: Mapping[str, Sequence[Round]], options: argparse.Namespace) -> None:
    print(f"| from 250 to the lookup that turns, {options.rate:.0f} messages/s | p50 ms | p99 ms | max ms |")
    print("| --- | --- | --- | --- |")
    for world, its_rounds in rounds.items():
        waits = sorted(wait for one in its_rounds for wait in one.latencies_seconds)
        cuts = statistics.quantiles(waits, n=100)
        print(f"| {world} | {cuts[49] * 1e3:.0f} | {cuts[98] * 1e3:.0f} | {waits[-1] * 1e3:.0f} |")


def _print_flood(rounds: Mapping[str, Sequence[Round]], options: argparse.Namespace) -> None:
    print(f"\n| {options.messages} messages, {options.sessions} sessions | taken /s | on the list /s | of the first |")
    print("| --- | --- | --- | --- |")
    through = {world: statistics.median(one.through_per_second for one in its_rounds) for world, its_rounds in rounds.items()}
    first = next(iter(through.values()))
    for world, its_rounds in rounds.items():
        taken = statistics.median(one.taken_per_second for one in its_rounds)
        print(f"| {world} | {taken:,.0f} | {through[world]:,.0f} | {through[world] / first:.2f} |")
    plain = statistics.median(one.plain_per_second for its_rounds in rounds.values() for one in its_rounds)
    print(f"| aiosmtpd as it comes, keeping nothing | {plain:,.0f} | | |")


def _print_costs(world: str, rounds: Sequence[Round], messages: int) -> None:
    print(f"\n| {world} | CPU ms a message | MiB of its own |\n| --- | --- | --- |")
    for name in rounds[0].cpu_seconds:
        used_ms = statistics.median(one.cpu_seconds[name] for one in rounds) / messages * 1e3
        held = max(one.peak_bytes[name] for one in rounds)
        print(f"| {name} | {used_ms:.2f} | {held / 2**20:.0f} |")


if __name__ == "__main__":
    main()

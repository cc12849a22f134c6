"""`nullsender health`: whether the roles of this machine are at work, for whatever restarts or watches them."""

import argparse
import socket
from collections.abc import Sequence

from nullsender.cli import EXIT_FAILED, parts
from nullsender.cli.beats import Beat, living

ROLES = ("mx", "classify", "suppress", "follow", "api", "up")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which roles have to be at work."""
    parser.add_argument("roles", nargs="+", choices=ROLES, metavar="ROLE", help=f"one or several of: {', '.join(ROLES)}")


def run(arguments: argparse.Namespace) -> int:
    """A line for each process; 0 when each of the roles has one that is at work, and none has trouble."""
    host = socket.gethostname()  # containers may share a data folder: each asks for its own
    beats = living(parts.settings_of(arguments).health_folder, parts.CLOCK.monotonic_seconds())
    well = True
    for role in arguments.roles:
        ours = [beat for beat in beats if beat.role == role and beat.host == host]
        for line in _lines(role, ours):
            print(line)
        well = well and bool(ours) and all(beat.ready and not beat.troubles for beat in ours)
    return 0 if well else EXIT_FAILED


def _lines(role: str, beats: Sequence[Beat]) -> Sequence[str]:
    if not beats:
        return [f"{role}: no process of this role lives here"]
    return [f"{role}: process {beat.pid} {_word(beat)}" for beat in beats]


def _word(beat: Beat) -> str:
    if beat.troubles:
        return "; ".join(beat.troubles)
    return "is at work" if beat.ready else "is starting"

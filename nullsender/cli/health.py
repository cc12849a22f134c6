"""`nullsender health`: whether the roles of this machine are at work, for whatever restarts or watches them."""

import argparse
import socket

from nullsender.cli import EXIT_FAILED, parts
from nullsender.cli.running.beats import Beat, living

_AT_WORK = "is at work"
ROLES = ("mx", "classify", "suppress", "follow", "api", "doors", "up")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which roles have to be at work."""
    parser.add_argument("roles", nargs="+", choices=ROLES, metavar="ROLE", help=f"one or several of: {', '.join(ROLES)}")


def run(arguments: argparse.Namespace) -> int:
    """A line for each process; 0 when each of the roles has one that is at work, and none has trouble."""
    host = socket.gethostname()  # containers may share a data folder: each asks for its own
    now_seconds = parts.CLOCK.monotonic_seconds()
    beats = [beat for beat in living(parts.settings_of(arguments).health_folder) if beat.host == host]
    well = True
    for role in arguments.roles:
        words = {beat.pid: _word(beat, now_seconds) for beat in beats if beat.role == role}
        for pid, word in words.items():
            print(f"{role}: process {pid} {word}")
        if not words:
            print(f"{role}: no process of this role lives here")
        well = well and bool(words) and all(word == _AT_WORK for word in words.values())
    return 0 if well else EXIT_FAILED


def _word(beat: Beat, now_seconds: float) -> str:
    if not beat.is_fresh(now_seconds):
        return f"has not beaten for {beat.silent_seconds(now_seconds):.0f} s"
    if beat.troubles:
        return f"is in trouble: {'; '.join(beat.troubles)}"
    return _AT_WORK if beat.ready else "is starting"

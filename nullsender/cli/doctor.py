"""`nullsender doctor`: the settings that are not the default, then what is well and what is not, with what to do about it."""

import argparse
import json
from collections.abc import Sequence

from nullsender import config
from nullsender.cli import EXIT_MISCONFIGURED, parts
from nullsender.cli.checking import dns, installation, machine
from nullsender.cli.checking.findings import Check, Checked, State, checked
from nullsender.config import Settings, Shown

CHECKS: dict[str, Check] = {**machine.CHECKS, **installation.CHECKS, **dns.CHECKS}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How to show it."""
    parser.add_argument("--settings", action="store_true", help="every setting, also those that are the default")
    parser.add_argument("--json", action="store_true", help="one JSON object: every setting, and checks with their findings")


def run(arguments: argparse.Namespace) -> int:
    """Print settings and findings; 3 when something is wrong, 0 when at most something is worth a look."""
    settings = parts.settings_of(arguments)
    results = list(checked(CHECKS, settings))
    if arguments.json:
        _print_json(config.shown(settings), results)
    else:
        _print_settings(config.shown(settings) if arguments.settings else _changed(settings))
        _print_findings(results)
    return EXIT_MISCONFIGURED if any(result.state is State.WRONG for result in results) else 0


def _changed(settings: Settings) -> list[Shown]:
    """The settings that somebody set otherwise than they are by themselves."""
    return [now for now, default in zip(config.shown(settings), config.shown(Settings()), strict=True) if now != default]


def _print_settings(settings: Sequence[Shown]) -> None:
    for name, value, meaning in settings:
        print(f"  {name:44} {value or '-':32} {meaning}")
    if not settings:
        print("  every setting is the default (--settings shows them)")
    print()


def _print_findings(results: Sequence[Checked]) -> None:
    for result in results:
        word = result.state if result.state is State.OK else result.state.upper()
        print(f"  {word:6} {result.title}" + "".join(f"\n         {finding.text}" for finding in result.findings))


def _print_json(settings: Sequence[Shown], results: Sequence[Checked]) -> None:
    told = {
        "settings": [shown._asdict() for shown in settings],
        "checks": [
            {"title": result.title, "state": result.state, "findings": [finding._asdict() for finding in result.findings]}
            for result in results
        ],
    }
    print(json.dumps(told, indent=2))

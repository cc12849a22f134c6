"""`nullsender doctor`: every setting with its meaning, then what is well and what is not, with what to do about it."""

import argparse
import json
from collections.abc import Sequence

from nullsender import config
from nullsender.cli import EXIT_MISCONFIGURED, doctor_dns, doctor_installation, doctor_machine, parts
from nullsender.cli.findings import Check, Checked, State, checked

CHECKS: dict[str, Check] = {**doctor_machine.CHECKS, **doctor_installation.CHECKS, **doctor_dns.CHECKS}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How to show it."""
    parser.add_argument("--json", action="store_true", help="one JSON object: settings, and checks with their findings")


def run(arguments: argparse.Namespace) -> int:
    """Print settings and findings; 3 when something is wrong, 0 when at most something is worth a look."""
    settings = parts.settings_of(arguments)
    results = list(checked(CHECKS, settings))
    show = _print_json if arguments.json else _print
    show(config.shown(settings), results)
    return EXIT_MISCONFIGURED if any(result.state is State.WRONG for result in results) else 0


def _print(settings: Sequence[config.Shown], results: Sequence[Checked]) -> None:
    for name, value, meaning in settings:
        print(f"  {name:44} {value or '-':32} {meaning}")
    print()
    for result in results:
        word = result.state if result.state is State.OK else result.state.upper()
        print(f"  {word:6} {result.title}" + "".join(f"\n         {finding.text}" for finding in result.findings))


def _print_json(settings: Sequence[config.Shown], results: Sequence[Checked]) -> None:
    told = {
        "settings": [shown._asdict() for shown in settings],
        "checks": [
            {"title": result.title, "state": result.state, "findings": [finding._asdict() for finding in result.findings]}
            for result in results
        ],
    }
    print(json.dumps(told, indent=2))

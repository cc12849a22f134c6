"""`nullsender reply`: what single SMTP replies mean; the words are those of `explain.py`."""

import argparse
import sys

from classifiers.rules import Rules
from nullsender.cli.explain import reply_lines, standard_input


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """For whom."""
    parser.add_argument("--json", action="store_true", help="JSON lines in and out; without it a line may be the bare reply")


def run(arguments: argparse.Namespace) -> int:
    """Decide the replies on standard input, one a line."""
    return reply_lines(standard_input(), as_json=arguments.json, rules=Rules.load(), out=sys.stdout)

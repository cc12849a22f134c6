"""`nullsender migrate`: the log's topics and the store's schema."""

import argparse

from nullsender.cli import parts, store_parts


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing of its own."""


def run(arguments: argparse.Namespace) -> int:
    """Bring both up to date; harmless when they are."""
    for sentence in store_parts.migrate(parts.settings_of(arguments)):
        print(sentence)
    print("The log has its topics, and the store this version's schema.")
    return 0

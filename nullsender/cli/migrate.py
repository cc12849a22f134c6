"""`nullsender migrate`: the log's topics and the store's schema."""

import argparse

from nullsender.cli import parts
from suppression.engine import open_engine
from suppression.migrate import upgrade


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing of its own."""


def run(arguments: argparse.Namespace) -> int:
    """Bring both up to date; harmless when they are. The topics come first: they refuse before anything is done."""
    settings = parts.settings_of(arguments)
    for sentence in parts.migrate_log(settings):
        print(sentence)
    settings.data.mkdir(parents=True, exist_ok=True)
    upgrade(open_engine(settings.store_url))
    print("The store has this version's schema.")
    return 0

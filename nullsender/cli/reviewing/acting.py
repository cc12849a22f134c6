"""A command whose actions all work on the list: each is a function of the settings, the list and what was typed."""

import argparse

from nullsender.cli import parts, store_parts


def run(arguments: argparse.Namespace) -> int:
    """Do the action that was chosen. `Invalid` where there is no list yet."""
    settings = parts.settings_of(arguments)
    arguments.action(settings, store_parts.open_store_to_look(settings), arguments)
    return 0

"""`nullsender retention`: how long each kind of personal data is kept, why, who removes it, and when that happened last."""

import argparse
import json

from nullsender.cli import parts, store_parts
from nullsender.wording import counted
from suppression.privacy.retention import rules_of
from suppression.store.retention import StoreRetention


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How to show it."""
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(arguments: argparse.Namespace) -> int:
    """Show it."""
    store = StoreRetention.beside(store_parts.open_store_to_look(parts.settings_of(arguments)))
    removed, due = store.removed_last(), store.next_due()
    for kind, rule in rules_of(store.kept).items():
        last, next_ = removed.get(kind), due.get(kind)
        if arguments.json:
            told = {name: value for name, value in rule._asdict().items() if name != "tables"}
            print(
                json.dumps({**told, "next": next_ and next_.isoformat(), "removed": last and [last.at.isoformat(), last.rows]})
            )
            continue
        print(f"{kind}: {rule.what}")
        how_long = "as long as it is needed" if rule.days is None else f"{rule.days} days after {rule.since}"
        print(f"    kept {how_long}{f' ({rule.setting})' if rule.setting else ''}: {rule.why}")
        leaving = [f"the oldest leaves {next_:%Y-%m-%d %H:%M}"] if next_ else []
        leaving += [f"last removed {last.at:%Y-%m-%d %H:%M}, {counted(last.rows, 'row')}"] if last else []
        print("    " + "; ".join([f"removed by {rule.by}", *leaving]))
    return 0

"""`nullsender policy`: what reports do to the list here, whether a file of it is right, and what it says of one address."""

import argparse
import json
from pathlib import Path

import msgspec

from nullsender.cli import parts, store_parts
from nullsender.cli.policing.about import About, about
from nullsender.cli.policing.file import read_file
from nullsender.cli.policing.shown import table_of, transitions
from nullsender.names import canonical_name
from nullsender.wording import counted
from suppression.policy.explaining import Mail


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to say of it."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    show = actions.add_parser("show", help="print the policy in force, as a policy file would say it")
    show.add_argument("--transitions", action="store_true", help="print what happens to an entry, by state and cause, instead")
    show.set_defaults(action=_show)
    check = actions.add_parser("check", help="say whether a policy file can be used; every mistake with its line")
    check.add_argument("file", type=Path)
    check.set_defaults(action=_check)
    explain = actions.add_parser("explain", help="say what stops mail to an address, what is counted, and what would come next")
    explain.add_argument("address")
    explain.add_argument("--stream", type=canonical_name, help="the stream that the mail goes out on (default: none)")
    explain.add_argument("--list", dest="mailing_list", type=canonical_name, help="the mailing list that it is for")
    explain.add_argument("--tenant", type=canonical_name, default="default", help="whose list (default: default)")
    explain.set_defaults(action=_explain)
    for action in (show, explain):
        action.add_argument("--json", action="store_true", help="JSON, for a program")


def run(arguments: argparse.Namespace) -> int:
    """Say it."""
    arguments.action(arguments)
    return 0


def _show(arguments: argparse.Namespace) -> None:
    if arguments.transitions:
        print("\n".join(transitions()))
        return
    policy = parts.policy_of(parts.settings_of(arguments))
    told = table_of(policy)
    print(json.dumps({"version": policy.version, **told}, indent=2) if arguments.json else _as_toml(policy.version, told))


def _check(arguments: argparse.Namespace) -> None:
    settings = parts.settings_of(arguments)
    policy = read_file(arguments.file, parts.default_policy_of(settings))
    tenants = {tenant for tenant, _ in policy.overrides}
    streams = sum(stream is not None for _, stream in policy.overrides)
    own = f"{counted(len(tenants), 'tenant')} and {counted(streams, 'stream')} with words of their own"
    print(f"{arguments.file} can be used: version {policy.version}, {own}")


def _explain(arguments: argparse.Namespace) -> None:
    store = store_parts.open_store_to_look(parts.settings_of(arguments))
    mail = Mail(arguments.tenant, arguments.stream, arguments.mailing_list)
    told = about(store, mail, arguments.address, parts.CLOCK.now())
    print(msgspec.json.encode(told).decode() if arguments.json else "\n".join(_lines(told)))


def _lines(told: About) -> list[str]:
    lines = [f"{told.address}, {told.mail}, tenant {told.tenant}: {'may be sent to' if told.allowed else 'stopped'}"]
    lines.append(f"policy {told.policy}; entries on these scopes stop such mail: {', '.join(told.scopes)}")
    lines += ["", "On the list:" if told.entries else "On the list: nothing"]
    for entry in told.entries:
        lines += [f"  {entry.words}", f"    {'stops this mail' if entry.stops else 'does not stop this mail'}: {entry.why}"]
    for scope, strikes in told.soft.items():
        lines += ["", f"Soft bounces on {scope}:", *(f"  {one}" for one in strikes)]
    lines += ["", "What the next report about this mail would do:"]
    return lines + [f"  {name}: {would}" for name, would in told.next.items()]


def _as_toml(version: str, told: dict[str, object], path: str = "") -> str:
    """A table as TOML; what is in force, with nothing left out."""
    plain = {name: value for name, value in told.items() if not isinstance(value, dict)}
    lines = [f"# version {version}", ""] if not path else [f"[{path}]"] if plain else []
    lines += [f"{name} = {json.dumps(value)}" for name, value in plain.items()]
    inner = {name: value for name, value in told.items() if isinstance(value, dict)}
    for name, table in inner.items():
        below = f"{path}.{name}" if path else name
        lines += [*([""] if plain else []), _as_toml(version, table, below)]
    return "\n".join(lines)

"""The command `nullsender`: every door for an operator, one file a command.

This package is the wiring: it may import everything, nothing imports it. Only the command that was called is loaded. What a
command is made of, where that is more than one file, lies in a room of its own:

    running/       how roles run                             explaining/    what `explain` and `reply` show
    checking/      what `doctor` looks at                    replaying/     what `replay` does
    working/       what `jobs` works off                     exporting/     what `export` keeps in mind
    ruling/        rules that are not in force               indexing/      what `index` shows meanwhile
    reviewing/     what `incidents` and `review` share
"""

import argparse
import io
import os
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from keyword import iskeyword
from pathlib import Path

from nullsender.errors import Invalid, Misconfigured, Transient

EXIT_FAILED = 1  # it was done in part or not at all; what was said says which
EXIT_MISCONFIGURED = 3  # the operator has to change something; nothing was half done
EXIT_INTERRUPTED = 130

#: Each command is the module of that name in this package, with `add_arguments(parser)` and `run(arguments) -> exit code`.
COMMANDS = {
    "up": "start every role on this machine and keep them running",
    "mx": "role: take mail on SMTP and put what it reports on the log",
    "classify": "role: decide what each report means",
    "suppress": "role: apply outcomes to the list",
    "follow": "role: keep the lookup table in memory up to date (one a machine)",
    "index": "show the lookup table of this machine, make it anew, compare it with the list",
    "jobs": "role: do long work that was asked for, and what comes round every minute",
    "api": "role: answer pre-send lookups and keep the list over HTTP",
    "doors": "role: answer pre-send lookups of mail servers in their own protocols",
    "migrate": "make the log's topics and bring the store to this version's schema",
    "health": "say whether the roles of this machine are at work",
    "doctor": "check the installation and show its settings",
    "keys": "make, list, rotate and revoke API keys",
    "history": "tell everything that happened to one address",
    "access": "tell everything that is held about one person",
    "erase": "remove the plain address and every word about a person",
    "retention": "show how long each kind of personal data is kept",
    "audit": "prove that the trail of all that was done is whole, and read in it",
    "return-path": "make a signed return path and token for mail to one recipient",
    "export": "write rows of the list into a file with a signed manifest, check such a file",
    "unsubscribe-link": "make the unsubscribe link and header fields for mail to one recipient",
    "deadlines": "show when each unsubscribe came, since when it is heeded and by when it had to be",
    "import": "take the list of another system, of partners, or of one's own",
    "scrub": "say which addresses of a list may be sent to, without a server",
    "address-file": "write a file of the addresses that mail may not go to, for a mail server that can not ask",
    "explain": "say what each message means, what it would do and why",
    "reply": "decide SMTP replies, JSON lines in and out",
    "rules": "show the rules, try new ones on stored reports, show what no rule knows",
    "policy": "show and check what reports do to the list, and what that means for one address",
    "dead-letters": "show what could not be dealt with",
    "incidents": "take many reports off the list that were not what they seemed, and put them back",
    "review": "look at what is held because too much of it came at once",
    "replay": "read dead letters, or what a topic holds, again with today's readers and rules",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the answer is the exit code: 0, 1 failed, 2 usage, 3 the operator has to change something."""
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that lacks a letter of somebody's name shows its number
    try:
        arguments = _parser(words).parse_args(words)  # inside, because it imports the command, which can take a while
        code = int(arguments.run(arguments))
        print(end="", flush=True)  # a full disk or a reader that is gone is told of here, not at the interpreter's end
        return code
    except Misconfigured as mistake:
        print(f"nullsender: {mistake}", file=sys.stderr)
        return EXIT_MISCONFIGURED
    except Invalid as invalid:
        print(f"nullsender: {invalid}", file=sys.stderr)
        return EXIT_FAILED
    except Transient as trouble:
        print(f"nullsender: this does not work now and may work later: {trouble}", file=sys.stderr)
        return EXIT_FAILED
    except BrokenPipeError:
        # Whoever read our output has seen enough; what is left of it goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"nullsender: {error.strerror or error}{f': {error.filename}' if error.filename else ''}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nullsender",
        description="Reads bounces, complaints and unsubscribes, keeps the suppression list, answers pre-send lookups.",
        epilog="Settings: defaults, then a TOML file, then NULLSENDER_… variables, then flags; see `doctor --settings`.",
    )
    parser.add_argument("--version", action="version", version=_version() if "--version" in words else "")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    called = next((word for word in words if not word.startswith("-")), None)
    for name, does in COMMANDS.items():
        command = commands.add_parser(name, help=does, description=f"{does[0].upper()}{does[1:]}.")
        if name == called:
            module = import_module(f"nullsender.cli.{name.replace('-', '_')}{'_' * iskeyword(name)}")
            _add_settings(command)
            module.add_arguments(command)
            for action in _actions_of(command):  # of `keys list --data DIR` too
                _add_settings(action, default=argparse.SUPPRESS)
            command.set_defaults(run=module.run)
    return parser


def _add_settings(command: argparse.ArgumentParser, default: str | None = None) -> None:
    command.add_argument(
        "--config", type=Path, metavar="FILE", default=default, help="TOML file with settings (or NULLSENDER_CONFIG)"
    )
    command.add_argument(
        "--data", metavar="DIR", default=default, help="folder of the log, the list and the keys (default: data)"
    )


def _actions_of(command: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parsers of a command's own actions, such as `keys list`."""
    for group in command._actions:  # argparse has no other way to ask
        if isinstance(group, argparse._SubParsersAction):
            yield from group.choices.values()


def _version() -> str:
    from importlib.metadata import version  # a tenth of a start, for a question that is seldom asked

    return f"nullsender {version('nullsender')}"

"""`nullsender doctor`: every setting with its meaning, then what is well and what is not, with what to do about it."""

import argparse
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pysqlite3.dbapi2 as sqlite

from nullsender import config
from nullsender.cli import EXIT_MISCONFIGURED, parts, store_parts
from nullsender.config import Settings
from nullsender.errors import NullsenderError
from nullsender.limits import BOOTSTRAP_KEY_CHARACTERS_MIN, DISK_FREE_BYTES_MIN

_ROOT = Path(__file__).parent.parent.parent
_OURS = ("nullsender", "ingest", "classifiers", "suppression", "api")
_SQLITE_SOUND_FROM = (3, 51, 3)  # before that, two connections can corrupt a write-ahead log that is reset

#: A check gives sentences on what is wrong, none when all is well.
Check = Callable[[Settings], Iterator[str]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing of its own."""


def run(arguments: argparse.Namespace) -> int:
    """Print settings and findings; 3 when the operator has something to do."""
    settings = parts.settings_of(arguments)
    for name, value, meaning in config.shown(settings):
        print(f"  {name:44} {value or '-':32} {meaning}")
    print()
    wrong = 0
    for title, check in CHECKS.items():
        findings = list(_findings(check, settings))
        wrong += bool(findings)
        print(f"  {'WRONG' if findings else 'ok':6} {title}" + "".join(f"\n         {finding}" for finding in findings))
    return EXIT_MISCONFIGURED if wrong else 0


def _findings(check: Check, settings: Settings) -> Iterator[str]:
    try:
        yield from check(settings)
    except NullsenderError as error:
        yield str(error)


def _variables(_settings: Settings) -> Iterator[str]:
    for variable in config.unknown_variables():
        yield f"{variable} is no setting: is its name spelled right?"


def _bootstrap_key(settings: Settings) -> Iterator[str]:
    if settings.bootstrap_key is not None and len(settings.bootstrap_key) < BOOTSTRAP_KEY_CHARACTERS_MIN:
        yield f"bootstrap_key opens everything and has under {BOOTSTRAP_KEY_CHARACTERS_MIN} characters: choose a longer one"


def _packages(_settings: Settings) -> Iterator[str]:
    for name in _OURS:
        file = import_module(name).__file__
        if file is None or Path(file) != _ROOT / name / "__init__.py":
            yield f"another package called {name!r} stands before ours ({file}): uninstall it"


def _sqlite(_settings: Settings) -> Iterator[str]:
    if sqlite.sqlite_version_info < _SQLITE_SOUND_FROM:
        yield f"SQLite {sqlite.sqlite_version} may corrupt the list: upgrade the package pysqlite3"


def _folder(settings: Settings) -> Iterator[str]:
    existing = next(folder for folder in (settings.data.absolute(), *settings.data.absolute().parents) if folder.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        yield f"{existing} can not be written by this user"
    free_bytes = shutil.disk_usage(existing).free
    if free_bytes < DISK_FREE_BYTES_MIN:
        yield f"only {free_bytes // 2**20} MiB are free at {existing}: when it is full, mail gets 451 until there is room"


def _secrets(settings: Settings) -> Iterator[str]:
    if settings.secrets_file.exists():
        parts.keys_of(settings)
        if settings.secrets_file.stat().st_mode & 0o077:
            yield f"{settings.secrets_file} can be read by others: chmod 600 it"


def _store(settings: Settings) -> Iterator[str]:
    if settings.store.url is None and not (settings.data / "nullsender.sqlite").exists():
        return  # nothing was ever started here; the first start makes it
    store_parts.open_store(settings).ready()
    yield from ()


def _log(settings: Settings) -> Iterator[str]:
    if settings.log_folder.exists():
        parts.open_log(settings).close()
    yield from ()


def _certificate(settings: Settings) -> Iterator[str]:
    from nullsender.cli.mx import mx_settings

    mx_settings(settings)
    yield from ()


CHECKS: dict[str, Check] = {
    "variables": _variables,
    "bootstrap key": _bootstrap_key,
    "packages": _packages,
    f"SQLite {sqlite.sqlite_version} (Python's own {sqlite3.sqlite_version} is not used)": _sqlite,
    "data folder and disk": _folder,
    "secret keys": _secrets,
    "store": _store,
    "log": _log,
    "certificate": _certificate,
}

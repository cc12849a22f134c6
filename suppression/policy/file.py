"""The policy file: TOML text in, a policy out, or every mistake in it with its line. Pure.

What stands at the top holds for all, `[tenant.NAME]` for one tenant, `[tenant.NAME.stream.NAME]` for one of its streams; what a
narrower table does not say it takes from the wider one. `name` is the file's own word for its version.
"""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, NamedTuple, TypeAlias

import msgspec

from nullsender import limits
from nullsender.errors import Invalid, Misconfigured
from nullsender.names import canonical_name
from suppression.policy.in_force import Policy
from suppression.policy.lines import Path, line_of
from suppression.policy.scopes import Breadth
from suppression.policy.settings import PolicySettings, lifetimes_of

Table: TypeAlias = Mapping[str, Any]


class _Mistake(NamedTuple):
    path: Path
    what: str


class _Key(NamedTuple):
    """One key of a table: how its value is read (`Invalid` where it can not be), and what is allowed."""

    read: Callable[[object], object]
    allowed: str


def read_policy(text: str, default: PolicySettings, *, file: str, categories: Iterable[str]) -> Policy:
    """The policy that `text` says, over `default`; `categories` are those that may have a limit of their own.

    `Misconfigured` names `file`, and each mistake with its line and what is allowed there.
    """
    try:
        told = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"the policy file {file} is not TOML: {error}") from error
    reading = _Reading(frozenset(categories))
    policy = reading.policy(told, default)
    if reading.mistakes:
        mistakes = sorted((line_of(text, mistake.path), mistake) for mistake in reading.mistakes)
        told_of = (f"  line {line}: {'.'.join(mistake.path)}: {mistake.what}" for line, mistake in mistakes)
        raise Misconfigured(f"the policy file {file} can not be used:\n" + "\n".join(told_of))
    return policy


class _Reading:
    """Goes through the tables and collects the mistakes."""

    def __init__(self, categories: frozenset[str]) -> None:
        self.mistakes: list[_Mistake] = []
        self._categories = categories

    def policy(self, told: Table, default: PolicySettings) -> Policy:
        name = told.get("name", "unnamed")
        if not isinstance(name, str) or not 0 < len(name) <= limits.POLICY_NAME_CHARACTERS_MAX or not name.isprintable():
            self._wrong(("name",), f"a name of 1 to {limits.POLICY_NAME_CHARACTERS_MAX} letters, such as 2026-11")
        rest = {key: value for key, value in told.items() if key not in ("name", "tenant")}
        wide = self._settings((), rest, default, _KEYS)
        overrides: dict[tuple[str, str | None], PolicySettings] = {}
        for tenant, table in self._tables(("tenant",), told.get("tenant", {})):
            here = ("tenant", tenant)
            own = {key: value for key, value in table.items() if key != "stream"}
            of_tenant = overrides[tenant, None] = self._settings(here, own, wide, _KEYS)
            for stream, inner in self._tables((*here, "stream"), table.get("stream", {})):
                overrides[tenant, stream] = self._settings((*here, "stream", stream), inner, of_tenant, _KEYS_OF_STREAM)
        return Policy(wide, overrides, name=str(name))

    def _tables(self, path: Path, told: object) -> Iterable[tuple[str, Table]]:
        """The tables by name within a table."""
        if not isinstance(told, dict):
            self._wrong(path, f"a table for each name, such as [{'.'.join(path)}.NAME]")
            return
        for name, table in told.items():
            if _is_no_name(name):
                self._wrong((*path, name), "names are in lower case: letters, digits, dots, hyphens and underscores")
            elif isinstance(table, dict):
                yield name, table
            else:
                self._wrong((*path, name), f"a table, such as [{'.'.join((*path, name))}]")

    def _settings(self, path: Path, told: Table, wider: PolicySettings, keys: Mapping[str, _Key]) -> PolicySettings:
        found: dict[str, Any] = {}
        for name, value in told.items():
            if name == "soft_limits":
                found[name] = {**wider.soft_limits, **self._soft_limits((*path, name), value)}
            elif name not in keys:
                self._wrong((*path, name), f"no such key here; there are {', '.join(sorted((*keys, 'soft_limits')))}")
            else:
                try:
                    found[name] = keys[name].read(value)
                except Invalid as mistake:
                    self._wrong((*path, name), f"{keys[name].allowed}{f' ({mistake})' if str(mistake) else ''}")
        return msgspec.structs.replace(wider, **found)

    def _soft_limits(self, path: Path, told: object) -> Mapping[str, int]:
        if not isinstance(told, dict):
            self._wrong(path, "a table of limits by category")
            return {}
        for category, limit in told.items():
            if category not in self._categories:
                self._wrong((*path, category), f"no category of soft bounces; there are {', '.join(sorted(self._categories))}")
            elif type(limit) is not int or not 0 <= limit <= limits.SOFT_LIMIT_MAX:
                self._wrong((*path, category), f"a whole number from 0 (never) to {limits.SOFT_LIMIT_MAX}")
        return told

    def _wrong(self, path: Path, what: str) -> None:
        self.mistakes.append(_Mistake(path, what))


def _refuse() -> Invalid:
    return Invalid("")


def _whole(least: int, most: int) -> _Key:
    def read(value: object) -> object:
        if type(value) is not int or not least <= value <= most:
            raise _refuse()
        return value

    return _Key(read, f"a whole number from {least} to {most}")


def _word(*allowed: str) -> _Key:
    def read(value: object) -> object:
        if value not in allowed:
            raise _refuse()
        return value

    return _Key(read, f"one of {', '.join(allowed)}")


def _breadth(value: object) -> object:
    try:
        return Breadth(value)  # type: ignore[arg-type]
    except ValueError as error:
        raise _refuse() from error


def _flag(value: object) -> object:
    if not isinstance(value, bool):
        raise _refuse()
    return value


def _names(value: object) -> object:
    if not isinstance(value, list) or any(_is_no_name(name) for name in value):
        raise _refuse()
    return tuple(value)


def _is_no_name(name: object) -> bool:
    try:
        return not isinstance(name, str) or canonical_name(name) != name
    except Invalid:
        return True


def _lifetimes(value: object) -> tuple[timedelta | None, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise _refuse()
    return lifetimes_of(value)


_BREADTH = _Key(_breadth, f"one of {', '.join(Breadth)}")

#: What a table of a stream may say.
_KEYS_OF_STREAM: Mapping[str, _Key] = {
    "hard": _BREADTH,
    "complaint": _BREADTH,
    "unsubscribe": _BREADTH,
    "soft": _BREADTH,
    "unproven": _word("ignore", "provisional", "full"),
    "provisional_days": _whole(1, limits.PROVISIONAL_DAYS_MAX),
    "provisional_per_source_and_hour_max": _whole(0, 2**31 - 1),
    "soft_limit": _whole(2, limits.SOFT_LIMIT_MAX),
    "soft_window_days": _whole(1, limits.SOFT_WINDOW_DAYS_MAX),
    "soft_lifetimes": _Key(_lifetimes, 'a list such as ["1d", "7d", "forever"]'),
    "soft_quiet_days": _whole(1, limits.SOFT_QUIET_DAYS_MAX),
    "delivery_ends_soft": _Key(_flag, "true or false"),
}
#: And what any other may: which streams are transactional is said for all of a tenant's.
_KEYS: Mapping[str, _Key] = {
    **_KEYS_OF_STREAM,
    "transactional": _Key(_names, 'a list of streams in lower case, such as ["receipts"]'),
}

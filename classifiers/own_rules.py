"""An operator's own rules, put before ours: files of the same form, which no upgrade of ours touches.

Besides `[[rule]]` a file may hold `[[without]]` (one of our rules that is switched off, and why), `[providers.NAME]` and
`[phases]`; what these say is added to ours and takes nothing from them. All that our rules must keep theirs must keep: the
category says whose fault it is and whether it can be hard (G7), and each rule has an example that it decides.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from classifiers.rulebook import (
    FILES,
    SIGNS_FILE,
    Place,
    Provider,
    Rule,
    Rulebook,
    Signs,
    Without,
    convert,
    read_content,
    read_rules,
    read_toml,
    require_new,
    require_sound_signs,
    version_of,
)
from nullsender.errors import Misconfigured
from nullsender.limits import OWN_RULES_BYTES_MAX

#: What names of ours begin with; the last four stand for what is decided without rules.
RESERVED = frozenset({*FILES, SIGNS_FILE, "action", "feedback", "kind", "none"})

_FILE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class _OwnFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What such a file may hold."""

    rule: tuple[dict[str, Any], ...] = ()
    without: tuple[Without, ...] = ()
    phases: dict[str, tuple[str, ...]] = {}
    providers: dict[str, Provider] = {}


def with_own_rules(ours: Rulebook, path: Path) -> Rulebook:
    """`ours` with the rules of `path`, a file or a folder of them, before it; `Misconfigured` says what is wrong where.

    The files of a folder are tried in the order of their names.
    """
    contents = {file: read_content(file) for file in _files(path)}
    documents = {file: _read_file(file, content) for file, content in contents.items()}
    signs = ours.signs
    for file, document in documents.items():
        signs = _with_signs(signs, document, file.name)
    rules: list[Rule] = []
    places: dict[str, Place] = {}
    for file, document in documents.items():
        for rule, place in read_rules(file, contents[file], document.rule, signs):
            require_new(rule, places)
            rules.append(rule)
            places[rule.name] = place
    without = tuple(off for file, document in documents.items() for off in _switched_off(file, document, ours))
    off = {each.rule for each in without}
    return Rulebook(
        rules=(*rules, *(rule for rule in ours.rules if rule.name not in off)),
        signs=signs,
        version=version_of([ours.version.encode(), *_named(contents)]),
        places={**places, **ours.places},
        own=frozenset(places),
        without=without,
    )


def _files(path: Path) -> Sequence[Path]:
    files = sorted(path.glob("*.toml")) if path.is_dir() else [path]
    if not files:
        raise Misconfigured(f"classify.rules: the folder {path} holds no file that ends in .toml")
    for file in files:
        if not _FILE_NAME.fullmatch(file.stem):
            raise Misconfigured(
                f"classify.rules: {file}: the name of a file of rules has lower-case letters, digits and hyphens"
            )
        if file.stem in RESERVED:
            raise Misconfigured(
                f"classify.rules: {file}: {file.stem!r} is what names of ours begin with: call the file otherwise"
            )
    return files


def _read_file(file: Path, content: bytes) -> _OwnFile:
    if len(content) > OWN_RULES_BYTES_MAX:
        raise Misconfigured(f"{file.name}: a file of rules has at most {OWN_RULES_BYTES_MAX} bytes")
    document: _OwnFile = convert(read_toml(file, content), _OwnFile, file.name)
    return document


def _named(contents: Mapping[Path, bytes]) -> Sequence[bytes]:
    """The contents with the names of their files, by which the order goes."""
    return [part for file, content in contents.items() for part in (file.name.encode(), content)]


def _switched_off(file: Path, document: _OwnFile, ours: Rulebook) -> Sequence[Without]:
    known = {rule.name for rule in ours.rules}
    for off in document.without:
        if off.rule not in known:
            raise Misconfigured(f"{file.name}, [[without]]: none of our rules is called {off.rule!r} (`nullsender rules list`)")
        if not off.reason.strip():
            raise Misconfigured(f"{file.name}, [[without]] {off.rule}: say in `reason` why it is switched off")
    return document.without


def _with_signs(signs: Signs, document: _OwnFile, where: str) -> Signs:
    """`signs` and what the file adds to them. A host or a name of one provider can not become another's."""
    require_sound_signs(Signs(document.phases, document.providers), where)
    phases, providers = dict(signs.phases), dict(signs.providers)
    for phase, texts in document.phases.items():
        phases[phase] = (*phases.get(phase, ()), *texts)
    for name, provider in document.providers.items():
        _require_free(name, provider, providers, where)
        known = providers.get(name, Provider())
        providers[name] = Provider(
            hosts=(*known.hosts, *(host.lower() for host in provider.hosts)),
            texts=(*known.texts, *provider.texts),
            also_called=(*known.also_called, *(called.lower() for called in provider.also_called)),
        )
    return Signs(phases, providers)


def _require_free(name: str, provider: Provider, known: Mapping[str, Provider], where: str) -> None:
    if name != name.lower():
        raise Misconfigured(f"{where}, providers.{name}: names are compared in lower case")
    for other, theirs in known.items():
        names, taken = {name, *provider.hosts, *provider.also_called}, {other, *theirs.hosts, *theirs.also_called}
        if other != name and (both := {word.lower() for word in names} & taken):
            raise Misconfigured(f"{where}, providers.{name}: {min(both)} is {other}'s already: add to [providers.{other}]")

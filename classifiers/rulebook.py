"""Reads the rules: commented data in classifiers/rules/*.toml, checked before anything is decided by them.

A rule names a category and says when it holds: any of its `texts` stands in the reply (regular expressions over the folded
reply, see reply.py), and the status code, reply code, provider and phase are among those that it names, if it names any.
The files are read in the order of `FILES`, the rules in the order in which they stand, and the first that holds decides.
Whatever is wrong with a rule is `Misconfigured`, with the file, the line and the rule named. Operators' own files are read by
`own_rules.py`, which puts every rule through the same checks.
"""

import hashlib
import re
import tomllib
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from classifiers.outcome import MEANINGS, Category
from classifiers.reply import fold
from nullsender.errors import Misconfigured

RULES_FOLDER = Path(__file__).with_name("rules")

#: In which order rules are tried. What a provider means by its own words comes first; then what the words say, the sender's
#: and the path's fault before the recipient's, because a wrong soft costs a retry and a wrong hard costs a customer; then
#: what the codes say; then words that say little.
FILES = ("provider", "sender", "path", "recipient", "status", "vague")

#: Where providers and phases are told by names and words.
SIGNS_FILE = "signs"

#: What a report comes to without any rule, and so no rule may say.
_WITHOUT_RULES = frozenset(
    {
        Category.COMPLAINT, Category.UNSUBSCRIBE, Category.AUTO_REPLY,
        Category.DELIVERED, Category.FEEDBACK_ONLY, Category.NOTHING_REPORTED,
    }
)  # fmt: skip

_HEADER = re.compile(rb"^[ \t]*\[\[[ \t]*rule[ \t]*\]\]", re.MULTILINE)
# A text that any of these matches alone holds for nearly every reply.
_FREQUENT_CHARACTERS = "etaoinsrhl0125 .-"
# Two blanks, a line's end, a letter next to an @: folding leaves none of them (reply.py).
_NEVER_IN_A_REPLY = re.compile(r"  (?![?*{])|[\t\r\n]|(?<!\\)\\[trn]|(?<!\\)[a-z0-9]@|@\\?[a-z0-9]")
_STATUS_PATTERN = re.compile(r"[245x]\.(x\.x|\d{1,3}\.(x|\d{1,3}))")


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A reply that the rule decides; the facts beside the text are as a report would give them."""

    text: str | None = None
    status: str | None = None
    reply_code: int | None = None
    provider: str | None = None


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One rule as its file has it."""

    name: str
    category: Category
    examples: tuple[str | Example, ...]
    texts: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()  # texts that speak against the rule
    statuses: frozenset[str] = frozenset()  # "5.1.1", "x.1.1" (any class), "5.7.x" (any detail), "5.x.x"
    reply_codes: frozenset[int] = frozenset()
    providers: frozenset[str] = frozenset()
    phases: frozenset[str] = frozenset()  # of the SMTP dialog: connect, sender, recipient, content
    soft: bool = False  # the category could be hard, but this wording leaves a doubt
    permanent: bool | None = None  # where the words say it and the codes do not, or lie

    @property
    def replies(self) -> tuple[Example, ...]:
        """The examples, each as a reply with what is known beside it."""
        return tuple(Example(text=example) if isinstance(example, str) else example for example in self.examples)

    @property
    def hard(self) -> bool:
        """Whether the rule says that the address itself cannot receive mail."""
        return MEANINGS[self.category].hard and not self.soft


class Provider(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a provider is recognised: by the ends of host names and mail domains, or by what only its replies say."""

    hosts: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    also_called: tuple[str, ...] = ()


class Signs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What tells the provider and the phase of the dialog, whatever the reason may be."""

    phases: dict[str, tuple[str, ...]]
    providers: dict[str, Provider]


class Place(NamedTuple):
    """Where a rule is written: the file, and the line of its `[[rule]]` (0 where that can not be told)."""

    file: Path
    line: int

    def of_rule(self, name: str) -> str:
        """How a fault of the rule called `name`, which is written here, begins."""
        line = f", line {self.line}" if self.line else ""
        return f"{self.file.name}{line}, rule {name}"


class Without(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of our rules that an operator has switched off, and why."""

    rule: str
    reason: str


class Rulebook(msgspec.Struct, frozen=True):
    """All rules in the order in which they are tried, the signs, and the version that outcomes carry."""

    rules: tuple[Rule, ...]
    signs: Signs
    version: str
    places: Mapping[str, Place]  # by the name of the rule
    own: frozenset[str] = frozenset()  # the names of the operator's rules; all others are ours
    without: tuple[Without, ...] = ()

    def where(self, rule: Rule) -> str:
        """How a fault of `rule` begins: with its file and its line, where it was read from one."""
        place = self.places.get(rule.name)
        return place.of_rule(rule.name) if place else f"rule {rule.name}"


def read_rulebook(folder: Path = RULES_FOLDER) -> Rulebook:
    """The rules of `folder`, checked one by one; `Misconfigured` names the file and the rule at fault."""
    content = {folder / f"{name}.toml": read_content(folder / f"{name}.toml") for name in (*FILES, SIGNS_FILE)}
    *rule_files, signs_file = content
    signs: Signs = convert(read_toml(signs_file, content[signs_file]), Signs, signs_file.name)
    require_sound_signs(signs, signs_file.name)
    rules: list[Rule] = []
    places: dict[str, Place] = {}
    for file in rule_files:
        document = read_toml(file, content[file])
        if set(document) - {"rule"}:
            raise Misconfigured(f"{file.name}: unknown key {min(set(document) - {'rule'})}; a rule begins with [[rule]]")
        for rule, place in read_rules(file, content[file], document.get("rule", []), signs):
            require_new(rule, places)
            rules.append(rule)
            places[rule.name] = place
    return Rulebook(tuple(rules), signs, version_of(content.values()), places)


def version_of(contents: Iterable[bytes]) -> str:
    """The version of rules whose files hold `contents`, in their order."""
    return hashlib.sha256(b"\0".join(contents)).hexdigest()[:12]


def read_content(file: Path) -> bytes:
    """The bytes of a file of rules."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise Misconfigured(f"the rules can not be read: {file}: {error.strerror}") from error


def read_toml(file: Path, content: bytes) -> dict[str, Any]:
    """The tables of a file of rules."""
    try:
        return tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{file.name} is not TOML: {error}") from error


def read_rules(file: Path, content: bytes, entries: Sequence[dict[str, Any]], signs: Signs) -> Iterator[tuple[Rule, Place]]:
    """The rules that `entries`, the `[[rule]]` tables of `file`, hold, each checked by itself."""
    lines = [content.count(b"\n", 0, header.start()) + 1 for header in _HEADER.finditer(content)]
    known = len(lines) == len(entries)  # otherwise one of them stands in a text or a comment
    for number, entry in enumerate(entries):
        place = Place(file, lines[number] if known else 0)
        where = place.of_rule(entry.get("name", "?"))
        rule = convert(entry, Rule, where)
        _require_sound(rule, file.stem, signs, where)
        yield rule, place


def convert(entry: object, kind: type[Any], where: str) -> Any:
    """`entry` as a value of `kind`; `Misconfigured` says what of it does not fit."""
    try:
        return msgspec.convert(entry, kind)
    except msgspec.ValidationError as error:
        raise Misconfigured(f"{where}: {error}") from error


def require_sound_signs(signs: Signs, where: str) -> None:
    """`Misconfigured` where a text of them can not be looked for."""
    for texts in (*signs.phases.values(), *(provider.texts for provider in signs.providers.values())):
        _require_patterns(texts, where)


def require_new(rule: Rule, known: Mapping[str, Place]) -> None:
    """`Misconfigured` where another rule has that name."""
    if rule.name in known:
        raise Misconfigured(f"two rules are called {rule.name}; outcomes carry the name, so it must be one rule's alone")


def _require_sound(rule: Rule, file: str, signs: Signs, where: str) -> None:
    def require(holds: object, complaint: str) -> None:
        if not holds:
            raise Misconfigured(f"{where}: {complaint}")

    require(rule.name.startswith(f"{file}."), f"the name of a rule of this file begins with {file!r} and a dot")
    require(rule.category not in _WITHOUT_RULES, f"{rule.category} is no reason of a failure; docs/categories.md has those")
    require(rule.examples, "it needs at least one example of a reply that it decides")
    require(rule.texts or rule.statuses or rule.reply_codes, "it needs texts, statuses or reply_codes to hold for")
    require(rule.texts or not rule.unless, "only a rule with texts can have `unless`")
    require(MEANINGS[rule.category].hard or not rule.soft, f"{rule.category} is never hard, so `soft` says nothing")
    for status in rule.statuses:
        require(_STATUS_PATTERN.fullmatch(status), f"{status!r} is not a status code such as 5.1.1, x.1.1 or 5.7.x")
    require(
        rule.phases <= signs.phases.keys(), f"it names a phase that nobody has declared: there are {', '.join(signs.phases)}"
    )
    require(rule.providers <= signs.providers.keys(), "it names a provider that nobody has declared ([providers.NAME])")
    _require_patterns((*rule.texts, *rule.unless), where)


def _require_patterns(texts: tuple[str, ...], where: str) -> None:
    for text in texts:
        if complaint := _complaint_about(text):
            raise Misconfigured(f"{where}: {text!r} {complaint}")


def _complaint_about(text: str) -> str | None:
    """What is wrong with a text that is to be looked for, whatever the rule may be; None where nothing is."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)  # of what means one thing here and another to Hyperscan
            pattern = re.compile(text)
    except (re.error, FutureWarning) as error:
        return f"is not a regular expression: {error}"
    if pattern.search(""):
        return "matches the empty text, so it would always hold"
    if any(map(pattern.search, _FREQUENT_CHARACTERS)):
        return "matches a single character, so it would hold for nearly every reply"
    plain = re.sub(r"\\.", "", text)
    if fold(plain) != plain:
        return "can never match: replies are compared in lower case, without accents"
    if _NEVER_IN_A_REPLY.search(text):
        return "can never match: replies are compared as one line with single blanks, every address a bare @"
    return None

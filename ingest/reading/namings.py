"""How the words of a notice name the recipients that failed.

qmail, Exim, old Sendmail, Exchange, Domino, gateways and providers all write their own prose, but there are only four ways in
which prose names a failed recipient, here with the surest first:

    listed      the address begins the line            <user@example.org>:            user@example.org on Wed, 15 Feb
    commanded   it stands in a RCPT TO of a dialogue   >>> RCPT TO:<user@example.org>
    labelled    a word and a colon announce it         Unknown user: user@example.org
    told        a sentence says "to" or "for" it       your message to user@example.org could not be delivered

The surest way that a notice uses counts. What else it names are senders, postmasters and the addresses inside quoted replies.
"""

import re
from collections.abc import Iterator, Sequence
from enum import IntEnum
from itertools import islice
from typing import NamedTuple

from ingest.reading.mentions import mentions_in
from ingest.reading.notice_words import Notice
from ingest.reading.phrases import (
    ASKS,
    ENDINGS_BEFORE_RECIPIENTS,
    LABELS,
    WORDS_BEFORE_OTHERS,
    WORDS_BEFORE_RECIPIENTS,
    WROTE,
)
from nullsender.limits import NAMINGS_MAX


class Way(IntEnum):
    """How a notice names an address; higher ones are surer to mean a failed recipient."""

    PASSING = 1
    TOLD = 2
    LABELLED = 3
    COMMANDED = 4
    LISTED = 5


_LISTED = Way.LISTED  # an enum's members are slow to reach by their class


class Naming(NamedTuple):
    """An address in a notice: where it stands and how it is named."""

    address: str
    line: int
    start: int
    end: int
    way: Way
    is_next: bool = False  # in one list with the address before it: `anna@example.org, bert@example.org`

    @property
    def is_listed(self) -> bool:
        """Whether the line is the address's own."""
        return self.way is _LISTED


def namings_in(notice: Notice) -> list[Naming]:
    """Every address that the notice names and that may be a failed recipient, in order."""
    namings: list[Naming] = []
    namer = _Namer(notice.lines)
    for number in [number for number, line in enumerate(notice.lines) if "@" in line]:
        if len(namings) < NAMINGS_MAX:
            namings.extend(islice(namer.in_line(number), NAMINGS_MAX))
    if _WE_WROTE_TO in notice.text:
        namings = _without_rewritten(namings, notice.lines)
    if _EXPANDED in notice.text:
        return [_as_we_wrote_it(naming, notice.lines) for naming in namings]
    return namings


# RFC 5322 3.4 name-addr: what stands before <user@example.org> is a name, even if it looks like an address.
_NAMES_THE_NEXT = re.compile(r"[\"']?\s?<(?=[^<>\s@]{1,128}@)")
# What stands between two addresses of one list, also where the list goes on in the next line.
_NEXT_IN_LIST = re.compile(r"[\s\"'>)\]}]*+(?:(?:[,;&\u3001\uff0c]|\b(?:and|und|et|y|e|en|och|og|и)\b)[\s\"'<(\[{]*+){1,2}")
_BETWEEN_CHARACTERS_MAX = 40
_DIGITS = re.compile(r"\d+")


class _Namer:
    """Goes through the lines of a notice and says how each address in them is named."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._last_line = self._last_start = self._last_end = -1
        self._last_way: Way | None = None

    def in_line(self, number: int) -> Iterator[Naming]:
        """The namings of one line; lines are asked for in order."""
        line = self._lines[number]
        name_start: int | None = None
        for address, begins, end in mentions_in(line):
            start = begins if name_start is None else name_start
            if _NAMES_THE_NEXT.match(line, end):
                name_start = start
                continue
            name_start = None
            is_next = self._is_next_in_list(number, start) or self._is_alike_last_line(number, start, end)
            way = self._last_way if is_next else self._way(number, address, start, end)
            self._last_line, self._last_start, self._last_end, self._last_way = number, start, end, way
            if way is not None:
                yield Naming(address, number, start, end, way, is_next)

    def _is_next_in_list(self, number: int, start: int) -> bool:
        """Whether nothing but a comma or an `and` stands between the last address and this one."""
        if number - self._last_line > 1 or self._last_line < 0:
            return False
        last, line = self._lines[self._last_line], self._lines[number]
        between = line[self._last_end : start] if number == self._last_line else f"{last[self._last_end :]} {line[:start]}"
        return len(between) < _BETWEEN_CHARACTERS_MAX and _NEXT_IN_LIST.fullmatch(between) is not None

    def _is_alike_last_line(self, number: int, start: int, end: int) -> bool:
        """Whether this line and the one above differ in their addresses and numbers only: `1. anna@…` above `2. bert@…`."""
        if number - self._last_line != 1 or self._last_line < 0 or start == 0:
            return False
        last, line = self._lines[self._last_line], self._lines[number]
        if line[end:] != last[self._last_end :]:
            return False
        return _DIGITS.sub("", line[:start]) == _DIGITS.sub("", last[: self._last_start])

    def _way(self, number: int, address: str, start: int, end: int) -> Way | None:
        way = _way(self._lines[number], address, start, end)
        if way is Way.PASSING and _is_named_in_list(self._lines, number, start, end):
            return Way.LISTED
        return Way.PASSING if way is Way.LISTED and _continues(self._lines, number) else way


# What may stand between the beginning of a line and an address that it lists: brackets, quotes, bullets, dashes.
_BULLETS = " \t<>\"'`([{*|=\u2022\u00b7\u2013\u2014\uff1c\u300a#-"
_OPENS = " \t<\"'`([{\uff1c"  # what opens an address in the middle of a line
_COLONS = (":", "\uff1a", "=")
_NUMBERED = re.compile(r"^[ \t]*\d{1,3}[.)][ \t]+")
# Who is named because he helps; he may be listed, but then he is a recipient.
_HELPERS = (
    "postmaster@", "abuse@", "mailer-daemon@", "support@", "help@", "helpdesk@", "hostmaster@", "webmaster@", "infocenter@",
)  # fmt: skip
_BEFORE_CHARACTERS = 100
_LABEL_CHARACTERS = 48


def _way(line: str, address: str, start: int, end: int) -> Way | None:
    """How the address is named, or None where it stands for somebody who did not fail to receive."""
    before = _NUMBERED.sub("", line[max(0, start - _BEFORE_CHARACTERS) : start].lower(), count=1)
    if before.strip(_BULLETS) in ("", ">"):
        return None if line[end:].lstrip(" >").startswith(WROTE) else Way.LISTED
    before = before.rstrip(_OPENS)
    if before.endswith("smtp="):  # Exchange 5.5
        return Way.LISTED
    if before.endswith(("rcpt to:", "rcpt to", "rcptto:")):
        return Way.COMMANDED
    if before.endswith("generated by"):  # Exim, of an alias that is a program or a file
        return Way.LABELLED
    word = before.rstrip(" :=").rpartition(" ")[2].strip("\"'(),.-<>")
    clause = before[before.rfind(":", 0, -1) + 1 :]
    if word in WORDS_BEFORE_OTHERS or address.lower().startswith(_HELPERS) or any(words in clause for words in ASKS):
        return None
    if before.endswith(_COLONS):
        return Way.LABELLED if _is_label(before[-_LABEL_CHARACTERS:]) else Way.PASSING
    if _REPLY_ABOUT.search(before) and "sender" not in line.lower():
        return Way.TOLD
    told = word in WORDS_BEFORE_RECIPIENTS or before.endswith(ENDINGS_BEFORE_RECIPIENTS)
    return Way.TOLD if told else Way.PASSING


# `550 5.1.1 <user@example.org>...`, for what a server answers to RCPT TO; to MAIL FROM it speaks of a sender.
_REPLY_ABOUT = re.compile(r"^[ \t<>=:]{0,12}[45][0-5]\d[ -](?:[45]\.\d{1,3}\.\d{1,3})?$")


def _is_label(before: str) -> bool:
    return any(label in before for label in LABELS)


def _continues(lines: Sequence[str], number: int) -> bool:
    """Whether the line goes on with what a line above it said, and lists nothing itself: it is indented below that line.

    A line that announces a list ends with a colon, or is a title between dashes, and holds no address.
    """
    own = _indentation(lines[number])
    if own == 0:
        return False
    for above in reversed(lines[max(0, number - _PARAGRAPH_LINES_MAX) : number]):
        if not above.strip():
            return False
        if _indentation(above) < own:
            return "@" in above or not above.endswith(_ANNOUNCES)
    return False


def _is_named_in_list(lines: Sequence[str], number: int, start: int, end: int) -> bool:
    """Whether the line is a person's name and address, `Anna <anna@example.org>`, in a list that a line above announces."""
    if not _is_name_and_address(lines[number], start, end):
        return False
    for above in reversed(lines[max(0, number - _PARAGRAPH_LINES_MAX) : number]):
        if above.strip() and not ("@" in above and above.endswith(">")):
            return above.endswith(_ANNOUNCES)
    return False


def _is_name_and_address(line: str, start: int, end: int) -> bool:
    return line[start - 1 : start] == "<" and line[end:] == ">" and ":" not in line[:start]


_PARAGRAPH_LINES_MAX = 40
_ANNOUNCES = (":", "\uff1a", "-", "=", "*")


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())


# Oracle's server labels the address that it tried, and in the next line the one that we wrote to where that was another.
_WE_WROTE_TO = "Original address:"


def _without_rewritten(namings: Sequence[Naming], lines: Sequence[str]) -> list[Naming]:
    """The namings without those in whose next line the address stands that they were rewritten from."""
    originals = {naming.line for naming in namings if _WE_WROTE_TO in lines[naming.line]}
    return [naming for naming in namings if naming.line + 1 not in originals or naming.line in originals]


# Sendmail and Postfix list the address that an alias was expanded to, and behind it the one that we wrote to.
_EXPANDED = "(expanded from"
_EXPANDED_FROM = re.compile(r"\(expanded from:?\s<?([^<>\s()]{3,320}@[^<>\s()]{3,255})>?\)")


def _as_we_wrote_it(naming: Naming, lines: Sequence[str]) -> Naming:
    """The naming with the address that the list knows, where the address was expanded from that."""
    if not naming.is_listed:
        return naming
    expanded = _EXPANDED_FROM.search(" ".join(lines[naming.line : naming.line + 2])[naming.end :])
    return naming._replace(address=expanded.group(1)) if expanded else naming

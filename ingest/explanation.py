"""Why a notice says that one recipient did not get the mail.

The reason mostly follows the address: on its line, on the lines below, behind an empty line. Some systems put it before the
address, and transcripts of a dialogue hold it anywhere. What is taken are whole lines, as they stand.
"""

import re
from collections.abc import Sequence
from typing import Protocol

from ingest.codes import has_reply_line, reply_code_in, status_code_in
from ingest.finding import one_line
from ingest.notice_words import Notice


class Named(Protocol):
    """An address in a notice (`ingest.notice.Naming`): its place, and the higher its `way` the surer it names a recipient."""

    @property
    def address(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def way(self) -> int: ...
    @property
    def is_listed(self) -> bool: ...


def explain(notice: Notice, recipient: str | None, namings: Sequence[Named], *, alone: bool) -> str:
    """The words of `notice` that say why `recipient` failed, on one line; `alone`: there is no other, so all words are about it."""
    place = _place_of(recipient, namings)
    if place is None:
        return _with_codes(notice.text) or whole_of(notice)
    lines = notice.lines
    end = _next_recipient(place, namings, len(lines))
    near, near_end = _paragraph(lines, place, end)
    if _has_code(near):
        return near
    if replies := _reply_lines(lines, place.address, whole=alone):
        return f"{near} {replies}".strip()
    behind = _joined(lines[near_end:end])
    if not place.is_listed:
        return f"{near} {behind}".strip()
    if _says_something(near):
        return near
    if _says_something(behind):
        return behind if alone else _with_codes(behind) or _with_codes(notice.text) or behind
    return _joined(lines[: place.line])


def whole_of(notice: Notice) -> str:
    """All the words of `notice` but for lines of dashes and stars, on one line."""
    return _joined(notice.lines)


def end_of_reply(notice: Notice, beginning: str) -> str:
    """The whole of a reply of which a report part quotes only the first line, as Sendmail does: `552-5.7.0 This …`.

    RFC 5321 4.2.1: every line but the last has a hyphen behind its code. The other lines stand in the notice's transcript.
    """
    code = beginning[:3]
    if not _UNFINISHED_REPLY.match(beginning) or f" {code} " in beginning:
        return beginning
    replies = [line.strip(" <\t") for line in notice.lines if line.lstrip(" <\t").startswith(code)]
    begins = next((number for number, line in enumerate(replies) if one_line(line) == beginning), None)
    if begins is None:
        return beginning
    last = next((number for number in range(begins, len(replies)) if replies[number][3:4] == " "), len(replies) - 1)
    return _joined(replies[begins : last + 1])


_UNFINISHED_REPLY = re.compile(r"[45]\d\d-")


def _place_of(recipient: str | None, namings: Sequence[Named]) -> Named | None:
    """Where the recipient is named in the surest way, first."""
    if recipient is None:
        return None
    places = [naming for naming in namings if naming.address.lower() == recipient.lower()]
    return max(places, key=lambda naming: (naming.way, -naming.line), default=None)


def _next_recipient(place: Named, namings: Sequence[Named], line_count: int) -> int:
    """The line where the next address stands that is named as surely, or the end."""
    address = place.address.lower()
    others = (naming for naming in namings if naming.way >= place.way and naming.address.lower() != address)
    return min((naming.line for naming in others if naming.line > place.line), default=line_count)


def _paragraph(lines: Sequence[str], place: Named, end: int) -> tuple[str, int]:
    """What stands on the address's line and on those directly below, and the line behind them.

    A listed address itself says nothing and is left out; a sentence around an address is taken from its beginning.
    """
    after = place.line + 1
    while after < end and lines[after].strip():
        after += 1
    if place.is_listed:
        rest = lines[place.line][place.end :].lstrip(" \t>\"')]:;,.-")
        return _joined([rest, *lines[place.line + 1 : after]]), after
    before = place.line
    while before > 0 and lines[before - 1].strip() and place.line - before < _SENTENCE_LINES_MAX:
        before -= 1
    return _joined(lines[before:after]), after


_SENTENCE_LINES_MAX = 3


def _reply_lines(lines: Sequence[str], recipient: str, *, whole: bool) -> str:
    """The SMTP replies of the notice: all, or those that name the recipient."""
    return _joined([line for line in lines if has_reply_line(line) and (whole or recipient.lower() in line.lower())])


def _with_codes(text: str) -> str:
    """The paragraphs of `text` that hold a reply or status code."""
    return one_line(" ".join(words for words in _PARAGRAPHS.split(text) if _has_code(one_line(words))))


_PARAGRAPHS = re.compile(r"\n[ \t]*\n")
_RULERS = " \t*=_-#+~"


def _joined(lines: Sequence[str]) -> str:
    return one_line(" ".join(line for line in lines if line.strip(_RULERS)))


def _has_code(words: str) -> bool:
    return reply_code_in(words) is not None or status_code_in(words) is not None


def _says_something(words: str) -> bool:
    return sum(character.isalpha() for character in words) >= _LETTERS_MIN


_LETTERS_MIN = 4

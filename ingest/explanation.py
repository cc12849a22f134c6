"""Why a notice says that one recipient did not get the mail.

The reason mostly follows the address: on its line, on the lines below, behind an empty line. Some systems put it before the
address, and transcripts of a dialogue hold it anywhere. What is taken are whole lines, as they stand.
"""

from collections.abc import Sequence
from typing import Protocol

from ingest.codes import has_reply_line, reply_code_in, status_code_in
from ingest.notice_words import Notice
from nullsender.limits import DIAGNOSTIC_CHARACTERS_MAX


class Named(Protocol):
    """An address in a notice (`ingest.notice.Naming`)."""

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


def explain(notice: Notice, recipient: str | None, namings: Sequence[Named], *, alone: bool) -> str:
    """The words of `notice` that say why `recipient` failed; `alone`: it is the only one, so all its words are about it."""
    place = _place_of(recipient, namings)
    if place is None:
        return _everything(notice.lines)
    lines = notice.lines
    end = _next_recipient(place, namings, len(lines))
    near = _paragraph(lines, place, end)
    if _has_code(near):
        return near
    replies = _reply_lines(lines, recipient or "", whole=alone)
    if replies:
        return f"{near} {replies}".strip()
    if _says_something(near):
        return near
    behind = _everything(lines[place.line + 1 : end])
    if _says_something(behind):
        return behind
    return _everything(lines[: place.line])


def _place_of(recipient: str | None, namings: Sequence[Named]) -> Named | None:
    """Where the recipient is named in the surest way."""
    if recipient is None:
        return None
    places = [naming for naming in namings if naming.address.lower() == recipient.lower()]
    return max(places, key=lambda naming: (naming.way, -naming.line), default=None)


def _next_recipient(place: Named, namings: Sequence[Named], line_count: int) -> int:
    """The line where the next address of the same way stands, or the end."""
    address = place.address.lower()
    return min(
        (n.line for n in namings if n.line > place.line and n.way >= place.way and n.address.lower() != address),
        default=line_count,
    )


def _paragraph(lines: Sequence[str], place: Named, end: int) -> str:
    """What stands on the address's line and on those directly below. A listed address itself says nothing; a sentence does."""
    line = lines[place.line]
    listed = not line[: place.start].strip(" \t<>\"'`([{*|=-")
    words = [line[place.end :].lstrip(" \t>\"')]:;,.-") if listed else line]
    for following in lines[place.line + 1 : end]:
        if not following.strip():
            break
        words.append(following)
    if not listed:  # the sentence may have begun above
        above = place.line - 1
        while above >= 0 and lines[above].strip() and place.line - above < 4:
            words.insert(0, lines[above])
            above -= 1
    return _joined(words)


def _reply_lines(lines: Sequence[str], recipient: str, *, whole: bool) -> str:
    """The SMTP replies of the notice: all, or those that name the recipient."""
    replies = [line for line in lines if has_reply_line(line) and (whole or recipient.lower() in line.lower())]
    return _joined(replies)


def whole_of(notice: Notice) -> str:
    """All the words of `notice` but for lines of dashes and stars."""
    return _everything(notice.lines)


def _everything(lines: Sequence[str]) -> str:
    return _joined([line for line in lines if line.strip(" \t*=_-#")])


def _joined(lines: Sequence[str]) -> str:
    return " ".join(line.strip() for line in lines if line.strip())[:DIAGNOSTIC_CHARACTERS_MAX]


def _has_code(words: str) -> bool:
    return reply_code_in(words) is not None or status_code_in(words) is not None


def _says_something(words: str) -> bool:
    return sum(character.isalpha() for character in words) >= 4

"""The words of strangers, fit for a terminal: harmless, in lines of its width, with the ones that decided marked.

Whatever can not be printed (control characters, the ones that turn the direction of writing, halves of characters) becomes a
space, so a bounce can neither write to somebody's terminal nor show its words in another order than they stand in. The marks
are carets under the words, or, where colour is welcome, colour.
"""

import unicodedata
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from classifiers.reply import read_reply
from nullsender.limits import SHOWN_CHARACTERS_MAX

_MORE = "…"


class Paint(StrEnum):
    """What is painted where colour is welcome: the SGR sequences of ECMA-48 8.3.117."""

    BAD = "\x1b[1;31m"
    DOUBT = "\x1b[1;33m"
    GOOD = "\x1b[1;32m"
    FAINT = "\x1b[2m"
    MARKED = "\x1b[1;4m"


class Look(NamedTuple):
    """How a page may look: how many columns it has, and whether colour is welcome."""

    columns: int = 100
    colour: bool = False

    def painted(self, text: str, paint: Paint) -> str:
        """`text` in that colour, or as it is."""
        return f"{paint}{text}\x1b[0m" if self.colour else text


class Marked(NamedTuple):
    """A text that is fit to be shown, and where in it the deciding words stand; `start` is `end` where they do not."""

    text: str
    start: int = 0
    end: int = 0

    def behind(self, head: str) -> "Marked":
        """The same with `head` in front of it."""
        return Marked(head + self.text, self.start + len(head), self.end + len(head))


def shown(text: str, characters_max: int = SHOWN_CHARACTERS_MAX) -> str:
    """`text` on one line, without what a terminal would obey, cut where it is endless."""
    clean = "".join(c if c.isprintable() else " " for c in text[: characters_max + 1])
    return clean if len(clean) <= characters_max else f"{clean[:characters_max]}{_MORE}"


def marked(text: str, words: str | None) -> Marked:
    """`text`, and where in it `words` stand, which may be as a rule sees them: folded, every address a bare `@`."""
    clean = " ".join(shown(text, len(text)).split())
    if not words:
        return Marked(clean)
    start = clean.find(words)
    if start >= 0:
        return Marked(clean, start, start + len(words))
    return Marked(clean, *_place_of_folded(clean, words))


def _place_of_folded(text: str, words: str) -> tuple[int, int]:
    """Where the folded `words` stand in `text`: to the letter in words that fold to their own length, else to the word."""
    folded = ""
    pieces: list[tuple[int, int, int, int]] = []  # where a word stands in the folded text, and where in the text
    at = 0
    for word in text.split(" "):
        form = read_reply(word).folded.decode("utf-8", "replace")
        pieces.append((len(folded), len(folded) + len(form), at, at + len(word)))
        folded += form + " "
        at += len(word) + 1
    begin = folded.find(words)
    if begin < 0:
        return 0, 0
    end = begin + len(words)
    touched = [piece for piece in pieces if piece[0] < end and begin < piece[1]]
    if not touched:
        return 0, 0
    return _letter(touched[0], begin, touched[0][2]), _letter(touched[-1], end, touched[-1][3])


def _letter(piece: tuple[int, int, int, int], folded_at: int, otherwise: int) -> int:
    start, end, text_start, text_end = piece
    exact = end - start == text_end - text_start and start <= folded_at <= end
    return text_start + folded_at - start if exact else otherwise


def excerpt(whole: Marked, characters_max: int) -> Marked:
    """The stretch of `whole` that holds the marked words, or its beginning, with an ellipsis where something is left out."""
    if len(whole.text) <= characters_max:
        return whole
    first = max(0, min(whole.start - characters_max // 3, len(whole.text) - characters_max))
    last = first + characters_max
    head, tail = _MORE if first else "", _MORE if last < len(whole.text) else ""
    shift = len(head) - first
    return Marked(f"{head}{whole.text[first:last]}{tail}", whole.start + shift, min(whole.end, last) + shift)


def lines_of(whole: Marked, look: Look, columns: int) -> Iterator[str]:
    """`whole` in lines of `columns`, the marked words painted, or with carets on a line of their own beneath."""
    for start, end in _breaks(whole.text, columns):
        line = whole.text[start:end]
        first, last = max(whole.start, start) - start, min(whole.end, end) - start
        if first >= last:
            yield line
        elif look.colour:
            yield f"{line[:first]}{look.painted(line[first:last], Paint.MARKED)}{line[last:]}"
        else:
            yield line
            yield f"{' ' * _columns(line[:first])}{'^' * _columns(line[first:last])}"


def _breaks(text: str, columns: int) -> Iterator[tuple[int, int]]:
    """Where the lines begin and end: at a space, or inside a word that is longer than a line."""
    start = 0
    while start < len(text):
        fits = start
        used = 0
        while fits < len(text) and used + _columns(text[fits]) <= columns:
            used += _columns(text[fits])
            fits += 1
        fits = max(fits, start + 1)
        space = text.rfind(" ", start, fits + 1) if fits < len(text) else -1
        end = space if space > start else fits
        yield start, end
        start = end + 1 if space > start else end


def _columns(text: str) -> int:
    """How many columns of a terminal `text` takes: East Asian wide letters take two (UAX 11), combining marks none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)

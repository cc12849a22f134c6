"""Takes the words of an SMTP server apart: the codes that stand in them, and the form in which rules look at them.

Servers fold their replies over lines, repeat the code on each, quote addresses and write in many scripts. `Reply.folded` is
what is left of that: one line, lower case, without accents, every address a bare `@`, so that a rule says
`@ is not a known user` and an address such as spam@example.com is never taken for words. Everything here takes time in
proportion to the length of the text, which is cut at `DIAGNOSTIC_CHARACTERS_MAX`.

Nearly every reply is one line of ASCII that begins with its codes. That one takes a few lookups; the searches are for the rest.
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

import msgspec

from nullsender.limits import DIAGNOSTIC_CHARACTERS_MAX, STATUSES_REMEMBERED_MAX

#: A to Z in lower case, and every white space but the blank as a line's end.
_LOWER = bytes.maketrans(bytes(range(0x41, 0x5B)) + b"\t\v\f\r\x1c\x1d\x1e\x1f", bytes(range(0x61, 0x7B)) + b"\n" * 8)

# RFC 5321 4.2: the codes of answers to a command that can fail, as they stand before everything else.
_CODES: Mapping[bytes, int] = {b"%d" % code: code for code in (*range(200, 300), *range(400, 600))}
# RFC 3463 2: class "." subject "." detail, those of five characters that give a reason.
_REASONS: Mapping[bytes, str] = {
    b"%d.%d.%d" % (kind, subject, detail): f"{kind}.{subject}.{detail}"
    for kind in (2, 4, 5) for subject in range(1, 10) for detail in range(1, 10)
}  # fmt: skip
# The search runs for the middle, which is rare; the rest is checked around it.
_SUBJECT = re.compile(rb"\.\d{1,3}\.")
_STATUS = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}(?!\d|\.\d)")
# Three digits where a reply begins, which is told by what stands before them.
_THREE_DIGITS = re.compile(rb"[245]\d\d(?=[ \-:#]|$)")
_BEFORE_A_REPLY = (b":", b";", b"'", b'"', b"(", b"[", b"=", b">", b"<<<", b"smtp", b"error")

# The look-behind starts each try at the head of a token, and what was taken is not given back: linear on any text.
_ADDRESS = re.compile(rb"<?(?<![^\s<>()\[\]\"',;:])[^\s<>()\[\]\"',;:@]*+@[^\s<>()\[\]\"',;:]*+>?")
_DOMAIN = re.compile(r"@([^\s<>()\[\]\"',;:@]+)")
_MARKS = re.compile(r"[\u0300-\u036f]")
# Curly quotes and long dashes to the ones that rules are written with.
_PLAIN = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "-"})


class Reply(msgspec.Struct, frozen=True, gc=False):
    """What a server said, ready for the rules; `status` is the most telling one of the text and of the report."""

    text: str
    folded: bytes  # UTF-8, because that is what is scanned
    status: str | None
    reply_code: int | None

    def domains(self) -> list[str]:
        """The domains of the addresses that stand in the text, in lower case."""
        return _DOMAIN.findall(self.text.lower())


def read_reply(text: str | None, status: str | None = None, reply_code: int | None = None) -> Reply:
    """Take `text` apart; `status` and `reply_code` are what the report says beside it. Any text at all gives an answer."""
    words = text[:DIAGNOSTIC_CHARACTERS_MAX].strip() if text else ""
    if words.isascii():
        folded = words.encode().translate(_LOWER)
        if b"  " in folded or b"\n" in folded:
            words = " ".join(words.split())
            folded = words.encode().translate(_LOWER)
    else:
        words = " ".join(words.split())
        folded = fold(words).encode("utf-8", "replace")
    code = reply_code or _first_code(folded)
    telling = _most_telling(folded, status)
    if code is not None and b"-" in folded:
        folded = _without_continuations(folded, code)
    return Reply(words, _without_addresses(folded) if b"@" in folded else folded, telling, code)


def fold(text: str) -> str:
    """Lower case, no accents, straight quotes, one line: how rules and replies meet."""
    folded = text.lower()
    if folded.isascii():
        return folded
    bare = _MARKS.sub("", unicodedata.normalize("NFKD", folded.translate(_PLAIN)))
    return " ".join(unicodedata.normalize("NFC", bare).split())


@lru_cache(maxsize=STATUSES_REMEMBERED_MAX)
def is_status(text: str) -> bool:
    """Whether `text` is an enhanced status code and nothing else."""
    return _STATUS.fullmatch(text.encode("utf-8", "replace")) is not None


def detail_of(status: str) -> int:
    """How much a status code says: 0 nothing (5.0.0), 1 the field (5.1.0), 2 the reason (5.1.1).

    RFC 3463 3.1: X.0.0 is "undefined". Whatever stands behind a zero subject says nothing either: some tools write numbers
    of their own there (5.0.910).
    """
    _, subject, detail = status.split(".")
    return 0 if int(subject) == 0 else 1 if int(detail) == 0 else 2


def _first_code(folded: bytes) -> int | None:
    """The reply code that the text begins with, else the first that stands where a quoted reply begins."""
    code = _CODES.get(folded[:3])
    if code is not None and folded[3:4] in b" -:#":
        return code
    for match in _THREE_DIGITS.finditer(folded):
        before = folded[max(0, match.start() - 8) : match.start()].rstrip(b" #")
        if before.endswith(_BEFORE_A_REPLY):
            return int(match.group())
    return None


def _most_telling(folded: bytes, status: str | None) -> str | None:
    """The first code in the words that gives a reason; gateways wrap the real reply into a vaguer one of their own."""
    first = _REASONS.get(folded[4:9])
    if first is not None and (status is None or status == first) and folded[9:10] in b" " and folded[3:4] in b" -":
        return first
    if status is not None and not is_status(status):
        status = None
    if b"." not in folded:
        return status
    if status is not None and detail_of(status) == 2 and status.encode() in folded:
        return status
    found = [code for middle in _SUBJECT.finditer(folded) if (code := _status_around(folded, middle.start()))]
    if status is not None:
        found.append(status)
    if len(found) <= 1:
        return found[0] if found else None
    return max(found, key=detail_of)  # max keeps the first of equals


def _status_around(folded: bytes, dot: int) -> str | None:
    """The code whose first dot stands at `dot`, unless it is a part of an IP address or of a version."""
    if dot >= 2 and folded[dot - 2] in b"0123456789.":
        return None
    match = _STATUS.match(folded, max(dot - 1, 0))
    return match.group().decode() if match else None


def _without_addresses(folded: bytes) -> bytes:
    """Every address a bare `@`. Only the tokens that hold one are looked at."""
    pieces: list[bytes] = []
    done = 0
    at = folded.find(b"@")
    while at >= 0:
        start = folded.rfind(b" ", done, at) + 1 or done
        end = folded.find(b" ", at)
        end = len(folded) if end < 0 else end
        pieces += folded[done:start], _ADDRESS.sub(b"@", folded[start:end])
        done = end
        at = folded.find(b"@", done)
    pieces.append(folded[done:])
    return b"".join(pieces)


def _without_continuations(folded: bytes, code: int) -> bytes:
    """RFC 5321 4.2.1: each line of a long reply repeats the code; unfolded, that stands in the middle of sentences."""
    if b"%d-" % code not in folded:
        return folded
    head, rest = folded[:4], folded[4:]
    return head + re.sub(rb"(?<!\d)%d[ \-](?:[245]\.\d{1,3}\.\d{1,3} ?)?" % code, b"", rest)

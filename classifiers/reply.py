"""Takes the words of an SMTP server apart: the codes that stand in them, and the form in which rules look at them.

Servers fold their replies over lines, repeat the code on each, quote addresses and write in many scripts. `Reply.folded` is
what is left of that: one line, lower case, without accents, every address a bare `@`, so that a rule says
`@ is not a known user` and an address such as spam@example.com is never taken for words. Everything here takes time in
proportion to the length of the text, which is cut at `DIAGNOSTIC_CHARACTERS_MAX`.

Nearly every reply is one line of ASCII that begins with its codes. That one takes a few lookups; the searches are for the rest.
What is looked for in bytes is a number or found by `find`: `in` first takes bytes for a number too, and fails slowly.
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from itertools import islice

import msgspec

from nullsender.limits import (
    DIAGNOSTIC_CHARACTERS_MAX,
    FOLDED_CHARACTERS_REMEMBERED_MAX,
    HEADS_REMEMBERED_MAX,
    STATUSES_REMEMBERED_MAX,
    STATUSES_TRIED_MAX,
)

#: A to Z in lower case, and every white space but the blank as a line's end.
_LOWER = bytes.maketrans(bytes(range(0x41, 0x5B)) + b"\t\v\f\r\x1c\x1d\x1e\x1f", bytes(range(0x61, 0x7B)) + b"\n" * 8)

_LINE_END, _AT = b"\n@"
#: Every digit as 0, so that "three digits" and "digit, dot, digit" are words that can be looked for.
_DIGITS = bytes.maketrans(b"123456789", b"0" * 9)

# RFC 5321 4.2: the codes of answers to a command that can fail, as they stand before everything else.
_CODES: Mapping[bytes, int] = {b"%d" % code: code for code in (*range(200, 300), *range(400, 600))}
# How each line but the last of a reply with this code begins.
_CONTINUED: Mapping[int, str] = {code: f"{code}-" for code in _CODES.values()}
# RFC 3463 2: class "." subject "." detail, those of five characters that give a reason.
_REASONS: Mapping[bytes, str] = {
    b"%d.%d.%d" % (kind, subject, detail): f"{kind}.{subject}.{detail}"
    for kind in (2, 4, 5) for subject in range(1, 10) for detail in range(1, 10)
}  # fmt: skip
_STATUS = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}(?!\d|\.\d)")
# No subject has two digits (RFC 3463 3, and the registry since): "4.92.3" is a version, and so is what follows a letter.
# The look-behinds stand behind two characters, because the engine is fast only where a pattern begins with a letter.
_STATUS_IN_WORDS = re.compile(rb"[245]\.(?<![a-z0-9.]..)(?<![a-z]-..)\d\.\d{1,3}(?!\d|\.\d)", re.DOTALL)
# Three digits where a reply begins, which is told by what stands before them.
_THREE_DIGITS = re.compile(rb"[245]\d\d(?=[ \-:#]|$)")
_BEFORE_A_REPLY = (b":", b";", b"'", b'"', b"(", b"[", b"=", b">", b"<<<", b"smtp", b"error")

# The look-behind starts each try at the head of a token, and what was taken is not given back: linear on any text.
_ADDRESS = re.compile(rb"<?(?<![^\s<>()\[\]\"',;:])[^\s<>()\[\]\"',;:@]*+@[^\s<>()\[\]\"',;:]*+>?")
_DOMAIN = re.compile(r"@([^\s<>()\[\]\"',;:@]+)")
_MARKS = re.compile(r"[\u0300-\u036f]")


class _Bare(dict[int, str]):
    """What each character is without accent and ornament, worked out when it first comes.

    Character by character, because normalising a text takes quadratic time where somebody piles up combining marks.
    """

    def __missing__(self, number: int) -> str:
        """NFKD without the marks of Latin, Greek and Cyrillic, put together again: those of other scripts make words."""
        bare = unicodedata.normalize("NFC", _MARKS.sub("", unicodedata.normalize("NFKD", chr(number))))
        if len(self) < FOLDED_CHARACTERS_REMEMBERED_MAX:
            self[number] = bare
        return bare


# Curly quotes and long dashes are the ones that rules are written with.
_BARE = _Bare(str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "-"}))


class Reply(msgspec.Struct, frozen=True, gc=False):
    """What a server said, ready for the rules; `status` is the most telling one of the text and of the report."""

    text: str
    folded: bytes  # UTF-8, because that is what is scanned
    status: str | None
    reply_code: int | None

    def domains(self) -> list[str]:
        """The domains of the addresses that stand in the text, in lower case."""
        return _DOMAIN.findall(self.text.lower()) if "@" in self.text else []


def read_reply(text: str | None, status: str | None = None, reply_code: int | None = None) -> Reply:
    """Take `text` apart; `status` and `reply_code` are what the report says beside it. Any text at all gives an answer."""
    words = text.strip() if text else ""
    if len(words) > DIAGNOSTIC_CHARACTERS_MAX:
        words = words[:DIAGNOSTIC_CHARACTERS_MAX].rstrip()
    if words.isascii():
        folded = words.encode().translate(_LOWER)
        if _LINE_END in folded or "  " in words:
            words = " ".join(words.split())
            folded = words.encode().translate(_LOWER)
    else:
        words = " ".join(words.split())
        folded = fold(words).encode("utf-8", "replace")
    code, telling = _head(folded[:10])
    code = reply_code or code or _code_inside(folded)
    if telling is None or (status is not None and status != telling):
        telling = _most_telling(folded, status)
    if code is not None and _CONTINUED.get(code, "\n") in words:
        folded = _without_continuations(folded, code)
    return Reply(words, _without_addresses(folded) if _AT in folded else folded, telling, code)


def fold(text: str) -> str:
    """Lower case, no accents, straight quotes, one line: how rules and replies meet."""
    folded = text.lower()
    if folded.isascii():
        return folded
    return " ".join(folded.translate(_BARE).split())


@lru_cache(maxsize=STATUSES_REMEMBERED_MAX)
def is_status(text: str) -> bool:
    """Whether `text` is an enhanced status code and nothing else."""
    return _STATUS.fullmatch(text.encode("utf-8", "replace")) is not None


@lru_cache(maxsize=STATUSES_REMEMBERED_MAX)
def detail_of(status: str) -> int:
    """How much a status code says: 0 nothing (5.0.0), 1 the field (5.1.0), 2 the reason (5.1.1).

    RFC 3463 3.1: X.0.0 is "undefined". Whatever stands behind a zero subject says nothing either: some tools write numbers
    of their own there (5.0.910).
    """
    _, subject, detail = status.split(".")
    return 0 if int(subject) == 0 else 1 if int(detail) == 0 else 2


@lru_cache(maxsize=HEADS_REMEMBERED_MAX)
def _head(head: bytes) -> tuple[int | None, str | None]:
    """The reply code with which a text begins, and the status that stands behind it, where that gives a reason."""
    code = _CODES.get(head[:3])
    if code is None or head[3:4] not in b" -:#":
        return None, None
    return code, _REASONS.get(head[4:9]) if head[3:4] in b" -" and head[9:] in b" " else None


def _code_inside(folded: bytes) -> int | None:
    """The first three digits that stand where a quoted reply begins."""
    if folded.translate(_DIGITS).find(b"000") < 0:
        return None
    for match in _THREE_DIGITS.finditer(folded):
        before = folded[max(0, match.start() - 8) : match.start()].rstrip(b" #")
        if before.endswith(_BEFORE_A_REPLY):
            return int(match.group())
    return None


def _most_telling(folded: bytes, status: str | None) -> str | None:
    """The first code in the words that gives a reason; gateways wrap the real reply into a vaguer one of their own."""
    if status is not None and not is_status(status):
        status = None
    if status is not None and detail_of(status) == 2 and folded.find(status.encode()) >= 0:
        return status
    best = None
    first = folded.translate(_DIGITS).find(b"0.0")
    found = _STATUS_IN_WORDS.finditer(folded, first) if first >= 0 else ()
    for match in islice(found, STATUSES_TRIED_MAX):
        code = match.group().decode()
        if best is None or detail_of(code) > detail_of(best):
            best = code
            if detail_of(code) == 2:
                break
    return status if best is None or (status is not None and detail_of(status) > detail_of(best)) else best


def _without_addresses(folded: bytes) -> bytes:
    """Every address a bare `@`. Only the tokens that hold one are looked at, and most are nothing but an address."""
    pieces: list[bytes] = []
    done = 0
    at = folded.find(b"@")
    while at >= 0:
        start = folded.rfind(b" ", done, at) + 1 or done
        pieces.append(folded[done:start])
        address = _ADDRESS.match(folded, start)
        if address:
            pieces.append(b"@")
            done = address.end()
        else:
            end = folded.find(b" ", at)
            done = len(folded) if end < 0 else end
            pieces.append(_ADDRESS.sub(b"@", folded[start:done]))
        at = folded.find(b"@", done)
    pieces.append(folded[done:])
    return b"".join(pieces)


def _without_continuations(folded: bytes, code: int) -> bytes:
    """RFC 5321 4.2.1: each line of a long reply repeats the code; unfolded, that stands in the middle of sentences."""
    head, rest = folded[:4], folded[4:]
    return head + re.sub(rb"(?<!\d)%d[ \-](?:[245]\.\d{1,3}\.\d{1,3} ?)?" % code, b"", rest)

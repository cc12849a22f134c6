"""Takes the words of an SMTP server apart: the codes that stand in them, and the form in which rules look at them.

Servers fold their replies over lines, repeat the code on each, quote addresses and write in many scripts. `Reply.folded` is
what is left of that: one line, lower case, without accents, every address a bare `@`, so that a rule says
`@ is not a known user` and an address such as spam@example.com is never taken for words. Everything here takes time in
proportion to the length of the text, which is cut at `DIAGNOSTIC_CHARACTERS_MAX`.
"""

import re
import unicodedata
from typing import NamedTuple

from nullsender.limits import DIAGNOSTIC_CHARACTERS_MAX

# RFC 3463 2: class "." subject "." detail. The search runs for the middle, which is rare; the rest is checked around it.
_SUBJECT = re.compile(r"\.\d{1,3}\.")
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?!\d|\.\d)")
# RFC 5321 4.2: three digits where a reply begins, which is told by what stands before them.
_THREE_DIGITS = re.compile(r"[245]\d\d(?=[ \-:#]|$)")
_BEFORE_A_REPLY = (":", ";", "'", '"', "(", "[", "=", ">", "<<<", "smtp", "error")
# The look-behind starts each try at the head of a token, and what was taken is not given back: linear on any text.
_ADDRESS = re.compile(r"<?(?<![^\s<>()\[\]\"',;:])[^\s<>()\[\]\"',;:@]*+@([^\s<>()\[\]\"',;:@]*+)[^\s<>()\[\]\"',;:]*+>?")
_MARKS = re.compile(r"[\u0300-\u036f]")
# Curly quotes and long dashes to the ones that rules are written with.
_PLAIN = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "-"})


class Reply(NamedTuple):
    """What a server said, ready for the rules; `status` is the most telling one of the text and of the report."""

    text: str
    folded: str
    status: str | None
    reply_code: int | None

    def domains(self) -> list[str]:
        """The domains of the addresses that stand in the text, in lower case."""
        words = (word for word in self.text.lower().split(" ") if "@" in word)
        return [domain for word in words for domain in _ADDRESS.findall(word) if domain]


def read_reply(text: str | None, status: str | None = None, reply_code: int | None = None) -> Reply:
    """Take `text` apart; `status` and `reply_code` are what the report says beside it. Any text at all gives an answer."""
    words = " ".join((text or "")[:DIAGNOSTIC_CHARACTERS_MAX].split())
    status = status if status and is_status(status) else None
    code = reply_code or _leading_code(words) or _code_inside(words)
    return Reply(words, _fold_reply(words, code), _most_telling(words, status), code)


def detail_of(status: str) -> int:
    """How much a status code says: 0 nothing (5.0.0), 1 the field (5.1.0), 2 the reason (5.1.1).

    RFC 3463 3.1: X.0.0 is "undefined". Whatever stands behind a zero subject says nothing either: some tools write numbers
    of their own there (5.0.910).
    """
    _, subject, detail = status.split(".")
    return 0 if int(subject) == 0 else 1 if int(detail) == 0 else 2


def is_status(text: str) -> bool:
    """Whether `text` is an enhanced status code and nothing else."""
    return _STATUS.fullmatch(text) is not None


def _most_telling(words: str, status: str | None) -> str | None:
    """The first code in the words that gives a reason; gateways wrap the real reply into a vaguer one of their own."""
    if status is not None and status in words and detail_of(status) == 2:
        return status
    found = [code for middle in _SUBJECT.finditer(words) if (code := _status_around(words, middle.start()))]
    if status is not None:
        found.append(status)
    if len(found) <= 1:
        return found[0] if found else None
    return max(found, key=detail_of)  # max keeps the first of equals


def _status_around(words: str, dot: int) -> str | None:
    """The code whose first dot stands at `dot`, unless it is a part of an IP address or of a version."""
    if dot >= 2 and words[dot - 2] in "0123456789.":
        return None
    match = _STATUS.match(words, max(dot - 1, 0))
    return match.group() if match else None


def _leading_code(words: str) -> int | None:
    head = words[:3]
    is_code = head.isdecimal() and head.isascii() and head[0] in "245" and words[3:4] in ("", " ", "-", ":", "#")
    return int(head) if is_code else None


def _code_inside(words: str) -> int | None:
    for match in _THREE_DIGITS.finditer(words):
        before = words[max(0, match.start() - 8) : match.start()].rstrip(" #").lower()
        if before.endswith(_BEFORE_A_REPLY):
            return int(match.group())
    return None


def fold(text: str) -> str:
    """Lower case, no accents, straight quotes, one line: how rules and replies meet."""
    folded = text.lower()
    if folded.isascii():
        return folded
    bare = _MARKS.sub("", unicodedata.normalize("NFKD", folded.translate(_PLAIN)))
    return " ".join(unicodedata.normalize("NFC", bare).split())


def _fold_reply(words: str, code: int | None) -> str:
    folded = fold(words)
    if code is not None and f"{code}-" in folded:
        folded = _without_continuations(folded, code)
    at = folded.find("@")
    while at >= 0:
        start = folded.rfind(" ", 0, at) + 1
        end = folded.find(" ", at)
        token = folded[start:] if end < 0 else folded[start:end]
        masked = _ADDRESS.sub("@", token)
        folded = folded[:start] + masked + folded[start + len(token) :]
        at = folded.find("@", start + len(masked))
    return folded


def _without_continuations(folded: str, code: int) -> str:
    """RFC 5321 4.2.1: each line of a long reply repeats the code; unfolded, that stands in the middle of sentences."""
    head, rest = folded[:4], folded[4:]
    return head + re.sub(rf"(?<!\d){code}[ \-](?:[245]\.\d{{1,3}}\.\d{{1,3}} ?)?", "", rest)

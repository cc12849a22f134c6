"""Postfix's and Sendmail's socketmap (socketmap_table(5)): netstrings that ask for a name's key, here a view's address.

question   25:marketing a@example.com,        MAP SP KEY in a netstring: its length in bytes, a colon, itself, a comma
answers    9:NOTFOUND ,                       nothing to say: the mail server's next rule decides
           …:OK 550 5.7.1 …,                  an action of access(5), for check_recipient_access
           …:TEMP …,                          nobody can tell: the mail waits
           …:PERM …,                          the operator has to change something: Postfix logs it, and the mail waits
"""

import re

from api.doors.said import Found, Garbage, Kind, Question, Said
from api.doors.words import smtp_reply
from nullsender.limits import SOCKETMAP_QUESTION_BYTES_MAX

_NO_LENGTH_YET = re.compile(rb"[1-9][0-9]{0,4}|")
_LENGTH = re.compile(rb"([1-9][0-9]{0,4}):")
_AROUND_BYTES_MAX = len("10000:,")
_ANSWERS = {Kind.ALLOWED: "NOTFOUND ", Kind.UNKNOWN: "TEMP ", Kind.REFUSED: "PERM "}


class Socketmap:
    """The grammar."""

    name = "socketmap"
    question_bytes_max = SOCKETMAP_QUESTION_BYTES_MAX + _AROUND_BYTES_MAX
    is_for_one_question = False

    def cut(self, held: bytes, start: int) -> tuple[Found, int] | None:
        """The question in the next netstring."""
        length = _LENGTH.match(held, start)
        if length is None:
            return None if _NO_LENGTH_YET.fullmatch(held, start) else _garbage(held)
        begin = length.end()
        end = begin + int(length[1])
        if end - begin > SOCKETMAP_QUESTION_BYTES_MAX:
            return Garbage(f"a question may have {SOCKETMAP_QUESTION_BYTES_MAX} bytes"), len(held)
        if len(held) <= end:
            return None
        if held[end] != ord(","):
            return _garbage(held)
        view, space, address = held[begin:end].decode("utf-8", "surrogateescape").partition(" ")
        found = Question(address, view) if space else Said(Kind.REFUSED, "a question is MAP, a space, and an address")
        return found, end + 1

    def answer(self, said: Said) -> bytes:
        """In a netstring."""
        if said.kind in (Kind.SUPPRESSED, Kind.INVALID):
            return _netstring(f"OK {smtp_reply(said)}")
        return _netstring(_ANSWERS[said.kind] + said.words)

    def last_words(self, reason: str, /) -> bytes:
        """What speaks no socketmap was connected here by mistake, and that does not mend itself."""
        return _netstring(f"PERM {reason}")


def _garbage(held: bytes) -> tuple[Found, int]:
    return Garbage("this is no netstring, and so no question of socketmap"), len(held)


def _netstring(text: str) -> bytes:
    return b"%d:%b," % (len(text), text.encode("ascii"))

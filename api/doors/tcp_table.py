"""Postfix's tcp_table (tcp_table(5)): one line asks for a key, here an address, and one line answers.

    question   get a@example.com
    answers    500 not listed                     nothing to say
               200 550%205.7.1%20…                an action of access(5), for check_recipient_access
               400 …                              nobody can tell, or the question is at fault: the mail waits

White space, `%` and what can not be printed are written as %XX, both ways. The view is the listener's: the wire names none.
"""

import re
from functools import lru_cache
from urllib.parse import quote, unquote

from api.doors.said import Found, Kind, Question, Said
from api.doors.words import smtp_reply
from nullsender.limits import TCP_TABLE_LINE_BYTES_MAX

_ASKING = b"get "
_GRAMMAR = "a question is get, a space, and an address with %XX for what is no plain character"
_NO_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_AS_THEY_ARE = "!\"#$&'()*+,/:;<=>?@[\\]^`{|}"  # beside letters, digits and -._~
_CODES = {Kind.ALLOWED: 500, Kind.SUPPRESSED: 200, Kind.INVALID: 200, Kind.UNKNOWN: 400, Kind.REFUSED: 400}


class TcpTable:
    """The grammar."""

    name = "tcp_table"
    question_bytes_max = TCP_TABLE_LINE_BYTES_MAX
    is_for_one_question = False

    def cut(self, held: bytes, start: int) -> tuple[Found, int] | None:
        """The question in the next line."""
        end = held.find(b"\n", start)
        if end < 0:
            return None
        line = held[start:end]
        if not line.startswith(_ASKING) or _NO_ESCAPE.search(line):
            return Said(Kind.REFUSED, _GRAMMAR), end + 1
        key = line[len(_ASKING) :].decode("utf-8", "surrogateescape")
        return Question(unquote(key, errors="surrogateescape")), end + 1

    def answer(self, said: Said) -> bytes:
        """One line."""
        if said.kind in (Kind.SUPPRESSED, Kind.INVALID):
            return _line(_CODES[said.kind], smtp_reply(said))
        return _line(_CODES[said.kind], said.words or "not listed")

    def last_words(self, reason: str, /) -> bytes:
        """The only error that there is."""
        return _line(400, reason)


@lru_cache(maxsize=64)  # the sentences are few, and writing them so takes longer than the lookup
def _line(code: int, text: str) -> bytes:
    return f"{code} {quote(text, safe=_AS_THEY_ARE)}\n".encode("ascii")

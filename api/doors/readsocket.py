"""One line asks, one line answers, and the connection is over: for Exim's `${readsocket…}`, and for whatever else can do that.

question   a@example.com                      ends with its line, or where the client closes its end (Exim does so)
           a@example.com marketing            with the word of a view
answers    OK
           SUPPRESSED …
           INVALID …                          the address is none
           ERR …                              nobody can tell, or the question is at fault: let the mail wait
"""

from api.doors.said import Found, Kind, Question, Said
from nullsender.limits import READSOCKET_LINE_BYTES_MAX

_ANSWERS = {
    Kind.ALLOWED: "OK",
    Kind.SUPPRESSED: "SUPPRESSED",
    Kind.INVALID: "INVALID",
    Kind.UNKNOWN: "ERR",
    Kind.REFUSED: "ERR",
}


class Readsocket:
    """The grammar."""

    name = "readsocket"
    question_bytes_max = READSOCKET_LINE_BYTES_MAX
    is_for_one_question = True

    def cut(self, held: bytes, start: int) -> tuple[Found, int] | None:
        """The question in the line."""
        end = held.find(b"\n", start)
        if end < 0:
            return None
        return _question(held[start:end].decode("utf-8", "surrogateescape").rstrip()), end + 1

    def answer(self, said: Said) -> bytes:
        """One line."""
        words = said.words if said.kind is not Kind.ALLOWED else ""
        return f"{_ANSWERS[said.kind]} {words}".rstrip().encode("ascii") + b"\n"

    def last_words(self, reason: str, /) -> bytes:
        """As an answer."""
        return f"ERR {reason}\n".encode("ascii")


def _question(line: str) -> Question:
    """What stands behind the first space of the domain is a view: a local part may have spaces, a domain has none."""
    local_part, at, rest = line.rpartition("@")
    domain, _, view = rest.partition(" ")
    return Question(local_part + at + domain, view.strip())

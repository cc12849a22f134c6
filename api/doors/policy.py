"""Postfix's policy delegation (SMTPD_POLICY_README): lines of attributes ask what to do with a recipient, one line answers.

    question   request=smtpd_access_policy        lines of NAME=VALUE in any order, then an empty one
               protocol_state=RCPT
               recipient=a@example.com
    answers    action=DUNNO                       nothing to say: the mail server's next rule decides
               action=550 5.7.1 …                 this recipient is refused, and no other
               action=PREPEND X-Nullsender: …     the mail goes, and is marked
               action=DEFER_IF_PERMIT 4.3.0 …     nobody can tell: the mail waits, unless it would be refused in any case

The view is named by `policy_context`, else it is that of `sasl_username`. Only at RCPT is anything said. An action for the
whole message (DISCARD, HOLD, …) would act on every recipient for the sake of one, and OK would pass by the rules that follow.
"""

from api.doors.said import Found, Garbage, Kind, Question, Said
from api.doors.words import smtp_reply
from nullsender.limits import POLICY_QUESTION_BYTES_MAX

HEADER = "X-Nullsender"
_END = b"\n\n"
_REQUEST = "smtpd_access_policy"
_NOTHING_TO_SAY = b"action=DUNNO\n\n"


class Policy:
    """The grammar."""

    name = "policy"
    question_bytes_max = POLICY_QUESTION_BYTES_MAX
    is_for_one_question = False

    def cut(self, held: bytes, start: int) -> tuple[Found, int] | None:
        """The question up to the next empty line."""
        end = held.find(_END, start)
        if held.startswith(b"\n", start):
            return Garbage("a question without attributes"), len(held)
        if end < 0:
            return None
        lines = held[start:end].decode("utf-8", "surrogateescape").split("\n")
        attributes = dict(line.partition("=")[::2] for line in lines)
        if attributes.get("request") != _REQUEST:
            return Garbage(f"this is no policy delegation: request={_REQUEST} is not there"), len(held)
        return _found(attributes), end + len(_END)

    def answer(self, said: Said) -> bytes:
        """One action."""
        if said.kind is Kind.ALLOWED:
            return _NOTHING_TO_SAY if said.mark is None else _action(f"PREPEND {HEADER}: {said.mark}")
        if said.kind in (Kind.SUPPRESSED, Kind.INVALID):
            return _action(smtp_reply(said))
        return _action(f"DEFER_IF_PERMIT {smtp_reply(said).partition(' ')[2]}")

    def last_words(self, _reason: str, /) -> bytes:
        """None: a server in trouble hangs up without a word, and Postfix asks again a second later."""
        return b""


def _found(attributes: dict[str, str]) -> Found:
    if attributes.get("protocol_state", "RCPT") != "RCPT":
        return _NOTHING_TO_SAY
    view, user = attributes.get("policy_context", ""), attributes.get("sasl_username", "")
    return Question(attributes.get("recipient", ""), view, user)


def _action(text: str) -> bytes:
    return f"action={text}\n\n".encode("ascii")

"""What goes through a door: a question on its way in, and what is said to it on the way out.

A door's grammar makes these of bytes and bytes of these. It knows nothing else of the system, and does nothing else.
"""

from enum import StrEnum
from typing import NamedTuple, Protocol

import msgspec

from suppression.policy import Cause


class Question(NamedTuple):
    """May mail go to this address? As the wire has it: nothing is checked yet."""

    address: str
    view: str = ""  # the word by which the wire names the view (`api/view.py`)
    user: str = ""  # who sends, where the protocol says it (sasl_username)


class Kind(StrEnum):
    """The kinds of answer; each protocol has a grammar for each of them."""

    ALLOWED = "allowed"  # nothing on the list stops this mail; a door has no opinion then
    SUPPRESSED = "suppressed"
    INVALID = "invalid"  # the address is none
    UNKNOWN = "unknown"  # nobody can tell now: come again
    REFUSED = "refused"  # the question is at fault: it names a view that is none, or one of another tenant


class Said(msgspec.Struct, frozen=True):
    """What is said to a question. `words` are for whoever reads the refusal: printable ASCII in one line, without a code."""

    kind: Kind
    words: str = ""
    cause: Cause | None = None
    scope: str | None = None
    mark: str | None = None  # ALLOWED all the same: what a door that can do so writes upon the mail


#: Nothing to say against it.
NO_OPINION = Said(Kind.ALLOWED)


class Garbage(NamedTuple):
    """What came in is not of this protocol, and what follows can not be made out either: last words, then hang up."""

    reason: str


#: What a grammar finds in what came in: a question, what is to be said to it without asking anybody, the bytes that answer what
#: is no question (none, where nothing answers it), or garbage.
Found = Question | Said | bytes | Garbage


class Grammar(Protocol):
    """A protocol of questions and answers. Pure: bytes and values, no socket and no clock. Each connection has its own."""

    @property
    def name(self) -> str:
        """How settings and metrics call the door."""
        ...

    @property
    def question_bytes_max(self) -> int:
        """The longest question, with all that the protocol puts around it."""
        ...

    @property
    def is_for_one_question(self) -> bool:
        """Whether the connection is over with the answer. Where the client closes its end first, that ends its line."""
        ...

    def cut(self, held: bytes, start: int) -> tuple[Found, int] | None:
        """What `held` says from `start` on, and where the next question begins; None: more has to come.

        Never raises, whatever `held` is.
        """
        ...

    def answer(self, said: Said) -> bytes:
        """`said` in this protocol."""
        ...

    def last_words(self, reason: str, /) -> bytes:
        """Before we hang up on somebody whom we can not answer. Nothing, where the protocol wants nothing said."""
        ...

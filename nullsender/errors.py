"""The three kinds of failure. The type of an exception says which it is; nobody guesses from its text.

    NullsenderError
    ├── Invalid        never will work: what came in is at fault. Keep the bytes, say why, go on.
    ├── Transient      may work later: ours or the world's trouble. Keep the offset, wait, try again; SMTP says 451, HTTP 503.
    └── Misconfigured  will not work until the operator changes something. Printed as a sentence, exit code 3.

Anything else that is raised is our bug: the process ends, and what it had not acknowledged is tried again.
"""


class NullsenderError(Exception):
    """What every failure that we foresaw derives from; `str()` of it is a sentence for a person."""


class Invalid(NullsenderError):
    """The input can never be dealt with as it is.

    `reason` is one sentence that says what was found and, where there is one, what to do about it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Transient(NullsenderError):
    """It did not work now and may work later; nothing was lost and nothing was half done."""


class Misconfigured(NullsenderError):
    """The operator has to change something; the text says what is wrong and what to do."""

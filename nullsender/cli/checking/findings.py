"""What `nullsender doctor` finds: sentences that say what is wrong and what to do, each with its weight."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from nullsender.config import Settings
from nullsender.errors import NullsenderError


class State(StrEnum):
    """How a check, or one finding of it, weighs."""

    OK = "ok"
    DOUBT = "doubt"  # worth a look, or it could not be checked
    WRONG = "wrong"  # somebody has to change something


class Finding(NamedTuple):
    """One sentence."""

    state: State
    text: str


def wrong(text: str) -> Finding:
    """Somebody has to change something."""
    return Finding(State.WRONG, text)


def doubt(text: str) -> Finding:
    """Worth a look; the system works, or may work, all the same."""
    return Finding(State.DOUBT, text)


#: Gives what it finds, nothing where all is well. Raises what stands in the way of looking.
Check = Callable[[Settings], Iterable[Finding]]


class Checked(NamedTuple):
    """One check and what came of it."""

    title: str
    findings: Sequence[Finding]

    @property
    def state(self) -> State:
        """As its gravest finding."""
        states = {finding.state for finding in self.findings}
        return next((state for state in (State.WRONG, State.DOUBT) if state in states), State.OK)


def checked(checks: Mapping[str, Check], settings: Settings) -> Iterator[Checked]:
    """Do them, one after the other."""
    for title, check in checks.items():
        yield Checked(title, _done(check, settings))


def _done(check: Check, settings: Settings) -> Sequence[Finding]:
    findings: list[Finding] = []
    try:
        findings.extend(check(settings))
    except NullsenderError as error:
        findings.append(wrong(str(error)))
    except OSError as error:
        findings.append(wrong(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"))
    return findings

"""What can go wrong, in three kinds; the class of an error says which.

    ApiError
    ├── Refused       never will work as it was asked: the key, the address, the parameters. Change the call.
    ├── Unavailable   may work later: nobody answers, or the API can not tell now, or you ask too quickly. Ask again.
    └── Failed        the server's own fault: a bug, a mistake in its installation, or no nullsender at all. Tell its operator.

An answer other than the one asked for is a problem (RFC 9457); its members are the error's. Nothing else is raised for what
happens on the network: the exceptions of httpx stay inside, as the causes of these.
"""

from collections.abc import Mapping
from http import HTTPStatus

import msgspec

_NOT_NAMED = "about:blank"  # RFC 9457 4.2.1: the type of a problem that is no more than its HTTP status
_WORDS_SHOWN_MAX = 200  # of an answer that is no problem: enough to see whose page it is
_LATER = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)


class ApiError(Exception):
    """What every error of the client derives from; `str()` of it is a sentence for a person."""

    def __init__(self, detail: str, *, title: str, type: str = _NOT_NAMED, status: int | None = None) -> None:
        super().__init__(f"{title}: {detail}")
        self.detail = detail
        """What happened this time, and what to do."""
        self.title = title
        """The kind of problem in words."""
        self.type = type
        """The kind of problem for programs (`urn:nullsender:problem:…`)."""
        self.status = status
        """The HTTP status; None where there was no answer."""

    @property
    def kind(self) -> str:
        """The last word of the type: `key-needed`, `invalid`, `unavailable`, …"""
        return self.type.rpartition(":")[2]


class Refused(ApiError):
    """It never will work as it was asked."""


class Unavailable(ApiError):
    """It did not work now and may work later."""

    retry_after_seconds: float = 0.0
    """How long the server wants to be left alone; 0 where it does not say."""


class Failed(ApiError):
    """The server is at fault, or it is not the one that it was taken for."""


class _Problem(msgspec.Struct):
    """RFC 9457 3: the members that are read."""

    type: str = _NOT_NAMED
    title: str = ""
    detail: str = ""


def error_of(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """The error that an answer with this status means. `headers` are asked for by lower-case names."""
    problem = _problem_in(body)
    title = problem.title or _phrase(status)
    detail = problem.detail or f"the server answered {status}: {body[:_WORDS_SHOWN_MAX].decode('utf-8', 'replace')}"
    if status in _LATER:
        later = Unavailable(detail, title=title, type=problem.type, status=status)
        later.retry_after_seconds = _seconds_in(headers.get("retry-after", ""))
        return later
    kind = Refused if 400 <= status < 500 else Failed
    return kind(detail, title=title, type=problem.type, status=status)


def unreachable(trouble: Exception) -> Unavailable:
    """Nobody answered, or not to the end."""
    return Unavailable(str(trouble) or type(trouble).__name__, title="Nullsender does not answer")


def not_understood(trouble: Exception | str) -> Failed:
    """An answer came that this API does not give."""
    return Failed(str(trouble), title="This is not the answer of a nullsender API")


def _problem_in(body: bytes) -> _Problem:
    try:
        return msgspec.json.decode(body, type=_Problem)
    except (msgspec.MsgspecError, ValueError):
        return _Problem()


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown status"


def _seconds_in(retry_after: str) -> float:
    """RFC 9110 10.2.3: seconds. The API writes no dates, and a proxy's would need its clock."""
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 10 else 0.0

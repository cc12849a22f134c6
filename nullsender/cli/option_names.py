"""What the core calls an option is what the API calls it: `cause`. At the command line it is `--cause`."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from nullsender.errors import Invalid

_NAMES: Final = (
    "cause", "domain", "ended", "format", "from", "gzip", "list", "purpose", "recipient", "scope", "stream", "tenant", "to",
)  # fmt: skip
_NAMED = re.compile(f"`({'|'.join(_NAMES)})`")


def as_options(text: str) -> str:
    """The sentence with every option as it is typed."""
    return _NAMED.sub(r"`--\1`", text)


@contextmanager
def named_as_options() -> Iterator[None]:
    """What is `Invalid` within says how it is mended at the command line."""
    try:
        yield
    except Invalid as invalid:
        raise Invalid(as_options(invalid.reason)) from invalid

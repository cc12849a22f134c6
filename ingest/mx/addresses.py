"""The addresses of MAIL and RCPT, taken apart in linear time whatever stands there.

More is accepted than RFC 5321 4.1.2 allows (no brackets, a space after the colon, odd dots, UTF-8 without SMTPUTF8), because
the report behind such an address counts more than its grammar; what can not be an address at all is `Invalid`.
"""

import re
from typing import NamedTuple

from nullsender.errors import Invalid
from nullsender.limits import ADDRESS_CHARACTERS_MAX

# RFC 5321 4.1.2: Local-part is a dot-string or quoted; the domain is a name or an address literal. A source route (Appendix C)
# is read over. The possessive repeats (`*+`) never go back, so the time is linear.
_LOCAL = r'(?:"(?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*+"|[^\s"(),:;<>@\[\\\]\x00-\x1f\x7f]++)'
_DOMAIN = r"(?:\[[0-9A-Za-z:.\-]++\]|[0-9A-Za-z_.\-\u0080-\U0010ffff]++)"
_MAILBOX = re.compile(rf"{_LOCAL}(?:@{_DOMAIN})?+")
_BRACKETED = re.compile(rf"<(?:@[^:<>\s]++:)?+(?P<mailbox>{_LOCAL}(?:@{_DOMAIN})?+)?+>")
_PARAMETER_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]*+")  # RFC 5321 4.1.2: esmtp-keyword
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")


class Path(NamedTuple):
    """What stands in MAIL or RCPT: the address without brackets (`""` is the null sender) and the parameters behind it."""

    address: str
    parameters: dict[str, str | None]


def parse_path(text: str) -> Path:
    """`text` is what follows `FROM:` or `TO:`. Raises `Invalid` where it is not an address, then parameters.

    Parameter names are upper-cased; one without `=` has the value None.
    """
    text = text.strip(" ")
    match = _BRACKETED.match(text) or _MAILBOX.match(text)
    if match is None:
        raise Invalid("there is no address")
    address = match["mailbox"] or "" if match.re is _BRACKETED else match[0]
    rest = text[match.end() :]
    if rest[:1] not in ("", " "):
        raise Invalid("something stands right behind the address")
    if len(address) > ADDRESS_CHARACTERS_MAX:
        raise Invalid("the address is too long")
    if _LONE_SURROGATE.search(address):
        raise Invalid("the address is not UTF-8")
    return Path(address, dict(map(_parameter, rest.split())))


def _parameter(word: str) -> tuple[str, str | None]:
    name, equals, value = word.partition("=")
    if not _PARAMETER_NAME.fullmatch(name):
        raise Invalid("what follows the address is no parameter")
    return name.upper(), value if equals else None

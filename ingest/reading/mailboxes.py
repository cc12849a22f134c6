"""Addresses in fields: the mailboxes of From and To (RFC 5322 3.4), and the address in a field of a report (RFC 3464 2.1.2).

What stands between quotes or in brackets is a name, whatever it looks like: `"victim@example.com" <writer@example.org>` was
written by writer@example.org. Whoever is named wrongly here is suppressed in another's place.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from ingest.reading.headers import Headers
from ingest.reading.mentions import is_address, is_domain, mentions_in
from nullsender.limits import ADDRESS_CHARACTERS_MAX, FIELD_TOKENS_MAX, FIELDS_OF_A_NAME_MAX


class Mailbox(NamedTuple):
    """An address of a field, and whether it stood in angle brackets."""

    address: str
    in_brackets: bool


_QUOTED = r'"(?:[^"\\]|\\.)*+"'
_DOMAIN = r"@(?:[^\s<>()\[\],;:\"@]++|\[[\w.:-]{3,60}\])"
# What a field is made of; what is none of it stands alone, such as a quote that never ends. Nothing is tried twice.
_TOKEN = re.compile(
    rf"(?P<bare>{_QUOTED}{_DOMAIN})|(?P<name>{_QUOTED})|(?P<brackets><\s*+(?:{_QUOTED})?[^<>\"]*+>?)|(?P<ends>[,;])"
    r"|(?P<words>[^\"<>(),;]++)",
    re.DOTALL,
)
# RFC 5322 4.4 obs-route: <@hop.example,@hop2.example:user@example.org>.
_ROUTE = re.compile(r"@[^\":]*:")


def mailboxes_in(value: str) -> Iterable[Mailbox]:
    """The mailboxes of a field such as To, in order. Of one that has angle brackets, what stands beside them is a name."""
    if usual := _USUAL.fullmatch(value):
        return (Mailbox(usual.group(1), True),) if _is_mailbox(usual.group(1)) else ()
    return _mailboxes_in_tokens(value)


# Anna Miller <anna@example.org>: most fields are no more than that, and need not be taken into tokens.
_USUAL = re.compile(r"[^\"<>(),;@]*+<([^\s\"<>()\[\],;:@]++@[^\s\"<>()\[\],;:@]++)>")


def _mailboxes_in_tokens(value: str) -> Iterator[Mailbox]:
    bracketed: list[str] = []
    bare: list[str] = []
    for kind, text in (*islice(_tokens(value), FIELD_TOKENS_MAX), ("ends", "")):
        if kind == "brackets":
            bracketed.append(_ROUTE.sub("", text.strip("<> \t"), count=1))
        elif kind == "bare":
            bare.append(text)
        elif kind == "words":
            bare.extend(mention.address for mention in mentions_in(text))
        elif kind == "ends":
            yield from (Mailbox(text, bool(bracketed)) for text in bracketed or bare if _is_mailbox(text))
            bracketed, bare = [], []


def mailboxes_of(headers: Headers, *names: str) -> Iterator[str]:
    """The addresses of the fields `names` (lower case); each should stand there once (RFC 5322 3.6), and few are read."""
    for name in names:
        for value in headers.all(name)[:FIELDS_OF_A_NAME_MAX]:
            yield from (mailbox.address for mailbox in mailboxes_in(value))


def _is_mailbox(text: str) -> bool:
    return is_address(text) and is_domain(text.rpartition("@")[2])


def mailbox_in(value: str) -> str | None:
    """The one mailbox of a field such as From: what is in angle brackets, else the bare address; None where that is not one."""
    mailboxes = list(mailboxes_in(value))
    surest = [mailbox for mailbox in mailboxes if mailbox.in_brackets] or mailboxes
    different = {mailbox.address.lower(): mailbox.address for mailbox in surest}
    return next(iter(different.values())) if len(different) == 1 else None


def _tokens(value: str) -> Iterator[tuple[str, str]]:
    """The tokens of a field without its comments. What never ends is left out, and so are quotes or brackets behind it."""
    position = 0
    quotes_end = comments_end = True
    while position < len(value):
        character = value[position]
        if character == "(" and comments_end:
            end = _end_of_comment(value, position)
            comments_end = end is not None
            position = end or position + 1
            continue
        token = _TOKEN.match(value, position) if character != '"' or quotes_end else None
        if token is None:
            quotes_end = quotes_end and character != '"'
            position += 1
            continue
        yield token.lastgroup or "", token.group()
        position = token.end()


_IN_COMMENT = re.compile(r"[()]|\\.", re.DOTALL)


def _end_of_comment(value: str, position: int) -> int | None:
    """Where the comment ends that begins at `position` (RFC 5322 3.2.2: they nest); None where it does not."""
    depth = 0
    for match in _IN_COMMENT.finditer(value, position):
        depth += {"(": 1, ")": -1}.get(match.group(), 0)
        if depth == 0:
            return match.end()
    return None


# RFC 3464 2.1.2: address-type ";" generic-address.
_TYPE = re.compile(r"^\s{0,20}([\w.+-]{1,40})\s{0,20};\s{0,20}")
# RFC 6533 section 3: utf-8-addr-xtext writes what is not ASCII as \x{20AC}.
_UTF8_XTEXT = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")


def address_in_field(value: str) -> str:
    """The address in a field such as `Final-Recipient: rfc822; <user@example.org>`; as it stands where it is none."""
    typed = _TYPE.match(value)
    text = value[typed.end() :] if typed else value
    if typed and typed.group(1).lower() == "utf-8":
        text = _UTF8_XTEXT.sub(_character, text)
    text = text.strip()
    if text[:1] in "'\"`" and text[-1:] == text[:1]:
        text = text[1:-1].strip()
    if text.startswith("<"):
        text = text[1:].partition(">")[0].strip()
    if is_address(text):
        return _bare(text)
    named = list(mailboxes_in(text[: 4 * ADDRESS_CHARACTERS_MAX]))
    first = next((mailbox for mailbox in named if mailbox.in_brackets), named[0] if named else None)
    return _bare(first.address) if first else text[:ADDRESS_CHARACTERS_MAX]


def _bare(address: str) -> str:
    """The address without what some put around it: `mailto:`, `smtp:` or a source route before it, the root's dot behind it."""
    local, _, domain = address.rpartition("@")
    if ":" in local and not local.startswith('"'):  # RFC 5322 3.2.3: no colon outside of quotes
        local = local.rpartition(":")[2]
        address = f"{local}@{domain}" if local else address
    return address.removesuffix(".")


def _character(match: re.Match[str]) -> str:
    point = int(match.group(1), 16)
    return chr(point) if point < 0x110000 and not 0xD800 <= point < 0xE000 else match.group()

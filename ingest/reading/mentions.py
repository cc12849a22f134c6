"""Addresses that are mentioned in the middle of words; those in fields are `mailboxes.py`'s.

We look at every `@` and take what may belong to it on both sides, which is linear whatever the text.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from nullsender.limits import ADDRESS_CHARACTERS_MAX, ADDRESSES_TRIED_MAX

# Scripts that put no space between words would glue a sentence to the address in it: 宛先user@example.orgは. So letters of
# Chinese, Japanese and Korean belong to an address only where it begins or ends with them altogether.
_GLUE = "\u3000-\u9fff\uac00-\ud7af\uff00-\uffef"
_LETTER, _ANY_LETTER = rf"[^\W{_GLUE}]", r"\w"
# RFC 5322 3.2.3 atext and the dot (RFC 6532 3.2 adds letters); matched on the reversed text, from the @ to the left.
_LOCALS_REVERSED = tuple(re.compile(rf"(?:{letter}|[.!#$%&'*+/=?^`{{|}}~-]){{1,128}}") for letter in (_LETTER, _ANY_LETTER))
_DOMAINS = tuple(
    re.compile(rf"(?:(?:{letter}|-){{1,63}}\.){{0,10}}(?:{letter}|-){{1,63}}|\[[\w.:]{{3,60}}\]")
    for letter in (_LETTER, _ANY_LETTER)
)


class Mention(NamedTuple):
    """An address and where it stands in the text."""

    address: str
    start: int
    end: int


def mentions_in(text: str) -> Iterator[Mention]:
    """Every address in `text`, in order. One written `<a@b>` is given without its brackets."""
    position = -1
    for _ in range(ADDRESSES_TRIED_MAX):
        position = text.find("@", position + 1)
        if position < 0:
            return
        mention = _around(text, position)
        if mention is not None:
            yield mention
            position = max(position, mention.end - 1)


def _around(text: str, at: int) -> Mention | None:
    """The address whose `@` stands at `at`, or None where there is none around it."""
    domains = (domain.match(text, at + 1) for domain in _DOMAINS)
    domain = next((match for match in domains if match and is_domain(match.group())), None)
    if domain is None:
        return None
    start = _start_of_local_part(text, at)
    if start == at:
        return None
    return Mention(text[start : domain.end()], start, domain.end())


def _start_of_local_part(text: str, at: int) -> int:
    """Where the local part before the `@` at `at` begins; `at` itself where there is none."""
    if text[at - 1 : at] == '"':  # RFC 5321 4.1.2: "joe smith"@example.org
        opening = text.rfind('"', max(0, at - 66), at - 1)
        return opening if opening >= 0 else at
    reversed_left = text[max(0, at - 128) : at][::-1]
    match = next(filter(None, (local.match(reversed_left) for local in _LOCALS_REVERSED)), None)
    if match is None:
        return at
    return at - len(match.group()[::-1].lstrip("'.*=`|"))


def is_domain(domain: str) -> bool:
    """Whether it may be a domain: at least two labels, the last not a number; or an address literal."""
    last = domain.rpartition(".")[2]
    return domain.startswith("[") or ("." in domain and not last.isdigit() and len(last) > 1)


def is_address(text: str) -> bool:
    """Whether `text` as a whole looks like an address: something, an @, a domain; space and brackets only between quotes."""
    local, at, domain = text.rpartition("@")
    plain = domain if _QUOTED_LOCAL.fullmatch(local) else text
    return bool(at and local and domain) and len(text) <= ADDRESS_CHARACTERS_MAX and _NOT_IN_ADDRESS.search(plain) is None


_NOT_IN_ADDRESS = re.compile(r"[\s<>()\[\],;\x00-\x1f\x7f]")
# RFC 5321 4.1.2 Quoted-string.
_QUOTED_LOCAL = re.compile(r'"(?:[^\x00-\x1f\x7f"\\]|\\[\x20-\x7e])++"')

"""Addresses that are mentioned in the middle of words; those in fields are `mailboxes.py`'s.

We look at every `@` and take what may belong to it on both sides, which is linear whatever the text.
"""

import re
from collections.abc import Iterable
from string import ascii_letters, digits
from typing import NamedTuple

from nullsender.limits import ADDRESS_CHARACTERS_MAX, ADDRESSES_TRIED_MAX

_ADDED = r".!#$%&'*+/=?^`{|}~-"  # RFC 5322 3.2.3: what atext and the dot add to letters and digits
# Scripts that put no space between words would glue a sentence to the address in it: 宛先user@example.orgは. So letters of
# Chinese, Japanese and Korean belong to an address only where it begins or ends with them altogether.
_LETTER = "[^\\W\u3000-\u9fff\uac00-\ud7af\uff00-\uffef]"


_LABELS_MAX = 11


class _Form(NamedTuple):
    """How the two sides of an address look; the local part is matched on the reversed text, from the @ to the left."""

    local_reversed: re.Pattern[str]
    domain: re.Pattern[str]

    def local_before(self, left: str) -> str:
        """The local part that `left` ends with, or `""`."""
        match = self.local_reversed.match(left[::-1])
        return match.group()[::-1] if match is not None else ""


def _form(letter: str) -> _Form:
    """The form of addresses whose letters are `letter`."""
    label = rf"(?:{letter}|-){{1,63}}"
    return _Form(
        local_reversed=re.compile(rf"(?:{letter}|[{_ADDED}]){{1,128}}"),
        domain=re.compile(rf"(?:{label}\.){{0,{_LABELS_MAX - 1}}}{label}|\[[\w.:]{{3,60}}\]"),
    )


_ASCII_FORM = _form("[A-Za-z0-9_]")
_ASCII_FORMS = (_ASCII_FORM,)
_FORMS = (_form(_LETTER), _form(r"\w"))  # RFC 6532 3.2 has more letters than ASCII's
# A domain as nearly all are: no longer than one label may be, so that only its dots are to be looked at.
_USUAL_DOMAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,62}+(?![A-Za-z0-9_.-])")
_ATEXT = f"{ascii_letters}{digits}_{_ADDED}"
_NOT_FIRST = "'.*=`|"  # what is in front of an address rather than its first letter


class Mention(NamedTuple):
    """An address and where it stands in the text."""

    address: str
    start: int
    end: int


def mentions_in(text: str) -> list[Mention]:
    """Every address in `text`, in order. One written `<a@b>` is given without its brackets."""
    mentions: list[Mention] = []
    at = text.find("@")
    if at < 0:
        return mentions
    forms = _ASCII_FORMS if text.isascii() else _FORMS
    for _ in range(ADDRESSES_TRIED_MAX):
        mention = _around(text, at, forms)
        if mention is not None:
            mentions.append(mention)
            at = mention.end - 1
        at = text.find("@", at + 1)
        if at < 0:
            break
    return mentions


def _around(text: str, at: int, forms: Iterable[_Form]) -> Mention | None:
    """The address whose `@` stands at `at`, or None where there is none around it."""
    for form in forms:
        end = _end_of_domain(text, at + 1, form)
        if is_domain(text[at + 1 : end]):
            start = _start_of_local_part(text, at, forms)
            return Mention(text[start:end], start, end) if start < at else None
    return None


def _end_of_domain(text: str, begins: int, form: _Form) -> int:
    """Where the domain ends that begins there; the same place where none does."""
    usual = _USUAL_DOMAIN.match(text, begins) if form is _ASCII_FORM else None
    if usual is not None:
        domain = usual.group().rstrip(".")
        if ".." not in domain and domain.count(".") < _LABELS_MAX:
            return begins + len(domain)
    match = form.domain.match(text, begins)
    return match.end() if match is not None else begins


def _start_of_local_part(text: str, at: int, forms: Iterable[_Form]) -> int:
    """Where the local part before the `@` at `at` begins; `at` itself where there is none."""
    if text[at - 1 : at] == '"':  # RFC 5321 4.1.2: "joe smith"@example.org
        opening = text.rfind('"', max(0, at - 66), at - 1)
        return opening if opening >= 0 else at
    left = text[max(0, at - 128) : at]
    for form in forms:
        local = left[len(left.rstrip(_ATEXT)) :] if form is _ASCII_FORM else form.local_before(left)
        if local:
            local = local.lstrip(_NOT_FIRST)
            return at - len(_X400_PREFIX.sub("", local) if "=" in local else local)
    return at


# Exchange 5.5 writes the X.400 form of an address: SMTP=user@example.org;
_X400_PREFIX = re.compile(r"^smtp=(?=.)", re.IGNORECASE)


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

"""The two codes of a delivery: the SMTP reply code (RFC 5321 4.2) and the enhanced status code (RFC 3463).

They stand in fields of their own, in front of a reply, and in the middle of sentences. These functions find them there and
pass by what only looks alike: parts of IP addresses, versions, dates, sizes and queue names.
"""

import re

# RFC 3463 section 2: class "." subject "." detail; only the classes 2, 4 and 5 exist.
# 192.0.2.5.1.1, v5.1.1 and exim-4.9.1 are none, 550-5.1.1 and (#5.1.1) are. What stands before a code is looked at behind its
# first two letters, because the regex engine is fast only where a pattern begins with a letter.
_STATUS = re.compile(r"[245]\.(?<![\w.\[]..)(?<![A-Za-z]-..)\d{1,3}\.\d{1,3}(?!\w|\.\d|-\d)", re.DOTALL)

_CODE = r"([45][0-5]\d)"
# What follows a code; "550.5", "450-900" (a range), "450 kB" and "450 bytes" are none, "550-192.0.2.1 is listed"
# is one, a group of an IPv6 address is none.
_AFTER = (
    r"(?=[\s\-:;,.)\]<>#'\"]|$)(?!\.\d)(?!-\d{1,5}(?![\d.]))(?!:[0-9A-Fa-f]{0,4}:)(?!\s?[kKMG]?[bB]\b)"
    r"(?!\s(?:bytes|hours?|days?|minutes?|seconds?|times|users|messages)\b)"
)
_REPLY_AT_START = re.compile(rf"^[\s<>:;,'\"(\[]{{0,8}}{_CODE}{_AFTER}")
_SUCCESS = re.compile(r"^2[0-5]\d(?=[ -])")  # what a success DSN quotes; elsewhere it is no code but a number
# Within a sentence a code stands before a status code, behind a colon or a bracket, or behind a word that announces it.
_REPLY = re.compile(
    rf"[45][0-5]\d(?<!\w...)(?:(?P<status>[ -]{{1,2}}#?[245]\.\d{{1,3}}\.\d{{1,3}}(?!\w|\.\d))|{_AFTER})", re.DOTALL
)
_ANNOUNCED = re.compile(
    r"(?:[:\]>;]|<--|\b(?:said|replied|response|responded|returned|error|code|was|is|with|status|reason|reply|smtp)\b)"
    r"[\s:;<'\"(\[#]{0,6}\Z",
    re.IGNORECASE,
)
_ANNOUNCEMENT_CHARACTERS_MAX = 18
_REPLY_LINE = re.compile(r"\n[ \t<>=:]{0,12}[45][0-5]\d(?:[ \t\n-]|\Z)")


def status_code_in(text: str) -> str | None:
    """The first enhanced status code in `text`, as `5.1.1`, or None."""
    match = _STATUS.search(text)
    return match.group() if match else None


def reply_code_in(text: str) -> int | None:
    """The first SMTP reply code in `text` that stands where a reply may begin, or None."""
    first = _REPLY_AT_START.match(text)
    if first is not None:
        return int(first.group(1))
    if success := _SUCCESS.match(text):
        return int(success.group())
    for match in _REPLY.finditer(text):
        begins = match.start()
        if match["status"]:
            is_reply = text[begins - 1 : begins] != "."
        else:
            is_reply = _ANNOUNCED.search(text[max(0, begins - _ANNOUNCEMENT_CHARACTERS_MAX) : begins]) is not None
        if is_reply:
            return int(text[begins : begins + 3])
    return None


def has_reply_line(text: str) -> bool:
    """Whether a line of `text` is a negative SMTP reply."""
    return _REPLY_LINE.search("\n" + text) is not None

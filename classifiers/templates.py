"""What replies of one kind have in common: the reply with a sign in the place of whatever is another's in each of them.

A server that has an answer of its own gives it a million times, each time with another address, queue id and time in it. The
template is always the same, so a million replies are one line for the person who is to write a rule. Two kinds that fall
together are told apart by their examples, but one kind that falls into thousands hides everything else: in doubt a sign is put.
Pure, and in time linear in the text.
"""

import re

from classifiers.reply import read_reply
from nullsender.limits import TEMPLATE_CHARACTERS_MAX, TEMPLATE_WORD_CHARACTERS_MAX

#: Every sign, and what is written for it where an example is made of a template: nobody's (RFC 2606, RFC 5737, RFC 3849).
SIGNS = {
    "<address>": "<somebody@example.com>",
    "<user>": "somebody",
    "<host>": "mx.example.com",
    "<ip>": "192.0.2.1",
    "<ip6>": "2001:db8::1",
    "<url>": "https://example.com/help",
    "<date>": "1 Jan 2026 12:00:00",
    "<number>": "12345",
    "<id>": "4f2a9c81d0",
}

_MORE = " …"
_TIME = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,6})?)?"
_ZONE = r"(?:\ ?(?:[+-]\d{4}\b|\([a-z]{1,5}\)|utc\b|gmt\b|z\b)){0,2}"
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}+"
# A folded reply is in lower case. Each alternative begins where a token does and is either of bounded length or gives nothing
# back of what it took, so the search goes over the text once.
_VARIABLE = re.compile(
    rf"""
    (?P<url>\b[a-z]{{2,10}}://[^\s<>"'()\[\]]*+)
    | (?P<address>@)
    | (?P<date>
        \b(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{{0,6}}+,?\ )?
        (?:\d{{1,2}}[ -]{_MONTH}(?:[ -]\d{{2,4}}\b)?|{_MONTH}\ {{1,2}}\d{{1,2}}\b(?!:)(?:,?\ \d{{4}}\b)?)
        (?:,?\ {_TIME}{_ZONE})?(?:\ \d{{4}}\b)?
        | \b\d{{4}}[-/]\d{{2}}[-/]\d{{2}}(?:[t ]{_TIME}{_ZONE})?
        | \b{_TIME}(?:\ ?[ap]m\b)?{_ZONE}
      )
    | (?P<ip6>(?<![\w:])(?:[0-9a-f]{{0,4}}:){{2,7}}[0-9a-f]{{0,4}}(?![\w:]))
    | (?P<token>(?:[a-z0-9_.+/~$%-]|(?<=\d),(?=\d))++)
    """,
    re.VERBOSE,
)
# The codes of a reply say something. Three digits are one where a reply may begin, elsewhere they are hours or bytes.
_STATUS = re.compile(r"(?:[245]\d\d-)?[245]\.\d{1,3}\.\d{1,3}")
_REPLY_CODE = re.compile(r"[245]\d\d")
_BEFORE_A_REPLY = frozenset(("", *":;([#'\""))
_IP = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_HOST = re.compile(r"(?:[a-z0-9_-]++\.)+[a-z]{2,24}")
_NUMBER = re.compile(r"\d++(?:[.,/]\d++)*+(?:[kmg]?b|[smhd%])?")
# Where words of the server itself begin or end: at a sign, at a code, and at what the MTA that reports puts around them.
_BETWEEN = re.compile(
    "|".join(map(re.escape, (*SIGNS, _MORE)))
    + r"|\b[245]\d\d\b(?:[ -][245]\.\d{1,3}\.\d{1,3}\b)?|\b[245]\.\d{1,3}\.\d{1,3}\b"
    + r"|\b(?:remote host |server )?said\b|\bin reply to [a-z ]{1,30} command\b|\bsmtp error from remote [a-z ]{1,60}:"
    + r"|\bconversation with\b|\bwhile sending [a-z ]{1,20}\b|\bafter (?:rcpt to|mail from|end of data)\b"
)
_REPEATED = re.compile(r"(<[a-z0-9]+>)(?:[ ,;:/]{1,2}\1)+")


def template_of(text: str, recipient: str | None = None) -> str:
    """The template of `text`, one folded line of at most TEMPLATE_CHARACTERS_MAX characters; "" where there are no words.

    `recipient`, whom the reply is about, is a sign too where the text calls that person without the domain.
    """
    folded = read_reply(text).folded.decode("utf-8", "replace")
    user = recipient.lower().rpartition("@")[0] if recipient else ""
    signed = _VARIABLE.sub(lambda found: _sign(found, user), folded)
    template = _REPEATED.sub(r"\1", signed)
    if len(template) <= TEMPLATE_CHARACTERS_MAX:
        return template
    beginning = template[: TEMPLATE_CHARACTERS_MAX - len(_MORE)]
    return (beginning.rpartition(" ")[0] or beginning) + _MORE


def example_of(template: str) -> str:
    """A reply of that template which names nobody."""
    for sign, instead in SIGNS.items():
        template = template.replace(sign, instead)
    return template.removesuffix(_MORE)


def constant_words(template: str) -> str:
    """What a rule may look for: the longest stretch of the server's own words that is the same in each reply."""
    return max((stretch.strip(" <>()[]\"',;:.-#") for stretch in _BETWEEN.split(template)), key=len)


def _sign(found: re.Match[str], user: str) -> str:
    kind = found.lastgroup
    if kind != "token":
        return f"<{kind}>"
    token = found.group()
    word = token.strip("._+/~$%-")
    if not word:
        return token
    if _REPLY_CODE.fullmatch(word) and found.string[max(0, found.start() - 2) : found.start()].strip()[-1:] in _BEFORE_A_REPLY:
        return token
    head, _, tail = token.partition(word)
    return head + _sign_of_word(word, user) + tail


def _sign_of_word(word: str, user: str) -> str:
    if word == user:
        return "<user>"
    if _STATUS.fullmatch(word):
        return word
    if _IP.fullmatch(word):
        return "<ip>"
    if _HOST.fullmatch(word):
        return "<host>"
    if _NUMBER.fullmatch(word):
        return "<number>"
    has_digit = any(map(str.isdigit, word))
    if len(word) > TEMPLATE_WORD_CHARACTERS_MAX or (has_digit and len(word) > len("ipv6")):
        return "<id>"
    return word

"""How the words of a notice name the recipients that failed.

qmail, Exim, old Sendmail, Exchange, Domino, gateways and providers all write their own prose, but there are only four ways in
which prose names a failed recipient, here with the surest first:

    listed      the address begins the line            <user@example.org>:            user@example.org on Wed, 15 Feb
    commanded   it stands in a RCPT TO of a dialogue   >>> RCPT TO:<user@example.org>
    labelled    a word and a colon announce it         Unknown user: user@example.org
    told        a sentence says "to" or "for" it       your message to user@example.org could not be delivered

The surest way that a notice uses counts. What else it names are senders, postmasters and the addresses inside quoted replies.
"""

import re
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple

from ingest.mentions import Mention, mentions_in
from ingest.notice_words import Notice


class Way(IntEnum):
    """How a notice names an address; higher ones are surer to mean a failed recipient."""

    PASSING = 1
    TOLD = 2
    LABELLED = 3
    COMMANDED = 4
    LISTED = 5


class Naming(NamedTuple):
    """An address in a notice: where it stands and how it is named."""

    address: str
    line: int
    start: int
    end: int
    way: Way

    @property
    def is_listed(self) -> bool:
        """Whether the line is the address's own."""
        return self.way is Way.LISTED


def namings_in(notice: Notice) -> list[Naming]:
    """Every address that the notice names and that may be a failed recipient, in order."""
    namings: list[Naming] = []
    for number, line in enumerate(notice.lines):
        if "@" in line:
            namings.extend(_namings_in_line(notice.lines, number))
    return [_as_we_wrote_it(naming, notice.lines) for naming in namings]


def _namings_in_line(lines: Sequence[str], number: int) -> Iterator[Naming]:
    for mention in mentions_in(lines[number]):
        way = _way(lines[number], mention)
        if way is Way.LISTED and _continues(lines, number):
            way = Way.PASSING
        if way is not None:
            yield Naming(mention.address, number, mention.start, mention.end, way)


# What may stand between the beginning of a line and an address that it lists: brackets, quotes, bullets, dashes.
_BULLET = " \t<>\"'`([{*|=\u2022\u00b7\u2013\u2014\uff1c\u300a#-"
_RCPT_TO = re.compile(r"rcpt\s?to\s?:?\s?<?$", re.IGNORECASE)
# Behind these stands a sender, a helper or a command, never a failed recipient.
_NOT_RECIPIENT = re.compile(
    r"(?:mail\s?from|\bfrom|\bsender|\bcc|\bby|\bvia|\bcontact\w{0,5}|reply-to|return-path|\bhelo|\behlo|message-id|\bid|\bsubject|\bvon"
    r"|\bde|\bdi|\bod)[\s:=<\"'(]{0,6}$"
    r"|(?:please|contact|write|e-?mail us|help|assistance|support|questions?|administrator|postmaster|bitte|veuillez|пожалуйста)\b[^:]{0,60}$",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"(?:recipient|user|userid|address\w{0,2}|mailbox|deliver\w{0,4}|undeliverable|unknown|failed|attempts|account|destinat\w{0,6}|size|full"
    r"|quota|not found|invalid|empf[äa]nger|destinatario|destinataire|адрес\w{0,2}|получател\w{0,2}|宛先|受信者|收件人|수신자)"
    r"(?:\s\(?[^:\uff1a]{0,30})?\s?[:\uff1a=][\s<\"'(]{0,4}$",
    re.IGNORECASE,
)
_TOLD = re.compile(
    r"\b(?:to|for|recipient|address|user|mailbox|account|alias|an|f[üu]r|à|para|a|per|aan|do|dla|till|til|для|на|к|пользовател\w{0,3}"
    r"|ящик\w{0,2})[\s<\"'(`]{1,4}$|(?:宛先|宛|ユーザ)[^a-z]{0,6}$",
    re.IGNORECASE,
)
# Who is named because he helps; he may be listed, but then he is a recipient.
_HELPERS = re.compile(
    r"(?:postmaster|abuse|mailer-daemon|support|help\s?desk|hostmaster|webmaster|info-?center)@", re.IGNORECASE
)
# A person's mail that is quoted: "user@example.org wrote:".
_WROTE = ("wrote", "writes", "schrieb", "a écrit", "escribió", "escreveu", "ha scritto", "написал")
_BEFORE_CHARACTERS = 100


def _way(line: str, mention: Mention) -> Way | None:
    """How the address is named, or None where it stands for somebody who did not fail to receive."""
    before = line[max(0, mention.start - _BEFORE_CHARACTERS) : mention.start]
    if not before.strip(_BULLET):
        return None if line[mention.end :].lstrip(" >").startswith(_WROTE) else Way.LISTED
    if _RCPT_TO.search(before):
        return Way.COMMANDED
    if _NOT_RECIPIENT.search(before) or _HELPERS.match(mention.address):
        return None
    if _LABEL.search(before):
        return Way.LABELLED
    return Way.TOLD if _TOLD.search(before) else Way.PASSING


def _continues(lines: Sequence[str], number: int) -> bool:
    """Whether the line goes on with what a line above it said, and lists nothing itself: it is indented below that line.

    A line that announces a list ends with a colon and holds no address.
    """
    own = _indentation(lines[number])
    for above in reversed(lines[max(0, number - _PARAGRAPH_LINES_MAX) : number]):
        if not above.strip():
            return False
        if _indentation(above) < own:
            return "@" in above or not above.rstrip().endswith(":")
    return False


_PARAGRAPH_LINES_MAX = 40


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())


# Sendmail and Postfix list the address that an alias was expanded to, and behind it the one that we wrote to.
_EXPANDED_FROM = re.compile(r"\(expanded from:?\s<?([^<>\s()]{3,320}@[^<>\s()]{3,255})>?\)")


def _as_we_wrote_it(naming: Naming, lines: Sequence[str]) -> Naming:
    """The naming with the address that the list knows, where the address was expanded from that."""
    if not naming.is_listed:
        return naming
    expanded = _EXPANDED_FROM.search(" ".join(lines[naming.line : naming.line + 2])[naming.end :])
    return naming._replace(address=expanded.group(1)) if expanded else naming

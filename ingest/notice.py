"""Bounces without a report part: who the notice says did not get the mail, and why, in its own words.

qmail, Exim, old Sendmail, Exchange, Domino, gateways and providers all write their own prose, but there are only four ways in
which prose names a failed recipient:

    listed      the address begins the line            <user@example.org>:            user@example.org on Wed, 15 Feb
    commanded   it stands in a RCPT TO of a dialogue   >>> RCPT TO:<user@example.org>
    labelled    a word and a colon announce it         Unknown user: user@example.org
    told        a sentence says "to" or "for" it       your message to user@example.org could not be delivered

The strongest way that the notice uses counts, and the others are read over: what else is named are senders, postmasters and
the addresses inside quoted replies. What follows the address, up to the next, is why.
"""

import re
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

import msgspec

from ingest.explanation import explain
from ingest.finding import Finding, Findings, with_diagnostic
from ingest.last_reader import last_recipients
from ingest.mentions import is_address, mentions_in
from ingest.mime import Part
from ingest.notice_format import format_of
from ingest.notice_words import Notice
from ingest.phrases import DELAYED, GIVEN_UP, plain, says_any
from ingest.returned import Returned
from nullsender.events import Action, DerivedFrom, Kind, Source
from nullsender.limits import REPORTS_MAX


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


def read_words(message: Part, notice: Notice, returned: Returned, source: Source) -> Findings:
    """What a bounce without a report part says in its words; one finding without a recipient where it names none."""
    namings = list(namings_in(notice))
    recipients, derived_from = _recipients(message, notice, namings, returned, source)
    action = _action(message, notice)
    findings = tuple(
        with_diagnostic(
            Finding(recipient=recipient, derived_from=derived_from, action=action),
            explain(notice, recipient, namings, alone=len(recipients) <= 1),
        )
        for recipient in recipients[:REPORTS_MAX] or (None,)
    )
    return Findings(kind=Kind.BOUNCE, format=format_of(message, notice), findings=findings)


def explained(
    findings: tuple[Finding, ...], message: Part, notice: Notice, returned: Returned, source: Source
) -> tuple[Finding, ...]:
    """The findings of a report part, with what its fields leave out filled in from the words beside it."""
    namings = list(namings_in(notice))
    known = {finding.recipient.lower() for finding in findings if finding.recipient}
    named, derived_from = _recipients(message, notice, namings, returned, source)
    spare = [recipient for recipient in named if recipient.lower() not in known]
    nameless = sum(finding.recipient is None for finding in findings)
    filled: list[Finding] = []
    for finding in findings:
        if finding.recipient is None and spare and nameless == len(spare):
            finding = msgspec.structs.replace(finding, recipient=spare.pop(0), derived_from=derived_from)
            nameless -= 1
        if finding.diagnostic is None:
            finding = with_diagnostic(finding, explain(notice, finding.recipient, namings, alone=len(findings) == 1))
        filled.append(finding)
    return tuple(filled)


def _action(message: Part, notice: Notice) -> Action:
    words = plain(f"{message.headers.text('subject')} {notice.unquoted()}")
    return Action.DELAYED if says_any(words, DELAYED) and not says_any(words, GIVEN_UP) else Action.FAILED


def _recipients(
    message: Part, notice: Notice, namings: list[Naming], returned: Returned, source: Source
) -> tuple[tuple[str, ...], DerivedFrom]:
    """The failed recipients, from the field that names them, the words, or the returned mail; in this order of trust."""
    failed = _in_failed_recipients_field(message)
    if failed:
        return failed, DerivedFrom.FAILED_RECIPIENTS
    named = _surest(namings, _own_addresses(message, returned, source), returned)
    if named:
        return named, DerivedFrom.TEXT
    recipient, derived_from = returned.recipient()
    if recipient:
        return (recipient,), derived_from
    last = last_recipients(message, notice)
    return last, DerivedFrom.TEXT if last else DerivedFrom.NOWHERE


def _in_failed_recipients_field(message: Part) -> tuple[str, ...]:
    """X-Failed-Recipients, as Exim and Google write it."""
    values = message.headers.all("x-failed-recipients")
    return _distinct(naming.address for value in values for naming in mentions_in(value))


def _surest(namings: list[Naming], own: frozenset[str], returned: Returned) -> tuple[str, ...]:
    """The addresses that are named in the surest way that is used at all."""
    others = [naming for naming in namings if naming.way is Way.LISTED or naming.address.lower() not in own]
    if not others:
        return ()
    way = max(naming.way for naming in others)
    surest = _distinct(naming.address for naming in others if naming.way is way)
    if way >= Way.LABELLED:
        return surest
    addressed = {address.lower() for address in returned.recipients()}
    return tuple(address for address in surest if address.lower() in addressed) or (surest if way is Way.TOLD else surest[:1])


def _own_addresses(message: Part, returned: Returned, source: Source) -> frozenset[str]:
    """The addresses of those who sent the mail and of those who sent the notice, lower-cased: neither is a failed recipient."""
    values = (value for name in ("to", "from", "delivered-to", "reply-to", "sender") for value in message.headers.all(name))
    own = {naming.address.lower() for value in values for naming in mentions_in(value)}
    return frozenset(own | returned.senders() | {address.lower() for address in source.rcpt_to})


def _distinct(addresses: Iterator[str]) -> tuple[str, ...]:
    """The addresses in order, each once, whatever its case."""
    first: dict[str, str] = {}
    for address in addresses:
        if is_address(address):
            first.setdefault(address.lower(), address)
    return tuple(first.values())


def namings_in(notice: Notice) -> Iterator[Naming]:
    """Every address that the notice names and that may be a failed recipient."""
    for number, line in enumerate(notice.lines):
        if "@" not in line:
            continue
        for mention in mentions_in(line):
            way = _way(line, mention.start, mention.end)
            if way is not None:
                yield Naming(mention.address, number, mention.start, mention.end, way)


# What may stand between the beginning of a line and an address that it lists: brackets, quotes, bullets, dashes.
_BULLET = " \t<>\"'`([{*|=\u2022\u00b7\u2013\u2014\uff1c\u300a#-"
_RCPT_TO = re.compile(r"rcpt\s?to\s?:?\s?<?$", re.IGNORECASE)
# Behind these stands a sender, a helper or a command, never a failed recipient.
_NOT_RECIPIENT = re.compile(
    r"(?:mail\s?from|\bfrom|\bsender|\bcc|\bby|\bvia|\bcontact\w{0,5}|reply-to|return-path|\bhelo|\behlo|message-id|\bid|\bsubject|\bvon|\bde|\bdi|\bod|\bот)"
    r"[\s:=<\"'(]{0,6}$"
    r"|(?:please|contact|write|e-?mail us|help|assistance|support|questions?|administrator|postmaster|bitte|veuillez|пожалуйста)\b[^:]{0,60}$",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"(?:recipient|user|userid|address\w{0,2}|mailbox|deliver\w{0,4}|undeliverable|unknown|failed|attempts|account|to|destinat\w{0,6}|size|full|quota|not found|invalid"
    r"|empf[äa]nger|an|destinatario|destinataire|адрес\w{0,2}|получател\w{0,2}|宛先|受信者|收件人|수신자)"
    r"(?:\s\(?[^:：]{0,30})?\s?[:：=][\s<\"'(]{0,4}$",
    re.IGNORECASE,
)
_TOLD = re.compile(
    r"\b(?:to|for|recipient|address|user|mailbox|account|alias|an|f[üu]r|à|para|a|per|aan|do|dla|till|til|для|на|к|пользовател\w{0,3}|ящик\w{0,2})[\s<\"'(`]{1,4}$"
    r"|(?:宛先|宛|ユーザ)[^a-z]{0,6}$",
    re.IGNORECASE,
)
# Who is named because he helps; he may be listed, but then he is one.
_HELPERS = re.compile(
    r"(?:postmaster|abuse|mailer-daemon|support|help\s?desk|hostmaster|webmaster|info-?center)@", re.IGNORECASE
)


def _way(line: str, start: int, end: int) -> Way | None:
    """How the address at `start` is named, or None where it stands for somebody who did not fail to receive."""
    before = line[max(0, start - 100) : start]
    if not before.strip(_BULLET):
        return None if line[end:].lstrip(" >").lower().startswith(("wrote", "schrieb", "a écrit")) else Way.LISTED
    if _RCPT_TO.search(before):
        return Way.COMMANDED
    if _NOT_RECIPIENT.search(before) or _HELPERS.match(line, start):
        return None
    if _LABEL.search(before):
        return Way.LABELLED
    return Way.TOLD if _TOLD.search(before) else Way.PASSING

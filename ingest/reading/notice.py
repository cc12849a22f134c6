"""What a notice says in words: who did not get the mail and why. For bounces without a report part, and parts with gaps."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from operator import attrgetter

import msgspec

from ingest.reading.codes import status_code_in
from ingest.reading.explanation import Explanations, says_something
from ingest.reading.finding import Finding, Findings, TooManyRecipients, with_diagnostic
from ingest.reading.last_reader import last_recipients
from ingest.reading.mailboxes import mailboxes_in, mailboxes_of
from ingest.reading.mentions import is_address
from ingest.reading.mime import Part
from ingest.reading.namings import Naming, Way, namings_in
from ingest.reading.notice_format import format_of
from ingest.reading.notice_words import Notice
from ingest.reading.returned import Returned
from ingest.reading.said import Says
from nullsender.events import Action, DerivedFrom, Kind, Source
from nullsender.limits import EXPLAINED_RECIPIENTS_MAX, HEADER_VALUE_CHARACTERS_MAX, NAMINGS_MAX, REPORTS_MAX


def read_words(message: Part, notice: Notice, returned: Returned, source: Source) -> Findings:
    """What a bounce without a report part says in its words; one finding without a recipient where it names none."""
    namings = namings_in(notice)
    recipients, derived_from = _recipients(message, notice, namings, returned, source)
    if len(recipients) > REPORTS_MAX or (derived_from is DerivedFrom.TEXT and _may_name_more(notice, namings, recipients)):
        raise TooManyRecipients
    action = _action(notice)
    findings = [Finding(recipient=recipient, derived_from=derived_from, action=action) for recipient in recipients or (None,)]
    return Findings(
        kind=Kind.BOUNCE, format=format_of(notice), findings=_with_all_words(findings, Explanations(notice, namings))
    )


def _may_name_more(notice: Notice, namings: Sequence[Naming], recipients: Sequence[str]) -> bool:
    """Whether a list of recipients may go on behind what was read of the notice."""
    return len(recipients) > 1 and (notice.is_cut or len(namings) >= NAMINGS_MAX)


def explained(
    findings: Sequence[Finding], message: Part, notice: Notice, returned: Returned, source: Source
) -> tuple[Finding, ...]:
    """The findings of a report part, with what its fields leave out filled in from the words beside it."""
    namings = namings_in(notice)
    known = {name.lower() for finding in findings for name in (finding.recipient, finding.final_recipient) if name}
    nameless = len([finding for finding in findings if not finding.recipient])
    named, derived_from = _recipients(message, notice, namings, returned, source) if nameless else ((), DerivedFrom.NOWHERE)
    spare = [recipient for recipient in named if recipient.lower() not in known]
    given = iter(spare if len(spare) == nameless else ())  # whose is whose can be told only where the numbers agree
    return _with_all_words([_with_name(finding, given, derived_from) for finding in findings], Explanations(notice, namings))


def _with_all_words(findings: Sequence[Finding], explanations: Explanations) -> tuple[Finding, ...]:
    alone = len(findings) == 1
    explained = [_with_words(finding, explanations, alone=alone) for finding in findings[:EXPLAINED_RECIPIENTS_MAX]]
    return (*explained, *findings[EXPLAINED_RECIPIENTS_MAX:])


def _with_name(finding: Finding, spare: Iterator[str], derived_from: DerivedFrom) -> Finding:
    name = None if finding.recipient else next(spare, None)
    return msgspec.structs.replace(finding, recipient=name, derived_from=derived_from) if name else finding


def _with_words(finding: Finding, explanations: Explanations, *, alone: bool) -> Finding:
    if finding.action not in (Action.FAILED, Action.DELAYED):
        return finding
    diagnostic = finding.diagnostic or ""
    if diagnostic and says_something(diagnostic):
        return with_diagnostic(finding, explanations.end_of_reply(diagnostic))
    names = tuple(dict.fromkeys(name.lower() for name in (finding.recipient, finding.final_recipient) if name))
    heard = explanations.heard_about(names)
    if finding.status and status_code_in(heard) not in (None, finding.status):
        # The reply says another reason than the field, which is then made up; its class is not, for it says what was done.
        return with_diagnostic(msgspec.structs.replace(finding, status=f"{finding.status[0]}.0.0"), heard)
    return with_diagnostic(finding, f"{diagnostic} {explanations.of(names, alone=alone)}")


def _action(notice: Notice) -> Action:
    return Action.DELAYED if notice.says(Says.DELAYED) and not notice.says(Says.GIVEN_UP) else Action.FAILED


def _recipients(
    message: Part, notice: Notice, namings: Sequence[Naming], returned: Returned, source: Source
) -> tuple[tuple[str, ...], DerivedFrom]:
    """The failed recipients: from the field that names them, the words, the returned mail, the last reader; in this order."""
    if failed := _in_failed_recipients_field(message):
        listed = _listed_against(failed, namings, returned)
        return (listed, DerivedFrom.TEXT) if listed else (failed, DerivedFrom.FAILED_RECIPIENTS)
    if named := _listed(namings) or _surest_of_others(message, namings, returned, source):
        return named, DerivedFrom.TEXT
    recipient, derived_from = returned.recipient()
    if recipient:
        return (recipient,), derived_from
    last = last_recipients(message, notice)
    return last, DerivedFrom.TEXT if last else DerivedFrom.NOWHERE


def _in_failed_recipients_field(message: Part) -> tuple[str, ...]:
    """X-Failed-Recipients, as Exim and Google write it."""
    values = message.headers.all("x-failed-recipients")
    if not values:
        return ()
    if message.headers.is_cut or any(
        len(value) >= HEADER_VALUE_CHARACTERS_MAX or value.count(",") >= REPORTS_MAX for value in values
    ):
        raise TooManyRecipients
    failed = (mailbox.address for value in values for mailbox in mailboxes_in(value))
    return _distinct(failed)


def _listed_against(failed: Sequence[str], namings: Iterable[Naming], returned: Returned) -> tuple[str, ...]:
    """What the words list and the returned mail was for, where the field names none of the addresses of the words."""
    listed = {naming.address.lower(): naming.address for naming in namings if naming.is_listed}
    if any(address.lower() in listed for address in failed):
        return ()
    return tuple(listed[address.lower()] for address in returned.recipients() if address.lower() in listed)


def _listed(namings: Iterable[Naming]) -> tuple[str, ...]:
    """The addresses that are named in the surest way."""
    return _distinct(naming.address for naming in namings if naming.is_listed)


def _surest_of_others(message: Part, namings: Sequence[Naming], returned: Returned, source: Source) -> tuple[str, ...]:
    """The addresses that are named in the surest way that is used of any but the senders' own."""
    own = _own_addresses(message, returned, source) if namings else frozenset()
    others = [naming for naming in namings if naming.address.lower() not in own]
    if not others:
        return ()
    way = max(naming.way for naming in others)
    surest = _distinct(naming.address for naming in others if naming.way is way)
    if way >= Way.LABELLED:
        return surest
    addressed = {address.lower() for address in returned.recipients()}
    if addressees := tuple(address for address in surest if address.lower() in addressed):
        return addressees
    return surest if way is Way.TOLD else _first_list(naming for naming in others if naming.way is way)


def _first_list(namings: Iterable[Naming]) -> tuple[str, ...]:
    """The address that is named first, and those that stand in one list with it."""
    first, *others = namings
    return _distinct([first.address, *(naming.address for naming in takewhile(attrgetter("is_next"), others))])


def _own_addresses(message: Part, returned: Returned, source: Source) -> frozenset[str]:
    """The addresses of those who sent the mail and of those who sent the notice, lower-cased: neither is a failed recipient."""
    own = set(map(str.lower, mailboxes_of(message.headers, "to", "from", "delivered-to", "reply-to", "sender")))
    return frozenset(own | returned.senders() | {address.lower() for address in source.rcpt_to})


def _distinct(addresses: Iterable[str]) -> tuple[str, ...]:
    """The addresses in order, each once, whatever its case."""
    first: dict[str, str] = {}
    for address in addresses:
        if is_address(address):
            first.setdefault(address.lower(), address)
    return tuple(first.values())

"""Is this mail without a report part a bounce? Signs are weighed, because no one of them is enough.

Auto-replies come from the null sender too, people write *about* bounces and quote them, and challenge systems say that
mail "has not been delivered". So the sender, the subject, the words and the shape each add to the scale, and the marks of a
person's mail take away from it. What answers for a person is no bounce whatever its words say: they may well speak of one.
"""

import re

from ingest.reading.answer_signs import answers_for_a_person
from ingest.reading.mentions import mentions_in
from ingest.reading.mime import MESSAGE_TYPES, Part
from ingest.reading.notice_words import Notice
from ingest.reading.said import Says
from nullsender.events import Source

_TIPS_AT = 3
# Re:, Fwd: and what other languages write there: a person answers or passes on.
_ANSWER = re.compile(r"^(?:re|aw|sv|vs|antw|odp|fwd?|wg|tr|rv|enc|回复|转发|答复)(?:\[\d{1,3}\])?\s?:", re.IGNORECASE)


def looks_like_a_bounce(message: Part, notice: Notice, source: Source) -> bool:
    """Whether the scale tips: a machine wrote it, and says that mail did not arrive."""
    from_daemon = is_from_daemon(notice)
    answer = _ANSWER.match(notice.subject) is not None
    subject_says_so = not answer and Says.SUBJECT in notice.subject_says
    replies = notice.has_reply
    words_say_so = (
        replies
        or Says.WORDS in notice.words_say
        or (from_daemon and (notice.has_both_codes or Says.DELAYED in notice.words_say))
    )
    if not words_say_so and (not (subject_says_so and from_daemon) or notice.says(Says.DELIVERED)):
        return False
    marked = _is_marked_as_bounce(message)
    if not from_daemon and not marked and answers_for_a_person(message, notice):
        return False
    returned = returns_a_message(message, notice)
    weight = (
        2 * from_daemon
        + 2 * subject_says_so
        + 2 * words_say_so
        + replies
        + is_from_null_sender(message, source)
        + returned
        + 3 * marked
    )
    if answer:
        weight -= 3
    if not from_daemon:
        weight -= 2 * _is_conversation(message)
        weight -= 3 * (Says.PERSON in notice.words_say)
        weight -= 3 * (not replies and notice.says(Says.CHALLENGE))
        weight -= 2 * (not replies and "@" not in notice.text and not returned)
    return weight >= _TIPS_AT


def _is_marked_as_bounce(message: Part) -> bool:
    """Whether its shape or a field is one that only mail systems write."""
    return "x-failed-recipients" in message.headers or message.media_type == "multipart/report"


def is_from_daemon(notice: Notice) -> bool:
    """Whether the From is a mail system's, or empty, as only a mail system's is."""
    return Says.DAEMON in notice.sender_says or ("<>" in notice.sender and not mentions_in(notice.sender))


def is_from_null_sender(message: Part, source: Source) -> bool:
    """Whether the reverse-path is empty (RFC 5321 4.5.5): by the session, or by the field that an MTA made of it."""
    return_path = message.headers.get("return-path").lower()
    return return_path.startswith(("<>", "<mailer-daemon", "mailer-daemon")) or bool(source.ip and not source.mail_from)


def returns_a_message(message: Part, notice: Notice) -> bool:
    """Whether mail came back inside it, as a part or behind the words."""
    return notice.was_cut or (message.children != () and any(child.media_type in MESSAGE_TYPES for child in message.children))


def _is_conversation(message: Part) -> bool:
    """Whether it stands in a thread or on a list: those carry mail about bounces, and quote it."""
    return not message.headers.names().isdisjoint(_OF_A_CONVERSATION)


_OF_A_CONVERSATION = frozenset(("in-reply-to", "references", "list-id", "list-post", "x-mailing-list"))

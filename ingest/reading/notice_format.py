"""Which system wrote a notice: for people who read reports, and for rules that know a system's habits."""

from ingest.reading.mime import Part
from ingest.reading.notice_words import Notice
from ingest.reading.phrases import plain, says_any

# The first whose mark stands in the notice (or in the From and Subject before it) is it.
_MARKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("google", ("googlemail.com", "technical details of permanent failure", "technical details of temporary failure")),
    ("mail.ru", ("сервером mail.ru",)),
    ("qmail", ("qmail-send program", "--- below this line is a copy", "the mta program at")),
    ("yahoo", ("mailer-daemon@yahoo", "message from yahoo", "we were unable to deliver your message to the following address")),
    ("dragonfly", ("dragonfly mail agent",)),
    ("zoho", ("zoho.com", "error_code :")),
    ("interscan", ("interscan",)),
    ("mimecast", ("an email that you attempted to send to the following address could not be delivered",)),
    ("exim", ("this message was created automatically by",)),
    ("postfix", ("this is the postfix", "this is the mail system at host")),
    ("sendmail", ("----- transcript of session follows", "had permanent fatal errors", "while talking to")),
    ("exchange", ("did not reach the following recipient", "mts-id of the original", "msexch")),
    ("domino", ("not listed in domino directory", "not listed in public name", "was not delivered to:")),
    ("kddi", ("dion.ne.jp", "ezweb.ne.jp", "au.com")),
    ("imail", ("rcpt to generated following response", "user mailbox exceeds allowed size")),
    ("mailmarshal", ("the following recipients were affected",)),
    ("symantec", ("symantec",)),
    ("mdaemon", ("mdaemon",)),
)
_WORDS_CHARACTERS = 1_500


def format_of(message: Part, notice: Notice) -> str:
    """The name of the system whose mark the notice bears, or `notice`."""
    head = f"{message.headers.text('from')} {message.headers.text('subject')}"
    words = plain(f"{head[:1_000]} {notice.text[:_WORDS_CHARACTERS]}")
    return next((name for name, marks in _MARKS if says_any(words, marks)), "notice")

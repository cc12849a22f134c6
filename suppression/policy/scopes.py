"""Which mail an entry stops: the names of scopes, and how wide the entry of a cause is.

*                  all mail
*-transactional    all mail but that of transactional streams; mail of no named stream is not transactional
NAME               the mail of that stream
list:NAME          the mail of that mailing list
"""

from enum import StrEnum

EVERYWHERE = "*"
NOT_TRANSACTIONAL = "*-transactional"
LIST_PREFIX = "list:"


class Breadth(StrEnum):
    """How much mail the entries of a cause stop, widest first."""

    ALL = "all"
    ALL_BUT_TRANSACTIONAL = "all-but-transactional"
    STREAM = "stream"  # where the report names none: all mail
    LIST = "list"  # where the report names none: its stream


def scope_for(breadth: Breadth, stream: str | None, mailing_list: str | None) -> str:
    """The scope of an entry that a report about mail of this stream and list makes."""
    if breadth is Breadth.ALL:
        return EVERYWHERE
    if breadth is Breadth.ALL_BUT_TRANSACTIONAL:
        return NOT_TRANSACTIONAL
    if breadth is Breadth.LIST and mailing_list:
        return LIST_PREFIX + mailing_list
    return stream or EVERYWHERE


def scopes_of_mail(stream: str | None, mailing_list: str | None, *, transactional: bool) -> tuple[str, ...]:
    """Every scope whose entries stop mail of this stream and list, widest first."""
    wide = (EVERYWHERE,) if transactional else (EVERYWHERE, NOT_TRANSACTIONAL)
    return (*wide, *([stream] if stream else ()), *([LIST_PREFIX + mailing_list] if mailing_list else ()))


def mail_of(scope: str) -> str:
    """The mail that a scope names, in words."""
    if scope == EVERYWHERE:
        return "all mail"
    if scope == NOT_TRANSACTIONAL:
        return "all mail but that of transactional streams"
    if scope.startswith(LIST_PREFIX):
        return f"the mail of list {scope.removeprefix(LIST_PREFIX)}"
    return f"the mail of stream {scope}"

"""Every reply that the MX gives, in one table: reply code (RFC 5321), enhanced status code (RFC 3463), words.

The words tell a stranger's postmaster what happened and what to do; they name nothing of our inside. Whatever goes wrong on
our side is a 4xx: the sending MTA keeps the message and tries again.
"""

from enum import StrEnum


class Reply(StrEnum):
    """One line each; `{}` stands where a method below fills something in."""

    BYE = "221 2.0.0 Goodbye"
    OK = "250 2.0.0 OK"
    SENDER_OK = "250 2.1.0 Sender noted"
    RECIPIENT_OK = "250 2.1.5 Recipient accepted"
    RECORDED = "250 2.0.0 recorded as {}, {}"
    CANNOT_VERIFY = "252 2.5.0 Cannot say; send the message and see"
    HELP = "214 2.0.0 This server takes bounces, complaints and unsubscribes, and relays nothing"
    READY_FOR_TLS = "220 2.0.0 Ready for TLS"
    START_MESSAGE = "354 End the message with <CR><LF>.<CR><LF>"

    STOPPING = "421 4.3.2 Going down for a moment, come again"
    TOO_MANY_CONNECTIONS = "421 4.3.2 Too many connections, come again later"
    TOO_MANY_FROM_YOU = "421 4.7.0 Too many connections from your address, use those that you have"
    TOO_SLOW = "421 4.4.2 Nothing came for too long"
    SESSION_TOO_LONG = "421 4.4.2 This session lasted long enough, connect again"
    TOO_MANY_COMMANDS = "421 4.7.0 Too many commands without a message"
    TOO_MANY_REFUSALS = "421 4.7.0 Too many refused commands"
    TOO_MANY_UNREADABLE = (
        "451 4.7.0 Too much mail from your address that is no mail to us, keep the message and try again later"
    )
    TROUBLE = "451 4.3.0 Not recorded because of trouble on our side, keep the message and try again"
    TOO_MUCH_AT_ONCE = "452 4.3.1 Too much is arriving at once, keep the message and try again"
    TOO_MANY_RECIPIENTS = "452 4.5.3 Too many recipients, send the others in a message of their own"

    NOT_A_COMMAND = "500 5.5.2 Not a command line: visible characters, then CR LF"
    LINE_TOO_LONG = "500 5.5.2 Command line too long"
    UNKNOWN_COMMAND = "500 5.5.1 Unknown command"
    NEEDS_NAME = "501 5.5.4 Say your name: EHLO host.example"
    TAKES_NO_ARGUMENT = "501 5.5.4 This command takes no argument"
    MAIL_SYNTAX = "501 5.5.4 Write MAIL FROM:<address>, then parameters"
    RCPT_SYNTAX = "501 5.5.4 Write RCPT TO:<address>"
    BAD_PARAMETER = "501 5.5.4 A parameter's value makes no sense"
    NOT_OFFERED = "502 5.5.1 Not offered here"
    SAY_HELLO_FIRST = "503 5.5.1 Say EHLO first"
    ALREADY_A_SENDER = "503 5.5.1 There is a sender already, RSET to begin again"
    NEEDS_SENDER = "503 5.5.1 Say MAIL first"
    NEEDS_RECIPIENT = "503 5.5.1 No recipient was accepted"
    TLS_ALREADY = "503 5.5.1 TLS is on already"
    RELAYING_DENIED = "550 5.7.1 Not one of our domains, and we relay nothing"
    NO_SUCH_MAILBOX = "550 5.1.1 No such mailbox here"
    TOO_LARGE = "552 5.3.4 Message too large, EHLO shows how large one may be"
    BAD_SENDER = "553 5.1.7 The sender's address is not an address"
    BAD_RECIPIENT = "553 5.1.3 The recipient's address is not an address"
    UNKNOWN_PARAMETER = "555 5.5.4 A parameter was not offered in our EHLO"


def recorded(message_id: str, reports: int) -> str:
    """The 250 after a message is durable: under which id, and how many reports it made."""
    return Reply.RECORDED.format(message_id, "1 report" if reports == 1 else f"{reports} reports")

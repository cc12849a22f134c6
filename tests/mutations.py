"""Changes to a message that readers trip over: what the fuzzer makes new messages of known ones with.

A change takes a message and gives another; it knows what mail is made of (lines, fields, parts, encodings), which a change of
bytes alone seldom hits. Everything is drawn from the `Random` that is given, so a seed names a message.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from random import Random

from tests.hostile import FAMILIES

Change = Callable[[Random, bytes], bytes]

#: What stands in reports and where readers look for it.
PIECES: Sequence[bytes] = [
    *(b"\n", b"\n\n", b"\r", b"\0", b"\x1b$B", b"\x1b(B", b"\xff\xfe", b";", b'"', b"<", b">", b"@", b"> ", b"&lt;", b"\\"),
    *(b"(", b":", b"--b", b"--b\n", b"--b--\n", b"\n--B=_1\n", b"-" * 40 + b"\n", b"=?utf-8?b?YQBi?=", b"=\n", b"=3D"),
    *(b"=?iso-2022-jp?q?=1B$B?=", b"a@example.org", b"<b@example.org>", b"MAILER-DAEMON", b"550 5.1.1 ", b"421-", b" said: "),
    *(b"(expanded from: <b@c.org>)", b"\\x{D800}", b"\\x{0}", b"\\303\\377", b"\\ud800", b"+3D", b"4.4.7", b"xn--a"),
    *("\U0001f4a9".encode(), "\u0301\u0130\u2028".encode(), b"charset=iso-2022-jp", b"charset=utf-7", b"charset=utf-16"),
    *(b"boundary=b", b'boundary=""', b"Content-Type: message/rfc822\n\n", b"Content-Type: text/rfc822-headers\n\n"),
    *(b"Content-Type: text/html\n\n", b"Content-Type: multipart/report; boundary=b\n\n--b\n"),
    *(b"Content-Type: message/delivery-status\n\n", b"Content-Type: message/feedback-report\n\n"),
    *(b"Content-Type: message/global-delivery-status\n\n", b"Content-Transfer-Encoding: base64\n"),
    *(b"Content-Transfer-Encoding: quoted-printable\n", b"Final-Recipient: rfc822; a@example.org\n", b"Status: 5.1.1\n"),
    *(b"Original-Recipient: utf-8; a@example.org\n", b"Action: failed\n", b"Action: delayed\n", b"Remote-MTA: dns; x\n"),
    *(b"Diagnostic-Code: smtp; 550 no\n", b"Feedback-Type: abuse\n", b"Original-Rcpt-To: <a@example.org>\n"),
    *(b"To: a@example.org\n", b"X-Failed-Recipients: a@example.org, b\n", b"Auto-Submitted: auto-replied\n"),
    *(b"From: MAILER-DAEMON@x\n", b"Subject: Undelivered Mail Returned to Sender\n", b"From x Tue Mar  3 12:00:00 2026\n"),
    *(b'{"notificationType":"Bounce","bounce":{', b'{"XARFVersion":"4.0.0"}', b"[[", b"1e999", b"9" * 5_000),
]

_LONG_BYTES = 2**20


def changed(random: Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """`content` after one to four changes; `others` are messages that it may be glued to."""
    for _ in range(random.randint(1, 4)):
        if random.random() < 0.15:
            content = _glued(random, content, random.choice(others))
        else:
            content = random.choice(_CHANGES)(random, content)
    return content


def _glued(random: Random, content: bytes, other: bytes) -> bytes:
    """The beginning of one and the end of another, each cut at a line."""
    first, second = content.split(b"\n"), other.split(b"\n")
    return b"\n".join([*first[: random.randint(0, len(first))], *second[random.randint(0, len(second)) :]])


def _inserted(random: Random, content: bytes) -> bytes:
    place = random.randint(0, len(content))
    return content[:place] + random.choice(PIECES) + content[place:]


def _line_inserted(random: Random, content: bytes) -> bytes:
    lines = content.split(b"\n")
    lines.insert(random.randint(0, len(lines)), random.choice(PIECES).rstrip(b"\n"))
    return b"\n".join(lines)


def _value_replaced(random: Random, content: bytes) -> bytes:
    lines = content.split(b"\n")
    number = random.randrange(len(lines))
    name, colon, _ = lines[number].partition(b":")
    lines[number] = name + colon + b" " + random.choice(PIECES)
    return b"\n".join(lines)


def _cut(random: Random, content: bytes) -> bytes:
    start = random.randint(0, len(content))
    return content[:start] + content[start + random.choice([1, 10, 100, 10_000]) :]


def _lines_shuffled(random: Random, content: bytes) -> bytes:
    lines = content.split(b"\n")
    start = random.randrange(len(lines))
    block = lines[start : start + random.randint(2, 12)]
    random.shuffle(block)
    lines[start : start + len(block)] = block
    return b"\n".join(lines)


def _repeated(random: Random, content: bytes) -> bytes:
    """A stretch many times over, mostly a few, at times until the message is as long as any that is read."""
    start = random.randint(0, len(content))
    stretch = content[start : start + random.choice([1, 2, 5, 30, 200, 2_000])]
    size_bytes = random.choices([200, 5_000, 50_000, _LONG_BYTES], [10, 10, 3, 1])[0]
    return content[:start] + stretch * (size_bytes // max(1, len(stretch))) + content[start:]


def _folded(random: Random, content: bytes) -> bytes:
    return content.replace(b" ", random.choice([b"\n ", b"\r\n\t", b"  ", b"\n"]), random.randint(1, 20))


def _with_other_line_ends(random: Random, content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n").replace(b"\n", random.choice([b"\r\n", b"\r", b"\r\r\n", b"\n\n"]))


def _encoded(random: Random, content: bytes) -> bytes:
    """Everything after an empty line in a transfer encoding, which may be said or not."""
    head, _, body = content.partition(b"\n\n")
    encoded, said = random.choice(
        [(base64.encodebytes(body), b"base64"), (binascii.b2a_qp(body), b"quoted-printable"), (base64.b64encode(body), b"7bit")]
    )
    return head + b"\nContent-Transfer-Encoding: " + said + b"\n\n" + encoded


def _wrapped(random: Random, content: bytes) -> bytes:
    """Inside another message, as gateways and people send reports on."""
    before = random.choice(
        [
            b"From: a@example.org\nContent-Type: message/rfc822\n\n",
            b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nFYI\n--b\nContent-Type: message/rfc822\n\n",
            b"From: MAILER-DAEMON\nSubject: failed\n\nnot delivered\n\n",
            b"From a@example.org Tue Mar  3 12:00:00 2026\n",
        ]
    )
    return before + random.choice([content, b"> " + content.replace(b"\n", b"\n> ")])


def _flooded(random: Random, content: bytes) -> bytes:
    head, unit = random.choice(list(FAMILIES.values()))
    place = random.randint(0, len(content))
    return content[:place] + random.choice([head, b""]) + unit * random.choice([1, 3, 50, 1_000]) + content[place:]


_CHANGES: Sequence[Change] = [
    *(_inserted, _line_inserted, _value_replaced, _cut, _lines_shuffled, _repeated, _folded),
    *(_with_other_line_ends, _encoded, _wrapped, _flooded),
]

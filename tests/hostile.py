"""Mail that nobody means well with: families of it, each of any size.

A family is what a message begins with and what fills it up; most are the worst case of one place in the readers that looks for
something, several times over. tests/bounded.py says what has to be true of each.
"""

from collections.abc import Mapping

MEGABYTE = 2**20

NOTICE = b"From: MAILER-DAEMON@mx.example.net\nSubject: Undelivered mail\n"
WORDS = NOTICE + b"\nnot delivered "
HTML = NOTICE + b"Content-Type: text/html\n\n"
MULTIPART = b"Content-Type: multipart/mixed; boundary=b\n\n"
REPORT = b"Content-Type: multipart/report; boundary=b\n\n"
DSN = REPORT + b"--b\nContent-Type: message/delivery-status\n\n"
RECIPIENT = DSN + b"Final-Recipient: rfc822; a@example.org\n"
GROUP = b"Final-Recipient: rfc822; a%d@example.org\nAction: failed\n"
DIAGNOSTIC = RECIPIENT + b"Diagnostic-Code: smtp; "
ARF = REPORT + b"--b\nContent-Type: message/feedback-report\n\n"
ABUSE = ARF + b"Feedback-Type: abuse\n"
RETURNED = RECIPIENT + b"\n--b\nContent-Type: message/rfc822\n\nMIME-Version: 1.0\nX-Mailer: x\n"
JSON = b"From: a@amazonses.com\nSubject: x\n\n"
XARF = REPORT + b"--b\nContent-Type: text/plain\n\nx\n--b\nContent-Type: application/json; name=xarf.json\n\n"
COMPLAINED = ABUSE + b"\n--b\nContent-Type: message/rfc822\n\nMIME-Version: 1.0\nSubject: x\n"
SPAMCOP = b"From: <1@reports.spamcop.net>\nSubject: [SpamCop (192.0.2.1) id:1] x\n\n"
MANY_LISTED = b"".join(b"<a%d@example.org>: no\n" % n for n in range(900))

#: What a message begins with, and what fills it up. A unit with `%d` in it is numbered.
FAMILIES: Mapping[str, tuple[bytes, bytes]] = {
    # bytes
    "nul": (b"", b"\0"),
    "carriage returns": (b"", b"\r"),
    "line ends of every kind": (NOTICE + b"\nx", b"\r\r\n\n\r"),
    "lines": (b"", b"\n"),
    "spaces": (b"", b" "),
    "spaces in words": (WORDS, b" "),
    "spaces before line ends": (WORDS, b" " * 500 + b"\n"),
    "control characters": (WORDS, bytes(range(1, 32))),
    "a line without end": (WORDS, b"x"),
    "raw 8-bit": (WORDS, b"\xe4\xff\x80"),
    "combining marks": (WORDS + b"e", "\u0301".encode()),
    "combining marks in Subject": (b"From: a@example.org\nSubject: e", "\u0301".encode()),
    "letters that grow in lower case": (WORDS, "\u0130".encode()),
    "line separators of Unicode": (WORDS, "\u2028\u0085\x1c".encode()),
    "mbox lines": (b"", b"From x\n"),
    "mbox lines in words": (WORDS, b"\nFrom a@example.org Tue Mar  3 12:00:00 2026\n"),
    # heads
    "fields": (b"", b"a: b\n"),
    "fields with names of their own": (b"", b"a%d: b\n"),
    "a name without end": (b"", b"a"),
    "names without colons": (b"a: b\n", b"abcdefg\n"),
    "white space before colons": (b"a: b\nc", b" \t"),
    "folds": (b"Subject: x", b"\n "),
    "folds that are empty": (b"Subject: x\n", b" \n"),
    "semicolons": (b"Content-Type: ", b";"),
    "open quotes": (b"Content-Type: text/plain", b';a="'),
    "backslashes in a parameter": (b'Content-Type: text/plain; a="', b"\\"),
    "parameters": (b"Content-Type: multipart/mixed", b"; a%d=b"),
    "encoded words": (b"Subject: ", b"=?utf-8?q?a?= "),
    "encoded words of base64": (NOTICE + b"Subject: ", b"=?iso-2022-jp?b?GyRCJCI=?="),
    "encoded words that never end": (NOTICE + b"Subject: ", b"=?utf-8?b?"),
    "question marks": (NOTICE + b"Subject: ", b"=?"),
    "addresses in To": (b"To: ", b"a@example.org,"),
    "brackets in To": (NOTICE, b"To: " + b"<" * 15_900 + b"\n"),
    "brackets that never end in To": (b"To: ", b'<"a\\" (\\'),
    "comments in From": (b"From: ", b"("),
    "groups in To": (b"To: ", b"a:;"),
    "message ids": (b"From: a@example.org\nReferences: ", b"<[x@y]>"),
    "numbers in Date": (b"From: a@example.org\nDate: ", b"1"),
    "failed recipients": (NOTICE + b"X-Failed-Recipients: ", b"a@example.org, "),
    "failed recipients field by field": (NOTICE, b"X-Failed-Recipients: a%d@example.org\n"),
    "Received": (NOTICE, b"Received: from a (b [192.0.2.1]) by c with SMTP id %d\n"),
    "Delivered-To": (NOTICE, b"Delivered-To: a%d@example.org\n"),
    # addresses
    "at signs": (WORDS, b"@"),
    "quoted at signs": (WORDS, b'"@'),
    "at signs between letters": (WORDS, b"a@"),
    "long local parts": (WORDS, b"a" * 200 + b"@"),
    "a domain without end": (WORDS + b"a@", b"b."),
    "labels of punycode": (WORDS + b"a@", b"xn--b."),
    "dots": (WORDS, b"a."),
    "less-than signs": (WORDS, b"<"),
    "brackets that are empty": (WORDS, b"<>"),
    "brackets around words": (WORDS, b"<a b@c "),
    "square brackets": (WORDS, b"["),
    "addresses on one line": (WORDS, b"to a@example.org "),
    "addresses line by line": (NOTICE + b"\nnot delivered\n", b"a@example.org\n"),
    "addresses that all differ": (NOTICE + b"\nnot delivered\n", b"<a%d@example.org>: user unknown\n"),
    "addresses with colons": (NOTICE + b"\nnot delivered\n", b"<a%d@example.org>:\n550 user unknown\n\n"),
    "expanded from": (NOTICE + b"\nnot delivered\na@example.org ", b"(expanded from: "),
    "mailto": (WORDS, b"mailto:a@example.org "),
    # words
    "replies": (NOTICE + b"\nnot delivered\n", b"550 a@example.org\n"),
    "replies on one line": (WORDS, b"550 5.1.1 "),
    "replies of several lines": (NOTICE + b"\n<a@example.org>: host x said: ", b"550-5.1.1 no such user\n"),
    "codes with nothing between": (WORDS, b"5.1.1550"),
    "digits and dots": (WORDS, b"5."),
    "digits": (WORDS, b"5"),
    "hosts that said": (NOTICE + b"\n<a@example.org>: ", b"host mx.example.net[192.0.2.1] said: "),
    "users that are unknown": (WORDS, b"user unknown "),
    "words that begin what nobody says": (WORDS, b"could not be could not be "),
    "address literals": (WORDS, b"[192.0.2.1] "),
    "links": (WORDS, b"https://example.org/?a=b&"),
    "dashes": (NOTICE + b"\n", b"-" * 80 + b"\n"),
    "dashes with words": (NOTICE + b"\n", b"----- The following addresses had permanent fatal errors -----\n"),
    "dashes on one line": (WORDS, b"-"),
    "stars": (NOTICE + b"\n", b"*** "),
    "equals signs": (WORDS, b"="),
    "quotes": (NOTICE + b"\n", b">"),
    "quoted lines": (NOTICE + b"\nnot delivered\n", b"> > a: b\n"),
    "originals": (NOTICE + b"\nnot delivered\n", b"--- Below this line is a copy of the message.\n\nReturn-Path: <a@b>\n"),
    "heads in words": (NOTICE + b"\nnot delivered\n", b"Received: x\nFrom: a@example.org\nTo: b@example.org\n\n"),
    "fields in words": (NOTICE + b"\nnot delivered\n", b"Final-Recipient: rfc822; a@example.org\nAction: failed\n\n"),
    "words of Japanese": (NOTICE + b"Content-Type: text/plain; charset=utf-8\n\n", "\u5b9b\u5148\u4e0d\u660e".encode()),
    "shifts of ISO-2022-JP": (NOTICE + b"\n", b"\x1b$B$"),
    "shifts back and forth": (NOTICE + b"Content-Type: text/plain; charset=iso-2022-jp\n\n", b"\x1b$B\x1b(B"),
    "plus signs of UTF-7": (NOTICE + b"Content-Type: text/plain; charset=utf-7\n\n", b"+A"),
    "GB18030": (NOTICE + b"Content-Type: text/plain; charset=gb18030\n\n", b"\x810\x810"),
    # HTML
    "opening tags": (HTML, b"<"),
    "hidden elements": (HTML, b"<style>"),
    "hidden elements that end": (HTML, b"<style>x</style>"),
    "tags that never end": (HTML, b"<br "),
    "paragraphs that never end": (HTML, b"<p" + b" " * 100),
    "tags": (HTML, b"<b>x</b>"),
    "comments": (HTML, b"<!--"),
    "entities": (HTML, b"&lt;"),
    "entities that never end": (HTML, b"&#"),
    "breaks": (HTML, b"550 a@example.org<br>"),
    # structure
    "messages in messages": (b"", b"Content-Type: message/rfc822\n\n"),
    "multiparts in multiparts": (b"", b"Content-Type: multipart/mixed; boundary=b\n\n--b\n"),
    "multiparts with boundaries of their own": (b"", b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n"),
    "parts": (MULTIPART, b"--b\n\nx\n"),
    "links that do not end": (HTML, b"<a " + b"href=mailto:" * 16 + b"x" * 320 + b"y" * 200),
    "parts with heads": (MULTIPART, b"--b\nContent-Type: text/html\nContent-Transfer-Encoding: base64\n\nQQ==\n"),
    "parts of a report": (REPORT, b"--b\nContent-Type: text/plain\n\nnot delivered\n"),
    "boundaries that are none": (MULTIPART, b"\n--bx"),
    "boundaries that are empty": (b'Content-Type: multipart/mixed; boundary=""\n\n', b"--\n"),
    "boundaries that nobody named": (b"Content-Type: multipart/mixed\n\n", b"--x\n\n"),
    "delivery status parts": (REPORT, b"--b\nContent-Type: message/delivery-status\n\na: b\n\n"),
    "base64": (NOTICE + b"Content-Transfer-Encoding: base64\n\n", b"QUFB"),
    "base64 that is none": (NOTICE + b"Content-Transfer-Encoding: base64\n\n", b"Q=\n !"),
    "quoted-printable": (NOTICE + b"Content-Transfer-Encoding: quoted-printable\n\n", b"="),
    "quoted-printable line ends": (NOTICE + b"Content-Transfer-Encoding: quoted-printable\n\n", b"=3D=\n=0A"),
    # delivery reports
    "recipients": (DSN, b"Final-Recipient: rfc822; a@example.org\n\n"),
    "recipients that all differ": (DSN, b"Final-Recipient: rfc822; a%d@example.org\nAction: failed\nStatus: 5.1.1\n\n"),
    "recipients with many words": (
        DSN,
        GROUP + b"Diagnostic-Code: smtp; 550 " + b"user unknown, listed, quota " * 45 + b"\n\n",
    ),
    "recipients with other characters": (
        DSN,
        GROUP + b"Diagnostic-Code: smtp; 550 " + "\u0130\u00e9\u0301".encode() * 200 + b"\n\n",
    ),
    "recipients with hosts": (DSN, GROUP + b"Diagnostic-Code: smtp; 550 " + b"mx.a.example.org [192.0.2.1] " * 45 + b"\n\n"),
    "recipients refused for addresses": (
        DSN,
        GROUP + b"Diagnostic-Code: smtp; 550 5.7.1 blacklisted " + b"1::2 " * 790 + b"\n\n",
    ),
    "recipients without empty lines": (DSN, b"Final-Recipient: rfc822; a@example.org\n"),
    "recipients without names": (DSN, b"Final-Recipient: x\n\n"),
    "fields of a report": (RECIPIENT, b"X-%d: y\n"),
    "lines that are no fields": (RECIPIENT, b"y y\n"),
    "empty lines in a group": (DSN + b"Action: failed", b" \n"),
    "brackets in a status": (RECIPIENT + b"Status: ", b"("),
    "escapes in a recipient": (DSN + b"Original-Recipient: utf-8; ", b"\\x{41}"),
    "plus signs in a recipient": (DSN + b"Original-Recipient: rfc822; ", b"+41"),
    "codes in a diagnostic": (DIAGNOSTIC, b"550-5.1.1 "),
    "lines in a diagnostic": (DIAGNOSTIC + b"550", b"\n 550-5.1.1 no"),
    "backslashes in a diagnostic": (DIAGNOSTIC, b"\\303"),
    "brackets in a diagnostic": (DIAGNOSTIC, b"<"),
    "numbers in a date": (DSN + b"Arrival-Date: ", b"1 "),
    "fields of the returned mail": (RETURNED, b"To: a%d@example.org\n"),
    "subject of the returned mail": (RETURNED + b"Subject: ", b"=?utf-8?b?QQ==?= "),
    "reasons for recipients that nobody listed": (
        NOTICE + REPORT + b"--b\n\n" + MANY_LISTED + b"--b\nContent-Type: message/delivery-status\n\n",
        b"Final-Recipient: rfc822; other@example.org\n\n",
    ),
    "receipts": (REPORT + b"--b\nContent-Type: message/disposition-notification\n\n", b"Disposition: a/b; c\n\n"),
    # feedback
    "complainers": (ABUSE, b"Original-Rcpt-To: a@example.org\n"),
    "complainers that all differ": (ABUSE, b"Original-Rcpt-To: <a%d@example.org>\n"),
    "fields of a feedback report": (ABUSE, b"X-%d: y\n"),
    "feedback types": (ARF, b"Feedback-Type: abuse\n"),
    "a feedback type without end": (ARF + b"Feedback-Type: ", b"abuse "),
    "json lists": (JSON + b'{"bounce":', b"["),
    "json objects": (JSON, b'{"Message":'),
    "json recipients": (
        JSON + b'{"notificationType":"Bounce","bounce":{"bounceType":"Permanent","bouncedRecipients":[',
        b'{"emailAddress":"a%d@example.org","status":"5.1.1"},',
    ),
    "json digits": (JSON + b'{"notificationType":"Bounce","bounce":', b"9"),
    "json escapes": (JSON + b'{"notificationType":"Bounce","bounce":"', b"\\ud800"),
    "xarf objects": (XARF, b'{"Report":'),
    "xarf lists": (XARF + b'{"xarf_version":"4.0.0","evidence":', b"["),
    "xarf keys": (XARF + b"{", b'"a%d":1,'),
    "xarf evidence": (XARF + b'{"xarf_version":"4.0.0","evidence":[', b"{},"),
    "xarf samples": (XARF + b'{"Report":{"ReportType":"spam","Samples":[', b"{},"),
    "hops inside a house": (COMPLAINED, b"Received: from x " + b"(10.0.0.1)" * 380 + b"\n"),
    "hops that are none": (COMPLAINED, b"Received: from x " + b"[12345678:::]" * 300 + b"\n"),
    "clients in an address field": (COMPLAINED, b"Received-SPF: " + b"client-ip=1:::::::" * 200 + b"\n"),
    "traces of the sender": (COMPLAINED, b"X-%d: eyJ" + b"e30" * 30 + b"\n"),
    "fields that name the complainer": (COMPLAINED, b"X-HmXmrOriginalRecipient: a%d@example.org\n"),
    "hashes for a recipient": (ABUSE + b"Original-Rcpt-To: ", b"0123456789abcdef"),
    "mail that offends": (SPAMCOP, b"[ Offending message ]\n"),
}


def flood(name: str, size_bytes: int = MEGABYTE) -> bytes:
    """So much of that family."""
    head, unit = FAMILIES[name]
    if b"%d" not in unit:
        return (head + unit * (size_bytes // len(unit) + 1))[:size_bytes]
    places = unit.count(b"%d")
    units = [unit % ((number,) * places) for number in range(size_bytes // len(unit) + 1)]
    return (head + b"".join(units))[:size_bytes]

"""Collect what real MTAs write: `python -m tests.mtas.collect [--into DIR] [MTA ...]`.

Starts one MTA after the other in the world of `world`, hands it every case of `cases`, waits for its bounces to arrive
at the sink by SMTP, and writes each as it came over the wire, CRLF line ends and all, to `<DIR>/<mta>/<case>.eml`, with
PROVENANCE.md beside them.  Nothing is added and nothing evened out: dates, queue ids and boundaries are the MTA's.
An MTA takes about a minute, most of it waiting until a deferred message's short life is over.
"""

from __future__ import annotations

import argparse
import re
import smtplib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

from tests.mtas.cases import ALIASES, CASES, Case
from tests.mtas.courier import Courier
from tests.mtas.exim import Exim
from tests.mtas.mta import Mta
from tests.mtas.opensmtpd import OpenSmtpd
from tests.mtas.postfix import Postfix
from tests.mtas.refusing_server import REFUSALS, Envelope, Stage
from tests.mtas.sendmail import Sendmail
from tests.mtas.world import LOCAL_DOMAIN, NAMESERVER, STORIES, World, world

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "mail"
MTAS: Mapping[str, type[Mta]] = {mta.name: mta for mta in (Postfix, Exim, OpenSmtpd, Sendmail, Courier)}
QUEUE_LIFETIME_SECONDS = 20
DELAY_WARNING_SECONDS = 4
COLLECT_SECONDS_MAX = 60.0  # the lifetime, plus the slowest MTA's rounds through its queue
SUBMISSION_SECONDS_MAX = 30.0
REPLY_CHARS_SHOWN = 160


@dataclass
class Collected:
    """What one MTA gave: a DSN by case, for each case without one the reason, and its log."""

    dsns: dict[str, bytes] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    log: str = ""


def main(arguments: Sequence[str]) -> int:
    """The command line; 0 if every MTA ran, however many cases it gave."""
    parser = argparse.ArgumentParser(description="Collect the bounces that real MTAs write.")
    parser.add_argument("mtas", nargs="*", choices=[*MTAS, []], metavar="MTA", help=f"of {', '.join(MTAS)}; all if none")
    parser.add_argument("--into", type=Path, default=FIXTURES, metavar="DIR")
    parser.add_argument("--log", action="store_true", help="print what each MTA logged")
    parser.add_argument("--only", nargs="*", metavar="CASE", help="send only these cases (removes the others' files)")
    options = parser.parse_args(arguments)
    for name in options.mtas or MTAS:
        cases = [case for case in CASES if not options.only or case.name in options.only]
        collected, version = collect(MTAS[name], cases)
        write(collected, options.into / name, provenance(MTAS[name], version, collected))
        sys.stdout.write(f"{name} {version}: {len(collected.dsns)} of {len(cases)} cases\n")
        for case, reason in collected.missing.items():
            sys.stdout.write(f"  {case}: {reason}\n")
        if options.log:
            sys.stdout.write(collected.log)
    return 0


def collect(kind: type[Mta], cases: Sequence[Case] = CASES) -> tuple[Collected, str]:
    """Run one MTA through `cases`; its DSNs, and its Debian version.

    Raises RootUnavailable or MtaFailed if it cannot be run, OSError if the world's addresses are taken.
    """
    collected = Collected()
    with world() as servers:
        mta = kind(
            nameserver=NAMESERVER,
            queue_lifetime_seconds=QUEUE_LIFETIME_SECONDS,
            delay_warning_seconds=DELAY_WARNING_SECONDS,
            aliases=ALIASES,
            local_domain=LOCAL_DOMAIN,
        )
        with mta:
            for case in cases:
                refused = submit(case, mta)
                if refused:
                    collected.missing[case.name] = refused
            waiting = [case for case in cases if case.name not in collected.missing]
            _wait(waiting, servers, collected)
            collected.log = mta.log()
    return collected, mta.version()


def submit(case: Case, mta: Mta) -> str | None:
    """Hand a case's message to an MTA; None if it took it, otherwise what it said instead."""
    with smtplib.SMTP(*mta.submission, timeout=SUBMISSION_SECONDS_MAX) as client:
        client.ehlo("shop.example.com")
        wanted = "smtputf8" if case.smtputf8 else "dsn" if case.notify or case.mail_options else ""
        if wanted and not client.has_extn(wanted):
            return f"the MTA does not offer {wanted.upper()}"
        try:
            client.sendmail(
                case.mail_from,
                case.rcpt_tos,
                case.message(format_datetime(datetime.now(UTC))),
                [*case.mail_options, *(["SMTPUTF8"] if case.smtputf8 else [])],
                [f"NOTIFY={case.notify}"] if case.notify else [],
            )
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            return f"refused at submission: {code} {text.decode(errors='replace')}"
        except smtplib.SMTPResponseException as error:
            return f"refused at submission: {error.smtp_code} {error.smtp_error!r}"
    return None


def action(dsn: bytes) -> str:
    """The Action of a DSN's first recipient, or the empty string (RFC 3464 2.3.3)."""
    match = re.search(rb"^Action:[ \t]*([a-z]+)", dsn, re.MULTILINE | re.IGNORECASE)
    return match[1].decode().lower() if match else ""


def is_wanted(case: Case, dsn: bytes) -> bool:
    """True if this is the DSN that a case waits for."""
    # OpenSMTPD 6.8 calls a message that it gives up "delayed" too, with status 4.4.7; its text alone tells.
    given_up = b"Envelope expired" in dsn
    return ("failed" if given_up else action(dsn)) in case.actions


def write(collected: Collected, folder: Path, story: str) -> None:
    """Write the DSNs and their provenance; those of an earlier run that did not come again are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.eml"):
        if old.stem not in collected.dsns:
            old.unlink()
    for name, dsn in collected.dsns.items():
        (folder / f"{name}.eml").write_bytes(dsn)
    (folder / "PROVENANCE.md").write_text(story)


def provenance(kind: type[Mta], version: str, collected: Collected) -> str:
    """PROVENANCE.md: which program wrote the files, when, and what it was told."""
    title, package = kind.title, kind.packages[0]
    lines = [
        f"# Written by {title} {version.split('-')[0].split('+')[0]}",
        "",
        f"Every `.eml` here is a message that {title} itself wrote and sent, byte for byte as it came over SMTP,",
        "CRLF line ends included.",
        "Its envelope was `MAIL FROM:<>`, `RCPT TO:<bounces+CASE@bounces.example.com>`, where CASE is the file's name.",
        "",
        f"- MTA: {title}, Debian package `{package}` {version}, with no other change than its configuration",
        f"- script: `python -m tests.mtas.collect {kind.name}`; `tests/mtas/{kind.name}.py` holds the configuration, "
        "`tests/mtas/cases.py` what was sent",
        f"- date: {datetime.now(UTC):%Y-%m-%d}",
        f"- queue lifetime {QUEUE_LIFETIME_SECONDS} s instead of days, delay warning after {DELAY_WARNING_SECONDS} s "
        "instead of hours; all on loopback",
        "",
        "| file | sent to | what happened there |",
        "| --- | --- | --- |",
        *(_row(case) for case in CASES if case.name in collected.dsns),
    ]
    if kind.peculiarities:
        lines += ["", f"What is {title}'s own way:", "", *(f"- {sentence}" for sentence in kind.peculiarities)]
    if collected.missing:
        lines += ["", "Cases that gave no file:", ""]
        lines += [f"- {name}: {reason}" for name, reason in collected.missing.items()]
    return "\n".join(lines) + "\n"


def _row(case: Case) -> str:
    recipients = ", ".join(case.rcpt_tos) + (f" with NOTIFY={case.notify}" if case.notify else "")
    happened = "; ".join(_happened(case)).replace("|", "\\|")
    return f"| `{case.name}.eml` | {recipients} | {happened} |"


def _wait(cases: Sequence[Case], servers: World, collected: Collected) -> None:
    envelopes = servers.sink.wait_for(
        lambda envelopes: len(_by_case(cases, envelopes)) == len(cases), timeout_seconds=COLLECT_SECONDS_MAX
    )
    collected.dsns.update(_by_case(cases, envelopes))
    for case in cases:
        if case.name not in collected.dsns:
            collected.missing[case.name] = _why_missing(case, envelopes, servers)


def _why_missing(case: Case, envelopes: Sequence[Envelope], servers: World) -> str:
    for host in servers.hosts:
        for envelope in host.accepted:
            if envelope.mail_from == case.mail_from.encode() and "failed" in case.actions:
                recipients = b", ".join(envelope.rcpt_tos).decode(errors="backslashreplace")
                return f"the MTA delivered it, to {recipients} at {host.name}"
    others = {action(envelope.message) or "none" for envelope in envelopes if _is_to(case, envelope)}
    reason = f"no DSN with action {' or '.join(case.actions)} in {COLLECT_SECONDS_MAX:.0f} s"
    return f"{reason}, but with {', '.join(sorted(others))}" if others else reason


def _by_case(cases: Sequence[Case], envelopes: Sequence[Envelope]) -> dict[str, bytes]:
    """The first DSN of the wanted action for each case."""
    found: dict[str, bytes] = {}
    for case in cases:
        for envelope in envelopes:
            if _is_to(case, envelope) and is_wanted(case, envelope.message):
                found.setdefault(case.name, envelope.message)
    return found


def _is_to(case: Case, envelope: Envelope) -> bool:
    return envelope.mail_from == b"" and case.mail_from.encode() in envelope.rcpt_tos


def _happened(case: Case) -> list[str]:
    """One sentence a recipient: the refusing server's reply, or the domain's story."""
    if case.story:
        return [case.story]
    if case.name in REFUSALS and REFUSALS[case.name].stage in (Stage.CONNECT, Stage.MAIL):
        return [_reply(case.name, case.mail_from, "")]
    return [_happened_to(recipient, case.mail_from) for recipient in case.rcpt_tos]


def _happened_to(recipient: str, sender: str) -> str:
    local_part, _, domain = recipient.partition("@")
    if domain in STORIES:
        return STORIES[domain]
    return _reply(local_part, sender, recipient) if local_part in REFUSALS else "accepted"


def _reply(name: str, sender: str, recipient: str) -> str:
    refusal = REFUSALS[name]
    filled = refusal.filled(sender=sender.encode(), recipient=recipient.encode())
    reply = filled.decode("utf-8", "backslashreplace").strip().replace("\r\n", " / ")
    shown = reply if len(reply) <= REPLY_CHARS_SHOWN else f"{reply[:REPLY_CHARS_SHOWN]}… ({len(reply)} characters)"
    return f"at {refusal.stage.value}: {shown or 'the connection is closed'}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

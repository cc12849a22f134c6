"""To which command a server answered, where only the words for the person say it.

Postfix writes "(in reply to RCPT TO command)" into its notice and leaves it out of the report part. It matters for "user
unknown" under a code that says something else: to RCPT TO it is about the mailbox, after the content it may be a filter's.
"""

import re
from collections.abc import Iterable

import msgspec

from ingest.reading.finding import Finding

_DOUBTFUL = (b"unknown", b"no such", b"not found", b"not exist")
_PHASE = re.compile(r"\(in\s+reply\s+to\s+([A-Za-z]+(?:\s+[A-Za-z]+){0,4})\)")
_ADDRESS = re.compile(r"<([^<>\s]{1,320})>")


def lacks_its_phase(finding: Finding) -> bool:
    """Whether the words sound like a missing mailbox, the code does not say so, and nothing tells what was answered."""
    if finding.status == "5.1.1" or not finding.diagnostic:
        return False
    words = finding.diagnostic.encode("utf-8", "surrogatepass").lower()  # ASCII's letters alone, which is much faster
    for sign in _DOUBTFUL:
        if words.find(sign) >= 0:
            return words.find(b"(in reply to") < 0
    return False


def with_phases(findings: Iterable[Finding], notice: str) -> tuple[Finding, ...]:
    """The findings that lack their phase with the one that `notice` gives in the paragraph of their recipient, if it does."""
    phases: dict[str, str] = {}
    for paragraph in notice.split("\n\n"):
        phase = _PHASE.search(paragraph) if "reply" in paragraph else None
        if phase is not None:
            for address in _ADDRESS.findall(paragraph.partition(":")[0]):
                phases.setdefault(address.lower(), " ".join(phase.group().split()))
    return tuple(_with_phase(finding, phases.get((finding.recipient or "").lower())) for finding in findings)


def _with_phase(finding: Finding, phase: str | None) -> Finding:
    if phase is None or not lacks_its_phase(finding):
        return finding
    return msgspec.structs.replace(finding, diagnostic=f"{finding.diagnostic} {phase}")

"""The report of an import for a person."""

from pathlib import Path

from nullsender.cli.option_names import as_options
from suppression.imports.report import Report


def in_words(report: Report, refused: Path | None) -> str:
    """What came of it, the refused rows last; `refused` is the file that has all of them."""
    would = "would be " if report.dry_run else ""
    rows = [
        ("rows", report.rows, f"read as {report.format}: {report.why}"),
        (f"{would}taken", report.taken, "new on the list"),
        (f"{would}merged", report.merged, "on the list already, and stronger now"),
        ("kept", report.kept, "as strong there already"),
        ("refused", report.refused, ""),
    ]
    width = max(len(name) for name, _, _ in rows)
    lines = [f"{name:<{width}} {count:>12,}  {what}".rstrip() for name, count, what in rows]
    for cause, counts in sorted(report.causes.items()):
        said = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
        lines.append(f"  {cause}: {said}")
    if report.dates_unread:
        lines.append(f"rows with a date that nobody can read, which counts as none: {report.dates_unread:,}")
    if report.refused:
        lines += ["", "refused, because:"]
        reasons = sorted(report.reasons.items(), key=lambda it: -it[1])
        lines += [f"{count:>12,}  {as_options(reason)}" for reason, count in reasons]
        lines += ["", "the first of them:"]
        lines += [f"  line {shown.line}: {as_options(shown.reason)}" for shown in report.shown]
        lines.append(f"all of them stand in {refused}")
    lines.append("Nothing was changed." if report.dry_run else f"The file's SHA-256 is {report.sha256}.")
    return "\n".join(lines)

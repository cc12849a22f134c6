"""How surely a report is about mail of ours, for a message whose envelope somebody remembers, or not."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from ingest.proof import Prover, without_keys
from ingest.reading.report import Reading
from nullsender import secret_keys
from nullsender.config import Settings
from nullsender.errors import Misconfigured
from nullsender.events import Proof, Report, Source
from nullsender.signing.keys import SigningKeys

_PROOFS = {
    Proof.RETURN_PATH: "it came to a return path that we signed",
    Proof.TOKEN: "it returns the token that we signed",
    Proof.SOURCE: "it came from a source that the settings trust",
}
assert _PROOFS.keys() == set(Proof) - {Proof.NONE}


class Ties(NamedTuple):
    """What ties reports to mail of ours: the installation's keys, and the envelope as far as it was told."""

    source: Source = Source()
    prover: Prover | None = None
    why_no_prover: str = "this installation has no keys yet"

    @property
    def are_known(self) -> bool:
        """Whether nothing more could be found out with the envelope."""
        return self.prover is not None and bool(self.source.rcpt_to)

    def prove(self, reading: Reading, now: datetime) -> Sequence[Report]:
        """The reports of `reading` with what is proven about each."""
        return self.prover.prove(reading, self.source, today=now.date()) if self.prover else without_keys(reading)

    def sentence(self, report: Report) -> str:
        """What is known of the ties of `report`, and how more could be."""
        if report.withheld:
            return f"withheld: {report.withheld}{'' if self.prover else f'; not checked: {self.why_no_prover}'}"
        if report.proof is not Proof.NONE:
            return f"{report.proof}: {_PROOFS[report.proof]}"
        if self.prover is None:
            return f"not checked: {self.why_no_prover}"
        if self.are_known:
            return "none: nothing ties it to mail that we sent"
        return "none in the message itself; tell to which address it came: --rcpt-to ADDRESS"


def ties_of(settings: Settings, source: Source) -> Ties:
    """With the keys of this installation, where it has some that we may read. None are made."""
    if not settings.secrets_file.exists():
        return Ties(source, None, f"no keys in {settings.data} (--data DIR says where they are)")
    try:
        keys = SigningKeys(secret_keys.load_or_make(settings.secrets_file).signing_keys)
    except Misconfigured as trouble:
        return Ties(source, None, str(trouble))
    return Ties(source, Prover(keys, trusted_sources=settings.mx.trusted_sources))

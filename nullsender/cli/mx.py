"""`nullsender mx`: the inbound MX."""

import argparse
import ssl

import uvloop

from ingest.mx.server import MxSettings, serve
from ingest.mx.session import SessionLimits
from nullsender.cli import parts
from nullsender.cli.running import event_loop, role
from nullsender.config import Settings
from nullsender.errors import Misconfigured
from nullsender.signing.keys import SigningKeys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where it listens."""
    role.add_arguments(parser)
    parser.add_argument("--smtp", metavar="HOST:PORT", help="where the MX listens (default: 127.0.0.1:2525)")


def run(arguments: argparse.Namespace) -> int:
    """Take mail until told to stop."""
    with role.running("mx", arguments) as ours, parts.open_log(ours.settings) as log, log.producer() as producer:
        settings = ours.settings
        keys = SigningKeys(parts.keys_of(settings).signing_keys)

        async def main() -> None:
            await serve(
                mx_settings(settings),
                producer=producer,
                keys=keys,
                clock=parts.CLOCK,
                stopping=event_loop.event_of(ours.stop),
                listening=lambda _address: event_loop.beat(ours.heart.pulse("the MX")),
            )

        try:
            uvloop.run(main())
        except OSError as error:
            raise Misconfigured(
                f"the MX can not listen on {settings.smtp} ({error.strerror}): choose another (smtp)"
            ) from error
    return 0


def mx_settings(settings: Settings) -> MxSettings:
    """What the MX has to know of the settings. `Misconfigured` where the certificate or its key is none."""
    return MxSettings(
        host=settings.smtp.host,
        port=settings.smtp.port,
        hostname=settings.mx.hostname,
        domains=settings.domains,
        accept_unknown_local_parts=settings.mx.unknown_local_parts == "accept",
        trusted_sources=settings.mx.trusted_sources,
        tls=_tls_of(settings),
        session=SessionLimits(message_bytes_max=settings.mx.message_bytes_max),
    )


def _tls_of(settings: Settings) -> ssl.SSLContext | None:
    certificate, key = settings.mx.tls_certificate, settings.mx.tls_key
    if certificate is None or key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except (ssl.SSLError, OSError) as error:
        raise Misconfigured(f"mx.tls_certificate {certificate} and mx.tls_key {key} do not work together: {error}") from error
    return context

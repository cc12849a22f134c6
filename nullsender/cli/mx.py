"""`nullsender mx`: the inbound MX."""

import argparse
import asyncio
import ssl
from collections.abc import Callable

import uvloop

from ingest.mx.server import MxSettings, serve
from ingest.mx.session import SessionLimits
from ingest.signing.keys import SigningKeys
from nullsender.cli import parts
from nullsender.cli.running import role
from nullsender.cli.running.stopping import Stop
from nullsender.config import Settings
from nullsender.errors import Misconfigured
from nullsender.limits import BEAT_SECONDS


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
                stopping=_event_of(ours.stop),
                listening=lambda _address: _beat(ours.heart.pulse("the MX")),
            )

        try:
            uvloop.run(main())
        except OSError as error:
            raise Misconfigured(
                f"the MX can not listen on {settings.smtp} ({error.strerror}): choose another (smtp)"
            ) from error
    return 0


def _beat(stopping: Callable[[], bool]) -> None:
    """Ask again and again, as the other roles' loops do, for the heart to see that the event loop turns."""
    if not stopping():
        asyncio.get_running_loop().call_later(BEAT_SECONDS, _beat, stopping)


def _event_of(stop: Stop) -> asyncio.Event:
    """An event of the running loop that is set when `stop` is requested."""
    loop, event = asyncio.get_running_loop(), asyncio.Event()
    stop.when_requested(lambda: loop.call_soon_threadsafe(event.set))
    return event


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

"""/healthz, /readyz and /metrics: for those who run the system. They need no key and tell nothing about anybody."""

import logging
from collections.abc import Sequence

import anyio
import anyio.to_thread
from fastapi import APIRouter, Response

from api.http.parts import Parts, UsedParts
from api.http.problems import unavailable
from api.http.schemas import HealthReply
from api.lookup import Lookup
from nullsender import telemetry
from nullsender.errors import Misconfigured, Transient
from nullsender.limits import API_READY_SECONDS_MAX
from suppression.store.store import Store

_log = logging.getLogger("api")

routes = APIRouter(tags=["operations"])


@routes.get("/healthz", operation_id="health", response_description="The process serves.")
async def health() -> HealthReply:
    """The process lives and serves. Restart it when this fails."""
    return HealthReply()


@routes.get("/readyz", operation_id="ready", response_description="Everything works.")
async def ready(parts: UsedParts) -> HealthReply:
    """Everything works: the store answers, the lookup table is fresh, the pipeline runs. 503 says what does not."""
    troubles: Sequence[str] = ["the store does not answer"]
    with anyio.move_on_after(API_READY_SECONDS_MAX):
        troubles = await parts.threads.run(_troubles, parts)
    if troubles:
        raise unavailable("; ".join(troubles))
    return HealthReply()


@routes.get(
    "/metrics",
    operation_id="metrics",
    response_class=Response,
    responses={200: {"description": "The metrics.", "content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(parts: UsedParts) -> Response:
    """All metrics in Prometheus' text format."""
    telemetry.LOOKUP_STALENESS.set(parts.lookup.staleness_seconds())
    exposition = await anyio.to_thread.run_sync(telemetry.exposition)  # it reads a file of every process
    return Response(exposition, media_type="text/plain; version=0.0.4; charset=utf-8")


def _troubles(parts: Parts) -> Sequence[str]:
    said = [_trouble_of_store(parts.store), _trouble_of_table(parts.lookup), *(check() for check in parts.checks)]
    return [trouble for trouble in said if trouble]


def _trouble_of_store(store: Store) -> str | None:
    try:
        store.ready()
    except Transient as trouble:
        _log.warning("the store does not answer", extra={"facts": {"what": trouble}})
        return "the store does not answer"
    except Misconfigured as mistake:
        _log.error("the store can not be used as it is", extra={"facts": {"what": mistake}})
        return "the store can not be used as it is: `nullsender doctor` says what to change"
    return None


def _trouble_of_table(lookup: Lookup) -> str | None:
    if lookup.is_fresh():
        return None
    return "the lookup table is stale or missing, so every lookup asks the store: is the role `nullsender follow` running?"

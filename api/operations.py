"""/healthz, /readyz and /metrics: for those who run the system. They need no key and tell nothing about anybody."""

from collections.abc import Callable, Sequence
from http import HTTPStatus

from fastapi import APIRouter, Response

from api.lookup import Lookup
from api.problems import documented, unavailable
from api.schemas import HealthReply
from api.threads import StoreThreads
from nullsender import telemetry
from nullsender.errors import Transient
from suppression.store import Store

#: Says what is wrong with one part of the system, or None. May block.
Check = Callable[[], str | None]


def operation_routes(store: Store, lookup: Lookup, threads: StoreThreads, further_checks: Sequence[Check]) -> APIRouter:
    """The routes that need no key."""
    routes = APIRouter(tags=["operations"])
    checks = (_store_check(store), _table_check(lookup), *further_checks)

    @routes.get("/healthz")
    async def health() -> HealthReply:
        """The process lives and serves. Restart it when this fails."""
        return HealthReply()

    @routes.get("/readyz", responses=documented(HTTPStatus.SERVICE_UNAVAILABLE))
    async def ready() -> HealthReply:
        """Everything works: the store answers, the lookup table is fresh, the pipeline runs. 503 says what does not."""
        troubles = await threads.run(_troubles, checks)
        if troubles:
            raise unavailable("; ".join(troubles))
        return HealthReply()

    @routes.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """All metrics in Prometheus' text format."""
        telemetry.LOOKUP_STALENESS.set(lookup.staleness_seconds())
        return Response(telemetry.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return routes


def _troubles(checks: Sequence[Check]) -> Sequence[str]:
    return [trouble for trouble in (check() for check in checks) if trouble]


def _store_check(store: Store) -> Check:
    def check() -> str | None:
        try:
            store.ready()
        except Transient as trouble:
            return f"the store does not answer: {trouble}"
        return None

    return check


def _table_check(lookup: Lookup) -> Check:
    def check() -> str | None:
        if lookup.is_fresh():
            return None
        return "the lookup table is stale or missing, so every lookup asks the store: is the role `nullsender follow` running?"

    return check

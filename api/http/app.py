"""The HTTP API put together: routes, keys, problems, metrics. `server.py` serves it."""

from collections import Counter
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

from fastapi import Depends, FastAPI, Request, Response
from fastapi.routing import APIRoute

from api.http import (
    batches,
    checks,
    deliveries,
    exports,
    history,
    imports,
    incidents,
    jobs,
    operations,
    privacy,
    scrub,
    suppressions,
    unsubscribe,
    unsubscribes,
)
from api.http.auth import TENANT_HEADER
from api.http.clients import WrongKeys
from api.http.edge import Edge
from api.http.hits import Hits
from api.http.keys import Keys
from api.http.parts import Check, Parts
from api.http.problems import (
    POSSIBLE_EVERYWHERE,
    Problem,
    ProblemBody,
    ProblemKind,
    answer_with_problems,
    documented,
    kinds_in_words,
    problem_of,
    response_of,
)
from api.http.quick import QuickCheck
from api.http.rates import Rates
from api.http.unsubscribing import UnsubscribeSettings, Unsubscribing
from api.lookup import Lookup
from api.threads import StoreThreads
from nullsender.clock import Clock
from nullsender.limits import API_RATE_PER_SECOND, API_STORE_THREADS_MAX, API_STORE_WAITING_MAX
from nullsender.signing.unsubscribe_headers import ONE_CLICK_PATH
from suppression.store.jobs import StoreJobs
from suppression.store.store import Store

_ABOUT = """May I send to this address? Which addresses may I not send to, why, and who decided?

Every error is a problem (RFC 9457, `application/problem+json`): `type` is for programs, `detail` says in words what to do.
A 503 means that it can not be told now; nothing is ever guessed. These are all kinds of problems:

{kinds}"""

_TAGS = {
    "lookups": "May I send? For keys with the scope `check`.",
    "the list": "What stands on the list, and what people do to it. For keys with the scopes `read` and `write`.",
    "privacy": "What a person may ask for: everything that is held, or to be erased. Scopes `read` and `write`.",
    "unsubscribing": "Links for mail, where they lead, and how each person asked. `/u/…` needs no key.",
    "incidents": "Many reports at once, taken off the list and put back; what is held for a review. Scopes `read` and `write`.",
    "long work": "Exports, and how far they and other jobs have come. For keys with the scopes `export`, `read` and `write`.",
    "operations": "For those who run the system. No key is needed.",
}

_MODULES = (
    checks,
    batches,
    scrub,
    suppressions,
    deliveries,
    history,
    privacy,
    unsubscribe,
    unsubscribes,
    exports,
    imports,
    jobs,
    incidents,
    operations,
)


class Api(NamedTuple):
    """What `server.serve` needs."""

    app: FastAPI
    quick: QuickCheck


def open_api(
    store: Store,
    lookup: Lookup,
    *,
    clock: Clock,
    unsubscribing: UnsubscribeSettings,
    exports_folder: Path,
    imports_folder: Path,
    rate_per_second: int = API_RATE_PER_SECOND,
    processes: int = 1,
    further_checks: Sequence[Check] = (),
) -> Api:
    """The API of one process.

    `rate_per_second`: of a key that carries none, 0 for no limit; the `processes` of this machine share it. `further_checks`
    say what is wrong with other parts of the system; `/readyz` repeats it.
    """
    threads = StoreThreads(threads=API_STORE_THREADS_MAX, waiting_max=API_STORE_WAITING_MAX)
    rates = Rates(clock, per_second=rate_per_second, processes=processes)
    parts = Parts(
        store=store,
        lookup=lookup,
        hits=Hits(lookup, threads),
        keys=Keys(store, threads, clock, rates),
        wrong_keys=WrongKeys(clock),
        threads=threads,
        unsubscribing=Unsubscribing(unsubscribing, clock),
        jobs=StoreJobs.beside(store),
        exports_folder=exports_folder,
        imports_folder=imports_folder,
        clock=clock,
        checks=further_checks,
    )
    return Api(create_app(parts), QuickCheck(lookup, parts.hits, parts.keys, clock))


def create_app(parts: Parts) -> FastAPI:
    """The routes over these parts."""
    app = _Documented(
        title="nullsender",
        version="1",
        description=_ABOUT.format(kinds=kinds_in_words()),
        redirect_slashes=False,
        openapi_tags=[{"name": name, "description": words} for name, words in _TAGS.items()],
        servers=[{"url": "/", "description": "This server."}],
        docs_url=None,  # its page loads scripts from elsewhere; /openapi.json is all that a viewer needs
        redoc_url=None,
        responses=documented(*POSSIBLE_EVERYWHERE),
        dependencies=[Depends(_require_single_parameters)],
    )
    app.state.parts = parts
    for module in _MODULES:
        app.include_router(module.routes)
    answer_with_problems(app)
    app.add_exception_handler(HTTPStatus.METHOD_NOT_ALLOWED, _wrong_method)
    app.add_middleware(batches.QuickBatches, parts=parts)
    app.add_middleware(Edge)  # the last is the outermost
    return app


class _Documented(FastAPI):
    """FastAPI, whose OpenAPI holds the one shape that every problem refers to."""

    def openapi(self) -> dict[str, Any]:
        """What /openapi.json says."""
        document = super().openapi()
        document["components"]["schemas"][ProblemBody.__name__] = ProblemBody.model_json_schema()
        return document


async def _wrong_method(request: Request, error: Exception) -> Response:
    """405 with every method of the path (RFC 9110 15.5.6): the framework names those of the first route there and no others."""
    problem = problem_of(error)
    path = request.scope["path"]
    routes = [route for module in _MODULES for route in module.routes.routes if isinstance(route, APIRoute)]
    methods = {method for route in routes if route.path_regex.match(path) for method in route.methods or ()}
    answer = response_of(problem, path)
    if methods:
        answer.headers["Allow"] = ", ".join(sorted(methods))
    return answer


async def _require_single_parameters(request: Request) -> None:
    """Two values for one query parameter, or two tenants, or keys: whichever we took, the caller may have meant the other."""
    if request.scope["path"].startswith(ONE_CLICK_PATH):
        return  # who forwards a mail may add to its links what they like
    counted = Counter(name for name, _ in request.query_params.multi_items())
    counted.update({field: len(request.headers.getlist(field)) for field in (TENANT_HEADER, "Authorization")})
    if repeated := [name for name, times in counted.items() if times > 1]:
        raise Problem(ProblemKind.INVALID_REQUEST, f"given more than once: {', '.join(sorted(repeated))}")

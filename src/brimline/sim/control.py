"""Everything but chat: the list of models, what tests ask for, and the errors of wrong URLs."""

import ipaddress
from collections.abc import Awaitable, Callable, Mapping

import msgspec
from aiohttp import web

from brimline.sim.dialect import Words
from brimline.sim.dialects.openai_words import error_words
from brimline.sim.routes import find
from brimline.sim.session import Session
from brimline.sim.tables import to_words


async def control(
    request: web.BaseRequest, session: Session, now: int, reset: Callable[[], Awaitable[None]]
) -> web.Response:
    """Answer any request that is no chat; /v1 may stand before each path."""
    path = request.path.removeprefix("/v1")
    if path.startswith("/sim/") and not is_local(request.remote):
        return _error(error_words(403, "The control endpoints answer on loopback only."))
    if request.method == "POST" and path == "/sim/reset":
        await reset()
        return _json({"reset": True})
    view = _VIEWS.get(path) if request.method == "GET" else None
    return view(session, now) if view is not None else _error(_no_such_url(request))


def _models(session: Session, _now: int) -> web.Response:
    about = {"object": "model", "created": 1_700_000_000, "owned_by": "sim"}
    return _json({"object": "list", "data": [{"id": name} | about for name in session.world.models]})


def _stats(session: Session, now: int) -> web.Response:
    return _json(session.ledger.stats(now))


def _ledger(session: Session, _now: int) -> web.Response:
    return web.Response(body=session.ledger.lines(), content_type="application/x-ndjson")


def _scenario(session: Session, _now: int) -> web.Response:
    return _json(to_words(session.world.scenario))


_VIEWS: Mapping[str, Callable[[Session, int], web.Response]] = {
    "/models": _models,
    "/sim/stats": _stats,
    "/sim/ledger": _ledger,
    "/sim/scenario": _scenario,
}


def _no_such_url(request: web.BaseRequest) -> Words:
    if find(request.path, dict, request.headers) is not None and request.method != "POST":
        return error_words(
            405, f"Not allowed to {request.method} on {request.path}.", code="method_not_supported"
        )
    return error_words(404, f"Invalid URL ({request.method} {request.path})")


def _json(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")


def _error(error: Words) -> web.Response:
    return web.Response(status=error.status, body=error.body, content_type=error.media)


def is_local(address: str | None) -> bool:
    """Whether an address is of this machine."""
    return address is not None and ipaddress.ip_address(address).is_loopback

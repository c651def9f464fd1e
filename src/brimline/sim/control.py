"""Everything that is no model's work: lists of models, files, what tests ask for, and wrong URLs."""

import ipaddress
import re
from collections.abc import Awaitable, Callable, Mapping

import msgspec
from aiohttp import web

from brimline.sim.dialect import Words
from brimline.sim.dialects.gemini_files import FileCall, file_words, key_words, upload_words
from brimline.sim.dialects.gemini_words import Google
from brimline.sim.dialects.openai_words import error_words
from brimline.sim.listing import listing
from brimline.sim.routes import find
from brimline.sim.session import Session
from brimline.sim.tables import to_words

_FILES = re.compile(r"(?P<upload>/upload)?/(?P<version>v1(?:beta)?)/(?:files|(?P<name>files/[^/]+))")


async def control(
    request: web.BaseRequest, session: Session, now: int, reset: Callable[[], Awaitable[None]]
) -> web.Response:
    """Answer any such request; /v1 may stand before each path."""
    path = request.path.removeprefix("/v1")
    found = _FILES.fullmatch(request.path)
    if found is not None:
        return await _files(request, session, now, found)
    if path.startswith("/sim/") and not is_local(request.remote):
        return _words(error_words(403, "The control endpoints answer on loopback only."))
    if request.method == "POST" and path == "/sim/reset":
        await reset()
        return _json({"reset": True})
    if request.method == "GET":
        listed = listing(request.path, request.headers, session.world.models)
        view = _VIEWS.get(path)
        if listed is not None:
            return _json(listed)
        if view is not None:
            return view(session, now)
    return _words(_no_such_url(request, session))


async def _files(request: web.BaseRequest, session: Session, now: int, found: re.Match[str]) -> web.Response:
    """Gemini's File API, which has no limits here."""
    call = FileCall(
        request.method,
        found["name"] or "",
        request.headers,
        request.query,
        await request.read(),
        f"{request.scheme}://{request.host}/{found['version']}",
        session.world.wall(now),
    )
    keys, key = session.world.scenario.keys, Google("", request.query.get("key")).key(request.headers)
    if keys is not None and key not in keys and "upload_id" not in request.query:
        return _words(key_words(key))
    if found["upload"] and request.method == "POST":
        return _words(upload_words(session.files, call))
    return _words(file_words(session.files, call))


def _stats(session: Session, now: int) -> web.Response:
    return _json(session.ledger.stats(now))


def _ledger(session: Session, _now: int) -> web.Response:
    return web.Response(body=session.ledger.lines(), content_type="application/x-ndjson")


def _scenario(session: Session, _now: int) -> web.Response:
    return _json(to_words(session.world.scenario))


_VIEWS: Mapping[str, Callable[[Session, int], web.Response]] = {
    "/sim/stats": _stats,
    "/sim/ledger": _ledger,
    "/sim/scenario": _scenario,
}


def _no_such_url(request: web.BaseRequest, session: Session) -> Words:
    if request.method != "POST" and find(request, session.files) is not None:
        return error_words(
            405, f"Not allowed to {request.method} on {request.path}.", code="method_not_supported"
        )
    return error_words(404, f"Invalid URL ({request.method} {request.path})")


def _json(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")


def _words(words: Words) -> web.Response:
    headers = dict(line.split(": ", 1) for line in words.lines.splitlines())
    return web.Response(status=words.status, body=words.body, headers={"Content-Type": words.media} | headers)


def is_local(address: str | None) -> bool:
    """Whether an address is of this machine."""
    return address is not None and ipaddress.ip_address(address).is_loopback

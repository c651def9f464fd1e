"""Requests, answers and what came of them, as short as tests want them."""

from hashlib import blake2b

from brimline.types import Failure, Fault, FaultKind, Request, Response, Success, Usage


def key_of(text):
    """A key as requests have it: 32 hex digits."""
    return blake2b(str(text).encode(), digest_size=16).hexdigest()


def request(id_=0, model="lab/x", text="hi", *, turns=1, **more):
    given = {"key": key_of((model, text)), **more}
    messages = ({"role": "user", "content": text},)
    return Request(id=id_, model=model, messages=messages, follow_ups=("and?",) * (turns - 1), **given)


def response(text="yes", **more):
    given = {"finish_reason": "stop", "usage": Usage(7, 3), "model": "x-2026", "request_id": "req_1", **more}
    return Response(text=text, **given)


def success(asked=None, *responses, **more):
    given = {"attempts": 1, "sent_at": 1_700_000_000_123_456_789, "latency": 0.25, **more}
    return Success(request=asked or request(), responses=responses or (response(),), **given)


def failure(asked=None, kind=FaultKind.SERVER_ERROR, *responses, **more):
    fault = Fault(kind, "it broke", http_status=500, provider_code="oops")
    given = {"attempts": 5, "sent_at": None, "latency": None, **more}
    return Failure(request=asked or request(), fault=fault, responses=responses, **given)

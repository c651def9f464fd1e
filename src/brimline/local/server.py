"""The server: OpenAI's chat and text completions, plain and in pieces, and prompto's `/generate`.

It binds to loopback unless told otherwise, and then asks for a token. A model that blocks is asked in a thread; so many
are asked at once as there are workers, and the others wait.
"""

import asyncio
import hmac
import logging
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from itertools import count
from typing import Annotated, Any

import msgspec
from aiohttp import web

from brimline.local.models import Answer, LocalModel, Prompt
from brimline.types import Secret

_MOST = 64 << 20
"""Bytes of a request."""

_OWN = {"model", "messages", "prompt", "stream", "stream_options", "n", "user"}
_encode = msgspec.json.Encoder().encode
_log = logging.getLogger(__name__)


class _Body(msgspec.Struct):
    model: str = ""
    messages: list[dict[str, Any]] | None = None
    prompt: str | None = None
    stream: bool = False
    n: Annotated[int, msgspec.Meta(ge=1, le=16)] = 1


class _Generate(msgspec.Struct):
    text: str
    options: dict[str, Any] = {}


class Service:
    """Answers requests with one model.

    Args:
        model: The model.
        name: What it is called.
        workers: How many prompts it answers at once.
        token: What clients have to show, or None.
    """

    def __init__(self, model: LocalModel, name: str, *, workers: int, token: Secret | None = None) -> None:
        self._model = model
        self._name = name
        self._token = token
        self._numbers = count(1)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="brimline-model")

    def app(self) -> web.Application:
        """Return it as an application."""
        app = web.Application(client_max_size=_MOST, middlewares=[self._admit])
        app.router.add_get("/", _pong)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/completions", self._completion)
        app.router.add_post("/generate", self._generate)
        app.on_cleanup.append(self._close)
        return app

    @web.middleware
    async def _admit(self, request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
        if self._token is not None and request.path != "/":
            shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(shown.encode(), self._token.reveal().encode()):
                return _error(401, "the token is missing or wrong", "invalid_api_key")
        try:
            answered: web.StreamResponse = await handler(request)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return _error(400, f"the request cannot be read: {error}", "invalid_value")
        except web.HTTPException:
            raise
        except Exception as error:  # noqa: BLE001  a model's failure is its client's news
            _log.warning("the model failed: %r", error)  # its repr, in which texts have no control characters
            return _error(500, f"the model failed: {type(error).__name__}: {error}", "server_error")
        return answered

    async def _models(self, _: web.Request) -> web.Response:
        entry = {"id": self._name, "object": "model", "created": 0, "owned_by": "local"}
        return web.json_response({"object": "list", "data": [entry]})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body, options = _read(await request.read())
        if not body.messages:
            return _error(400, "messages are missing", "missing_required_parameter")
        prompt = Prompt(
            text=_last(body.messages), messages=tuple(body.messages), options=options, model=body.model
        )
        answers = await self._answers(prompt, body.n)
        if body.stream:
            return await self._stream(request, answers[0])
        choices = [
            {
                "index": index,
                "message": {"role": "assistant", "content": answer.text},
                "finish_reason": answer.finish_reason,
            }
            for index, answer in enumerate(answers)
        ]
        return _whole(self._head("chat.completion") | {"choices": choices, "usage": _usage(answers)})

    async def _completion(self, request: web.Request) -> web.StreamResponse:
        body, options = _read(await request.read())
        if body.prompt is None:
            return _error(400, "prompt is missing", "missing_required_parameter")
        if body.stream:
            return _error(400, "completions are not streamed here; chat completions are", "unsupported")
        answers = await self._answers(Prompt(text=body.prompt, options=options, model=body.model), body.n)
        choices = [
            {"index": index, "text": answer.text, "finish_reason": answer.finish_reason, "logprobs": None}
            for index, answer in enumerate(answers)
        ]
        return _whole(self._head("text_completion") | {"choices": choices, "usage": _usage(answers)})

    async def _generate(self, request: web.Request) -> web.Response:
        """Answer in the form of prompto's server; that one ignores the options."""
        body = msgspec.json.decode(await request.read(), type=_Generate)
        (answer,) = await self._answers(Prompt(text=body.text, options=body.options), 1)
        return _whole({"response": [{"generated_text": answer.text}], "model": self._name})

    async def _answers(self, prompt: Prompt, number: int) -> list[Answer]:
        loop = asyncio.get_running_loop()
        asked = [loop.run_in_executor(self._threads, self._model, prompt) for _ in range(number)]
        return [await each for each in asked]

    async def _stream(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        """Send an answer in OpenAI's events; it is whole already, so there is one piece of text."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        deltas: list[tuple[dict[str, str], str | None]] = [
            ({"role": "assistant", "content": answer.text}, None),
            ({}, answer.finish_reason),
        ]
        head = self._head("chat.completion.chunk")
        for delta, finish in deltas:
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            await response.write(b"data: " + _encode(head | {"choices": [choice]}) + b"\n\n")
        await response.write(b"data: " + _encode(head | {"choices": [], "usage": _usage([answer])}) + b"\n\n")
        await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": f"local-{next(self._numbers)}",
            "object": kind,
            "created": time.time_ns() // 1_000_000_000,
            "model": self._name,
        }

    async def _close(self, _: web.Application) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


@asynccontextmanager
async def serve(service: Service, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve for as long as the block runs; yields the base URL. Port 0 takes a free one."""
    runner = web.AppRunner(service.app(), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        taken = runner.addresses[0][1]
        yield f"http://{f'[{host}]' if ':' in host else host}:{taken}/v1"
    finally:
        await runner.cleanup()


def _read(body: bytes) -> tuple[_Body, dict[str, Any]]:
    """Return what a request says, and its generation parameters."""
    read = msgspec.json.decode(body, type=_Body)
    whole = msgspec.json.decode(body)
    return read, {name: value for name, value in whole.items() if name not in _OWN}


def _last(messages: list[dict[str, Any]]) -> str:
    content = next((each.get("content") for each in reversed(messages) if each.get("role") == "user"), "")
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")


def _usage(answers: list[Answer]) -> dict[str, int] | None:
    if any(answer.output_tokens is None for answer in answers):
        return None
    into, out = answers[0].input_tokens or 0, sum(answer.output_tokens or 0 for answer in answers)
    return {"prompt_tokens": into, "completion_tokens": out, "total_tokens": into + out}


def _whole(body: dict[str, Any]) -> web.Response:
    return web.Response(body=_encode(body), content_type="application/json")


def _error(status: int, message: str, code: str) -> web.Response:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return web.Response(status=status, body=_encode({"error": error}), content_type="application/json")


async def _pong(_: web.Request) -> web.Response:
    return web.Response(text="pong")

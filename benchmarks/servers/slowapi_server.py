"""FastAPI with slowapi's limit of 2 requests a second, answering in randint(2, 5) seconds; it logs what it did.

It speaks as much of OpenAI's chat completions as clients need. `GET /log` gives a JSON line for each request in order
of arrival: when it came, its status, the latency that was drawn, when the reply had left. Usage: `slowapi_server.py
SEED`. The first line of output is its base URL; it ends when its standard input is closed.
"""

import asyncio
import json
import random
import socket
import sys
import threading
import time

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse
from slowapi import Limiter, _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded
from slowapi.util import get_remote_address

CHAT = "/v1/chat/completions"


class Log:
    """Notes when each chat request arrives and when its reply has left; around the application."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self.entries: list[dict] = []

    async def __call__(self, scope: dict, receive, send) -> None:
        if scope.get("path") != CHAT:
            await self._app(scope, receive, send)
            return
        entry = {"arrived": time.monotonic(), "status": 0, "draw": None, "done": None}
        self.entries.append(entry)
        scope["entry"] = entry

        async def noting(message: dict) -> None:
            await send(message)
            entry["status"] = message.get("status", entry["status"])
            entry["done"] = time.monotonic()

        await self._app(scope, receive, noting)


def make_app(seed: int) -> Log:
    """Return the application with its log around it."""
    rng = random.Random(seed)
    limiter = Limiter(key_func=get_remote_address)
    app = FastAPI()
    app.state.limiter = limiter
    app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)
    log = Log(app)

    @app.post(CHAT)
    @limiter.limit("2/second")
    async def chat(request: Request) -> dict:
        asked = await request.json()
        draw = rng.randint(2, 5)
        request.scope["entry"]["draw"] = draw
        await asyncio.sleep(draw)
        message = {"role": "assistant", "content": asked["messages"][-1]["content"]}
        return {
            "id": "chatcmpl-0",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": asked["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20},
        }

    @app.get("/log")
    async def show() -> PlainTextResponse:
        return PlainTextResponse("".join(json.dumps(entry) + "\n" for entry in log.entries))

    return log


def main() -> None:
    """Serve until standard input is closed."""
    server = uvicorn.Server(uvicorn.Config(make_app(int(sys.argv[1])), log_level="error"))
    sock = socket.create_server(("127.0.0.1", 0))

    def end_with_parent() -> None:
        sys.stdin.read()
        server.should_exit = True

    threading.Thread(target=end_with_parent, daemon=True).start()
    print(f"http://127.0.0.1:{sock.getsockname()[1]}/v1", flush=True)
    server.run(sockets=[sock])


if __name__ == "__main__":
    main()

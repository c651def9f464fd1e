"""A function as an endpoint: the user's own client, a chain, a model in this process. It gets limits, retries, journal."""

import asyncio
import contextvars
import functools
import inspect
import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

from brimline.config import Endpoint
from brimline.config.named import load_named
from brimline.core.lane import Attempt
from brimline.data.media import MediaError, embed
from brimline.engine.foreign import fault_of, response_of
from brimline.engine.live import LiveEndpoint
from brimline.errors import ConfigError
from brimline.types import Fault, FaultKind, Message, Request, Response

log = logging.getLogger("brimline.engine")

Function: TypeAlias = Callable[[Request], Any]
"""An `async def` or an ordinary function."""


class CallableEndpoint(LiveEndpoint):
    """Lets a function answer.

    An `async def` runs on the engine's loop, any other function in a thread of its own, since it may block. A thread
    cannot be stopped: when its attempt has timed out, its answer is dropped.

    What it returns is the text, a `Response`, a `Fault`, or the answer of a known SDK.

    Args:
        name: The endpoint's name, for messages.
        function: Gets a request whose messages hold the history of its conversation; or an object with `ainvoke`, as
            LangChain's runnables have it.
    """

    def __init__(self, name: str, function: Any) -> None:
        super().__init__()
        self._name = name
        self._function: Function = _asked(function)
        self._is_async = _is_async(self._function)
        for client, retries in hidden_retries(function):
            log.warning(
                "endpoint '%s': %s sends up to %d times by itself, which no limit sees and no result counts; "
                "make it with max_retries=0",
                name, client, 1 + retries,
            )  # fmt: skip

    async def _send(self, attempt: Attempt, departed: Callable[[], None]) -> Response | Fault:
        try:
            request = _in_full(*attempt.exchange)
        except MediaError as error:
            return Fault(FaultKind.INVALID_REQUEST, f"it cannot be sent: {error}")
        departed()
        try:
            if self._is_async:
                answer = await self._function(request)
            else:
                answer = await _in_a_thread(functools.partial(self._function, request))
                if inspect.isawaitable(answer):
                    answer = await answer
        except Exception as error:  # noqa: BLE001  whatever it is, it is the function's answer
            return fault_of(error)
        return response_of(answer)

    async def close(self) -> None:
        """There is nothing to let go of."""


def find_function(endpoint: Endpoint) -> Any:
    """Return the function of an endpoint; modules of the working folder are found, too.

    Raises:
        ConfigError: There is nothing of that name, or its module fails.
    """
    reference = endpoint.function
    return load_named(reference) if isinstance(reference, str) else reference


def name_of(function: Any) -> str | None:
    """Return `module:name` of a function, or None of none."""
    if function is None or isinstance(function, str):
        return function
    kind = function if hasattr(function, "__qualname__") else type(function)
    return f"{kind.__module__}:{kind.__qualname__}"


def hidden_retries(function: Any) -> list[tuple[str, int]]:
    """Return the clients that a function can be seen to use and that send again by themselves, and how often."""
    try:
        seen = inspect.getclosurevars(inspect.unwrap(function))
        known = {**seen.globals, **seen.nonlocals}
    except TypeError:
        known = {}
    known["it"] = getattr(function, "__self__", function)
    found = {}
    for name, value in known.items():
        retries = getattr(value, "max_retries", None)
        if type(retries) is int and retries > 0:
            found[id(value)] = (f"'{name}' ({type(value).__name__})", retries)
    return [*found.values()]


def _asked(function: Any) -> Function:
    """Return how a thing is asked: a runnable gets the text alone where there is no more to say."""
    if hasattr(function, "ainvoke"):

        async def invoke(request: Request) -> Any:
            return await function.ainvoke(_plain(request))

        return invoke
    if not callable(function):
        raise ConfigError(f"{function!r} is no function of a request")
    known: Function = function
    return known


def _plain(request: Request) -> Any:
    messages = request.messages
    if len(messages) == 1 and messages[0]["role"] == "user" and isinstance(messages[0]["content"], str):
        return messages[0]["content"]
    return [dict(message) for message in messages]


def _is_async(function: Any) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004  an object's own, to see whether it is async
    )


def _in_full(request: Request, responses: tuple[Response, ...]) -> Request:
    """Return the request with its local files put in, and of a conversation with all that was said so far."""
    if not request.media and not request.follow_ups:
        return request
    messages: list[Message] = [
        *(embed(request.messages, request.media) if request.media else request.messages)
    ]
    for response, follow_up in zip(responses, request.follow_ups, strict=False):
        text = response.text if isinstance(response.text, str) else response.text[0]
        messages += ({"role": "assistant", "content": text}, {"role": "user", "content": follow_up})
    return replace(request, messages=tuple(messages), follow_ups=(), media={})


async def _in_a_thread(work: Callable[[], Any]) -> Any:
    """Run `work` in a thread that nobody waits for when the process ends: it may hang."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()

    def settle(answer: Any, error: Exception | None) -> None:
        if not done.done():
            if error is None:
                done.set_result(answer)
            else:
                done.set_exception(error)

    def run() -> None:
        answer, error = None, None
        try:
            answer = work()
        except Exception as raised:  # noqa: BLE001  it is passed on
            error = RuntimeError("StopIteration") if isinstance(raised, StopIteration) else raised
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, answer, error)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), daemon=True, name="brimline-function").start()
    return await done

"""A transport whose replies come by script, piece by piece on the virtual clock; what reads them is the real dialect."""

import asyncio
import json

from brimline.engine.wire import WireEndpoint
from brimline.providers.openai_chat import OpenAIChat
from brimline.types import Fault, FaultKind, HttpReply

HEAD = HttpReply(200, {"content-type": "text/event-stream"}, b"")
DONE = b"data: [DONE]\n\n"
RESET = Fault(FaultKind.CONNECTION, "the reply broke off")
STALL = None


def event(**document):
    return b"data: %b\n\n" % json.dumps(document).encode()


def piece(text, **more):
    return event(choices=[{"index": 0, "delta": {"content": text, **more}}])


def end(tokens=None):
    usage = {"prompt_tokens": 10, "completion_tokens": tokens}
    return (
        event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}], usage=usage if tokens else None)
        + DONE
    )


def answer(*texts, every=1.0, tokens=None):
    """The pieces of an answer, one each so many seconds."""
    return [*((every, piece(text)) for text in texts), (0.0, end(tokens))]


def plain(text):
    choice = {"index": 0, "message": {"content": text}, "finish_reason": "stop"}
    return HttpReply(200, {"content-type": "application/json"}, json.dumps({"choices": [choice]}).encode())


class Brook:
    """Gives these replies one after another, the last one for ever.

    Args:
        replies: Each a whole reply or a fault, or a list of seconds to wait and bytes, a fault or a stall.
        before: Seconds until the head of each.
    """

    def __init__(self, *replies, before=0.0):
        self.replies = [*replies]
        self.before = before
        self.sent = []
        self.streams = []

    def live(self):
        return WireEndpoint(OpenAIChat(), self, None)

    async def send(self, request, departed):
        return await self.stream(request, departed)

    async def stream(self, request, departed):
        departed()
        self.sent.append(json.loads(request.body))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        await asyncio.sleep(self.before)
        if not isinstance(reply, list):
            return reply
        self.streams.append(Stream(reply))
        return self.streams[-1]

    async def close(self):
        pass


class Stream:
    """A body that comes by script."""

    def __init__(self, script):
        self.head = HEAD
        self.script = [*script]
        self.is_closed = self.is_finished = False

    async def read(self):
        if not self.script:
            return b""
        wait, data = self.script.pop(0)
        await asyncio.sleep(wait)
        return await asyncio.get_running_loop().create_future() if data is STALL else data

    async def finish(self):
        self.is_finished = True

    def close(self):
        self.is_closed = True

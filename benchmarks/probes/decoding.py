"""OpenAI's dialect alone, reading replies: prints the CPU of each kind in microseconds, as JSON.

Usage: `decoding.py REPLIES ROUNDS`. The kinds take turns, so that noise meets all of them alike.
"""

import gc
import json
import sys
import time

from multidict import CIMultiDict

from brimline.providers import find_provider
from brimline.types import HttpReply, Request, Response

SIZE = 1300
"""Bytes of the answer."""

HEADERS = {
    "Date": "Wed, 21 Oct 2026 07:28:00 GMT",
    "Content-Type": "application/json",
    "x-request-id": "req_5f2b0c7a9e1d4c6f8a3b2e1d0c9f8e7d",
    "openai-organization": "org-x",
    "openai-processing-ms": "412",
    "openai-version": "2020-10-01",
    "x-ratelimit-limit-requests": "10000",
    "x-ratelimit-limit-tokens": "2000000",
    "x-ratelimit-remaining-requests": "9993",
    "x-ratelimit-remaining-tokens": "1998211",
    "x-ratelimit-reset-requests": "42ms",
    "x-ratelimit-reset-tokens": "53ms",
}
USAGE = {
    "prompt_tokens": 96,
    "completion_tokens": 120,
    "total_tokens": 216,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 64,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}
REFUSAL = {
    "error": {
        "message": "Rate limit reached for gpt-5-mini in organization org-x on requests per min (RPM): Limit 500, "
        "Used 500, Requested 1. Please try again in 120ms.",
        "type": "requests",
        "param": None,
        "code": "rate_limit_exceeded",
    }
}


def answer() -> bytes:
    """Return a completion of `SIZE` bytes."""
    message = {"role": "assistant", "content": "", "refusal": None, "annotations": []}
    body = {
        "id": "chatcmpl-CZx0123456789abcdefghijklmno",
        "object": "chat.completion",
        "created": 1792567680,
        "model": "gpt-5-mini-2025-08-07",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": USAGE,
        "service_tier": "default",
        "system_fingerprint": "fp_0123456789",
    }
    text = "The answer is eighteen, since three of the eggs are eaten.\n"
    room = SIZE - len(json.dumps(body))
    message["content"] = (text * SIZE)[: room - room // len(text)]  # a line feed takes two bytes
    return json.dumps(body).encode()


def main() -> None:
    """Measure every kind in turns."""
    replies, rounds = map(int, sys.argv[1:])
    provider = find_provider("openai")
    request = Request(id=0, model="openai/gpt-5-mini", messages=({"role": "user", "content": "How many?"},))
    good = HttpReply(200, CIMultiDict(HEADERS), answer())
    refused = HttpReply(429, CIMultiDict({**HEADERS, "retry-after-ms": "120"}), json.dumps(REFUSAL).encode())
    assert isinstance(provider.decode(good, request), Response)
    assert abs(len(good.body) - SIZE) < 30, len(good.body)
    kinds = {
        "answer": lambda: provider.decode(good, request),
        "adverts": lambda: provider.adverts(good),
        "refusal": lambda: provider.decode(refused, request),
    }
    gc.disable()
    taken = {kind: [] for kind in kinds}
    for turn in range(rounds + 1):
        for kind, work in kinds.items():
            began = time.process_time()
            for _ in range(replies):
                work()
            if turn:  # the first is to warm up
                taken[kind].append((time.process_time() - began) * 1e6 / replies)
    print(json.dumps(taken))


if __name__ == "__main__":
    main()

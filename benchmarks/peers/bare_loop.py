"""The floor: aiohttp, uvloop and msgspec, and as little around them as a fair script has.

Workers stream rows from the input, send each as a chat completion, decode the answer and write a result line. No
retries, no limits, no keys, no fsync, no order. Usage: `bare_loop.py BASE_URL INPUT OUTPUT WORKERS`.
"""

import asyncio
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

import aiohttp
import msgspec
import uvloop

decode_row = msgspec.json.Decoder().decode
encode = msgspec.json.Encoder().encode


class Message(msgspec.Struct):
    content: str


class Choice(msgspec.Struct):
    message: Message
    finish_reason: str


class Usage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int


class Completion(msgspec.Struct):
    choices: list[Choice]
    usage: Usage


decode = msgspec.json.Decoder(Completion).decode


async def work(
    session: aiohttp.ClientSession, url: str, rows: Iterator[dict[str, Any]], out: BinaryIO
) -> None:
    """Send rows until there are none left."""
    for row in rows:
        body = encode({"model": "x", "messages": [{"role": "user", "content": row["question"]}]})
        async with session.post(url, data=body) as response:
            completion = decode(await response.read())
        choice, usage = completion.choices[0], completion.usage
        line = {
            **row,
            "response": choice.message.content,
            "finish_reason": choice.finish_reason,
            "usage": {"input_tokens": usage.prompt_tokens, "output_tokens": usage.completion_tokens},
        }
        out.write(encode(line) + b"\n")


async def run(base_url: str, source: str, target: str, workers: int) -> None:
    """Run all workers over the input."""
    headers = {"Content-Type": "application/json", "Authorization": "Bearer x"}
    connector = aiohttp.TCPConnector(limit=0)
    with open(source, "rb") as file, open(target, "wb") as out:  # noqa: PTH123  as such scripts are
        rows = map(decode_row, file)
        async with (
            aiohttp.ClientSession(connector=connector, headers=headers) as session,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(workers):
                group.create_task(work(session, f"{base_url}/chat/completions", rows, out))


if __name__ == "__main__":
    uvloop.run(run(*sys.argv[1:4], int(sys.argv[4])))

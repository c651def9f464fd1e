"""What most people write first: the openai SDK, a semaphore and `gather`.

Usage: `openai_gather.py BASE_URL INPUT OUTPUT CONCURRENCY`.
"""

import asyncio
import json
import sys

from openai import AsyncOpenAI


async def run(base_url: str, source: str, target: str, concurrency: int) -> None:
    """Send every row, then write all results."""
    client = AsyncOpenAI(base_url=base_url, api_key="x")
    semaphore = asyncio.Semaphore(concurrency)

    async def ask(row: dict) -> dict:
        messages = [{"role": "user", "content": row["question"]}]
        async with semaphore:
            reply = await client.chat.completions.create(model="x", messages=messages)
        return {**row, "response": reply.choices[0].message.content, "usage": reply.usage.model_dump()}

    with open(source, encoding="utf-8") as file:  # noqa: PTH123  as such scripts are
        rows = [json.loads(line) for line in file]
    results = await asyncio.gather(*map(ask, rows))
    with open(target, "w", encoding="utf-8") as file:  # noqa: PTH123
        file.writelines(json.dumps(result) + "\n" for result in results)


if __name__ == "__main__":
    asyncio.run(run(*sys.argv[1:4], int(sys.argv[4])))

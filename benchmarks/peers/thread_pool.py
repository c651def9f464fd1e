"""A pool of two threads, so that no more than two requests are in flight. Usage: `thread_pool.py BASE_URL COUNT`."""

import json
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

RETRY = 3.0
"""Seconds before a refused request is sent again."""


def ask(base_url: str, number: int) -> str:
    """Send one prompt until it is answered."""
    body = json.dumps({"model": "x", "messages": [{"role": "user", "content": f"prompt {number}"}]})
    headers = {"Content-Type": "application/json"}
    while True:
        request = urllib.request.Request(f"{base_url}/chat/completions", body.encode(), headers)
        try:
            with urllib.request.urlopen(request) as reply:
                return json.load(reply)["choices"][0]["message"]["content"]
        except urllib.error.HTTPError as error:
            if error.code != 429:
                raise
            time.sleep(RETRY)


if __name__ == "__main__":
    with ThreadPoolExecutor(2) as pool:
        for _ in pool.map(lambda number: ask(sys.argv[1], number), range(int(sys.argv[2]))):
            pass

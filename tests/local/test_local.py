"""A model of one's own behind a server: brimline and the official SDK are its clients."""

import asyncio
import subprocess
import sys
import threading

import aiohttp
import openai
import pytest

import brimline as bl
from brimline.local import Answer, load_model, serve
from brimline.local.models import Prompt, of_pipeline, options_for
from brimline.local.server import Service
from brimline.types import Secret

pytestmark = pytest.mark.real_time


def shout(prompt):
    if prompt.text == "fail":
        raise ValueError("no such word")
    return Answer(prompt.text.upper(), 3, 2, "length" if prompt.options.get("max_tokens") == 2 else "stop")


@pytest.fixture
async def url():
    async with serve(Service(shout, "loud", workers=4)) as url:
        yield url


async def test_the_official_client_gets_chats_plain_and_in_pieces(url):
    async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
        asked = {"model": "loud", "messages": [{"role": "user", "content": "hi"}]}
        chat = await client.chat.completions.create(**asked, max_tokens=2)
        pieces = [piece async for piece in await client.chat.completions.create(**asked, stream=True)]
        text = await client.completions.create(model="loud", prompt="go on", n=2)
        models = [model.id async for model in client.models.list()]
    assert (chat.choices[0].message.content, chat.choices[0].finish_reason, chat.usage.total_tokens) == (
        "HI",
        "length",
        5,
    )
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices) == "HI"
    assert pieces[-1].usage.completion_tokens == 2
    assert [choice.text for choice in text.choices] == ["GO ON", "GO ON"]
    assert models == ["loud"]


async def test_brimline_asks_it_and_its_failures_are_values(url, caplog):
    config = bl.Config(endpoints={"mine": bl.Endpoint(base_url=url, key="none")}, environment={})
    async with bl.Engine(config=config, max_tries=1) as engine:
        assert (await engine.ask("mine/loud", "hi")).text == "HI"
        failed = await engine.ask("mine/loud", "fail")
    assert (failed.fault.kind, "ValueError: no such word" in failed.fault.detail) == ("server_error", True)
    assert caplog.messages == ["the model failed: ValueError('no such word')"], "who serves it sees it, too"


async def test_a_model_that_blocks_answers_several_at_once():
    together = threading.Barrier(3, timeout=10)

    def model(prompt):
        together.wait()
        return Answer(prompt.text)

    async with serve(Service(model, "slow", workers=3)) as url, aiohttp.ClientSession() as session:

        async def ask():
            body = {"messages": [{"role": "user", "content": "x"}]}
            async with session.post(f"{url}/chat/completions", json=body) as response:
                return (await response.json())["choices"][0]["message"]["content"]

        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(ask()) for _ in range(3)]
    assert [task.result() for task in asked] == ["x"] * 3


async def test_the_form_of_promptos_server(url):
    base = url.removesuffix("/v1")
    async with aiohttp.ClientSession() as session:
        async with session.get(base) as response:
            assert await response.text() == "pong"
        async with session.post(
            f"{base}/generate", json={"text": "hi", "options": {"max_tokens": 2}}
        ) as response:
            assert await response.json() == {"response": [{"generated_text": "HI"}], "model": "loud"}


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"messages": 3}', b'{"messages": []}', b'{"n": 99, "messages": [{}]}']
)
async def test_what_cannot_be_read_is_refused(url, body):
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/chat/completions", data=body) as response,
    ):
        assert response.status == 400
        assert (await response.json())["error"]["message"]


async def test_a_token_is_asked_for():
    async with (
        serve(Service(shout, "loud", workers=1, token=Secret("tok-1"))) as url,
        aiohttp.ClientSession() as session,
    ):
        for headers, status in (
            ({}, 401),
            ({"Authorization": "Bearer tok-2"}, 401),
            ({"Authorization": "Bearer tok-1"}, 200),
        ):
            async with session.get(f"{url}/models", headers=headers) as response:
                assert response.status == status


class FakePipeline:
    """As transformers' pipelines for text generation are called."""

    class tokenizer:  # noqa: N801
        @staticmethod
        def encode(text):
            return text.split()

    def __call__(self, asked, *, return_full_text, **options):
        assert not return_full_text
        self.asked, self.options = asked, options
        return [{"generated_text": "one two three"[: 7 if options.get("max_new_tokens") == 2 else None]}]


def test_options_reach_the_pipeline_under_its_names():
    made = FakePipeline()
    chat = ({"role": "user", "content": "hi there"},)
    given = {"max_tokens": 2, "temperature": 0, "stop": ["."], "seed": 1}
    answer = of_pipeline(made)(Prompt(text="hi there", messages=chat, options=given))
    assert answer == Answer("one two", 2, 2, "length")
    assert (made.asked, made.options) == (
        [*chat], {"max_new_tokens": 2, "do_sample": False, "stop_strings": ["."]},
    )  # fmt: skip
    assert of_pipeline(made)(Prompt(text="go on")).finish_reason == "stop"
    assert made.asked == "go on"
    assert options_for({"temperature": 0.5, "top_p": None}) == {"temperature": 0.5, "do_sample": True}


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nothing:here", "'nothing:here' cannot be loaded: ModuleNotFoundError"),
        ("math:pi", "'math:pi' is no function"),
        ("gpt2", "'gpt2' needs transformers: pip install 'brimline[local]'"),
    ],
)
def test_a_model_that_is_none(name, why):
    with pytest.raises(bl.ConfigError) as refused:
        load_model(name)
    assert why in str(refused.value)


def test_the_command(tmp_path):
    (tmp_path / "mine.py").write_text("def answer(prompt):\n    return prompt.text[::-1]\n")
    command = [sys.executable, "-m", "brimline", "serve-local", "mine:answer"]
    refused = subprocess.run(
        [*command, "--host", "0.0.0.0"], check=False, cwd=tmp_path, capture_output=True, text=True, timeout=20
    )
    assert (refused.returncode, "say which token they have to show" in refused.stderr) == (2, True)
    server = subprocess.Popen([*command, "--port", "0"], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    try:
        endpoint = bl.Endpoint(base_url=server.stdout.readline().strip(), key="none")
        (outcome,) = bl.map(["abc"], model="mine/x", endpoints={"mine": endpoint})
    finally:
        server.terminate()
        assert server.wait(10) == 0
        server.stdout.close()
    assert outcome.text == "cba"

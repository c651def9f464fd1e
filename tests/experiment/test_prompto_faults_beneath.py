"""The faults of prompto that lie beneath its commands: in dialects, pacing, retries and the package. Each is named as in the facts."""

import ast
import asyncio
import json
import sys
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest

import brimline
from brimline.cli.serve_local import command as serve_local
from brimline.evals.queues import Queues
from brimline.providers import find_provider
from brimline.types import Fault, FaultKind, Request, Response
from tests.experiment.conftest import FAST, rows
from tests.providers.replies import completion, reply

ASKED = Request(id=0, model="lab/m", messages=({"role": "user", "content": "Hi"},))
CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def decode(dialect, body, status=200):
    return find_provider(dialect, {}, None).decode(reply(status, body), ASKED)


@pytest.mark.parametrize(
    ("dialect", "body", "text"),
    [
        ("openai", completion({"content": None, "tool_calls": [CALL]}, reason="tool_calls"), ""),
        ("openai", completion({"content": None, "refusal": "I cannot."}), "I cannot."),
        ("openai", completion({"content": None}), ""),
        ("openai", completion("a", "b"), ["a", "b"]),
        ("anthropic", {"content": [{"type": "thinking", "thinking": "so", "signature": "x"}, {"type": "text", "text": "a"}]}, "a"),
        ("anthropic", {"content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}], "stop_reason": "tool_use"}, ""),
    ],
)  # fmt: skip
def test_4_8_what_has_no_text_is_an_answer(dialect, body, text):
    answer = decode(dialect, body)
    assert isinstance(answer, Response), answer
    assert answer.text == text


def test_4_9_ollamas_answers_are_read_and_its_errors_are_faults():
    said = {
        "model": "m",
        "message": {"role": "assistant", "content": "hello"},
        "done": True,
        "done_reason": "stop",
    }
    assert decode("ollama", said).text == "hello"
    busy = decode("ollama", {"error": "server busy"}, 503)
    assert isinstance(busy, Fault)
    assert busy.kind is FaultKind.OVERLOADED


def test_4_10_what_it_needs_to_start_is_declared():
    """A test of what is installed finds nothing where another package brings what is missing."""
    names = [*requires("brimline"), *requires("aiohttp")]  # aiohttp's interface is made of yarl and multidict
    declared = {_bare(name.split(";")[0]) for name in names}
    distributions = packages_distributions()
    package = Path(brimline.__file__).parent
    for path in package.rglob("*.py"):
        if path.is_relative_to(package / "testing"):
            continue
        for module in _imported(ast.parse(path.read_bytes())) - sys.stdlib_module_names - {"brimline"}:
            brought = {_bare(name) for name in distributions.get(module, [module])}
            assert brought & declared, f"{path.name} imports {module}, which nothing declares"


async def test_4_17_every_retry_has_a_permit_of_its_queue(lab):
    moments, seen = [], set()
    loop = asyncio.get_running_loop()

    async def answer(request):
        moments.append(loop.time())
        if request.id not in seen:
            seen.add(request.id)
            raise ConnectionError("once")
        return "yes"

    file = lab.write("exp.jsonl", rows(15))
    report = await lab.run(
        lab.open(file, Queues(max_queries=1200)), answer
    )  # a burst of 19, then 20 a second
    assert (report.ok, len(moments)) == (15, 30)
    assert moments[-1] - moments[0] > (30 - 20) / 20 * 0.9


async def test_4_27_what_was_used_and_set_is_recorded(lab):
    experiment = lab.open(lab.write("exp.jsonl", rows(1)), FAST)
    await lab.run(experiment)
    (record,) = lab.completed(experiment)
    assert record.keys() >= {
        "usage",
        "finish_reason",
        "latency_s",
        "attempts",
        "status",
        "error",
        "cost_usd",
        "key",
    }
    manifest = (
        experiment.files.completed.with_name(experiment.files.completed.name + ".run") / "manifest.json"
    )
    asked = json.loads(manifest.read_bytes())
    assert asked.keys() >= {"command", "limits"}


def test_4_28_it_is_typed_and_serves_on_loopback():
    assert (Path(brimline.__file__).parent / "py.typed").exists()
    (host,) = [option for option in serve_local.params if option.name == "host"]
    assert host.default == "127.0.0.1"


def _bare(name):
    """Return the name of a distribution as it is compared."""
    letters = name.split("[")[0]
    for mark in "<>=!~ (":
        letters = letters.split(mark)[0]
    return letters.lower().replace("_", "-").replace(".", "-")


def _imported(tree):
    found = set()
    for node in tree.body:  # what is imported later says itself what to install
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found

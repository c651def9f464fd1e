"""Results of a stream on file: what was kept comes back as it was, once for each time it was kept."""

import json
from array import array
from dataclasses import replace

import pytest

from brimline.errors import OutputError, OutputLocked
from brimline.store.kept import KeptResults
from brimline.types import Failure, FaultKind, Operation, Response, Usage
from tests.store.outcomes import failure, request, response, success


async def again(path, *outcomes):
    """Keep outcomes in a file, and return what a later process finds of them."""
    kept = KeptResults(path)
    await kept.keep([({}, outcome) for outcome in outcomes])
    await kept.close()
    kept = KeptResults(path)
    found = [kept.find(outcome.request) for outcome in outcomes]
    await kept.close()
    return found


@pytest.fixture
def path(tmp_path):
    return tmp_path / "kept.jsonl"


def plain(text, **more):
    """A response as it is read back where it is not the last."""
    return Response(text=text, **more)


SCHEMA, TEXT = {"type": "object"}, '{"a":[1,2.5,null]}'
KEPT = {
    "an answer": success(),
    "no text": success(request(), response("")),
    "no usage": success(request(), response(usage=None, finish_reason=None, model=None, request_id=None)),
    "all that is used": success(request(), response(usage=Usage(9, 8, 7, 1, 6))),
    "an id of each kind": success(request("é \u2028")),
    "no id": success(request(None)),
    "several answers": success(request(params={"n": 2}), response(["one", "two"])),
    "a conversation": success(
        request(turns=3), plain("one"), plain("two"), response("three", usage=Usage(1, 2))
    ),
    "a conversation with several answers": success(request(turns=2), plain(["a", "b"]), response(["c", "d"])),
    "another served it": success(served_by="lab/y"),
    "a streamed answer": success(request(), response(time_to_first_token=0.25, time_per_output_token=0.01)),
    "a repeat": success(request(repeat=2)),
    "a thought": success(request(), response("a", reasoning="since", logprobs=[{"token": "a"}])),
    "a tool call": success(request(), response("", tool_calls=({"id": "1", "type": "function"},))),
    "a tool call beside a schema": success(
        request(schema=SCHEMA), response("I look", tool_calls=({"id": "1"},))
    ),
    "a cached answer": success(request(), response(usage=None), attempts=0, sent_at=None, latency=None),
    "a vector": success(
        request(operation=Operation.EMBEDDING),
        response("", embeddings=(array("f", [0.1, 1e-9, 3.0]),), finish_reason=None),
    ),
    "a vector of doubles": success(
        request(operation=Operation.EMBEDDING),
        response("", embeddings=([0.1234567890123, 0.5],), finish_reason=None),
    ),
    "JSON": success(request(schema=SCHEMA), response(TEXT, document=TEXT)),
    "several in JSON": success(
        request(schema=SCHEMA, params={"n": 2}), response([TEXT, "[2]"], document=[TEXT, "[2]"])
    ),
    "a hopeless failure": failure(kind=FaultKind.CONTENT_FILTER, sent_at=1_700_000_000_123_000_000, latency=1.5),
    "a failure after a turn": failure(
        request(turns=2), FaultKind.TOO_LONG, response("one", usage=Usage(2, 2), finish_reason="length")
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", KEPT)
async def test_what_was_kept_comes_back(path, name):
    outcome = KEPT[name]
    (found,) = await again(path, outcome)
    undocumented = tuple(replace(one, document=None) for one in outcome.responses)
    if outcome.sent_at is not None:
        outcome = replace(outcome, sent_at=outcome.sent_at // 10**6 * 10**6)
    if outcome.attempts and outcome.served_by is None:
        outcome = replace(outcome, served_by="lab/x")
    assert found == replace(outcome, responses=undocumented)
    assert found.usage == outcome.usage
    if outcome.ok:
        assert (found.cached, found.embedding) == (outcome.cached, outcome.embedding)


async def test_raw_texts_of_answers_that_had_to_be_repaired(path):
    asked = request(schema=SCHEMA)
    fenced = success(asked, response('```json\n{"a": 1}\n```', document='{"a": 1}'))
    (found,) = await again(path, fenced)
    assert found.text == fenced.text
    rejected = success(
        request(1, schema=SCHEMA), response("no", rejection="x"), response("[1, 2]", document="[1, 2]")
    )
    (found,) = await again(path, rejected)
    assert [one.text for one in found.responses] == ["no", "[1, 2]"]


async def test_failures_that_pass_are_sent_again_and_later_lines_win(path):
    asked = request()
    assert await again(path, failure(asked)) == [None]
    assert (await again(path, success(asked)))[0].text == "yes"
    assert path.read_bytes().count(b"\n") == 2
    assert await again(path, failure(request(1), FaultKind.TOO_LONG), failure(request(1))) == [None, None]


async def test_equal_requests_are_samples(path):
    asked = [success(request(None), response(text)) for text in ("one", "two")]
    found = await again(path, *asked)
    assert [outcome.text for outcome in found] == ["one", "two"]
    kept = KeptResults(path)
    assert [kept.find(request(None)).text for _ in range(2)] == ["one", "two"]
    assert kept.find(request(None)) is None
    assert kept.find(request(None, key="0" * 32)) is None
    assert kept.find(request(5)) is None
    await kept.close()


async def test_one_process_has_it(path):
    kept = KeptResults(path)
    with pytest.raises(OutputLocked):
        KeptResults(path)
    await kept.close()
    with pytest.raises(OutputError, match="cannot be written"):
        await kept.keep([({}, success())])
    await KeptResults(path).close()


@pytest.mark.parametrize("content", [b"a recipe\nfor soup\n", b'{"id": 1}\n{"id": 2}\n'])
async def test_other_files_stay_as_they_are(path, content):
    path.write_bytes(content)
    with pytest.raises(OutputError, match="no results file"):
        KeptResults(path)
    assert path.read_bytes() == content
    path.unlink()
    await KeptResults(path).close()  # and the lock was let go of


async def test_torn_and_damaged_lines(path):
    await again(path, success(request(0)), success(request(1)), success(request(2)))
    lines = path.read_bytes().splitlines(keepends=True)
    for cut in range(0, len(lines[2]), 9):
        path.write_bytes(lines[0] + b'{"damaged\n' + lines[1] + lines[2][:cut])
        kept = KeptResults(path)
        assert kept.find(request(1)).request.id == 1
        assert kept.find(request(2)) is None
        await kept.close()
        assert path.read_bytes().endswith(b"\n")


async def test_a_line_of_a_later_version(path):
    line = {"key": request().key, "status": "failed", "id": 0, "model": "lab/x", "error": {"kind": "new"}}
    path.write_text(json.dumps(line) + "\n")
    kept = KeptResults(path)
    assert kept.find(request()) is None
    await kept.close()


async def test_a_failure_says_why(path):
    (found,) = await again(path, failure(kind=FaultKind.INVALID_REQUEST))
    assert isinstance(found, Failure)
    assert (found.fault.kind, found.fault.detail) == (FaultKind.INVALID_REQUEST, "it broke")
    assert (found.fault.http_status, found.fault.provider_code, found.attempts) == (500, "oops", 5)

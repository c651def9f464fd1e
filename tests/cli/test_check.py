"""`brimline check`: each problem with its place, its row and its kind; for JSONL and CSV, and for the forms of each API."""

import json

import pytest

JPEG = b"\xff\xd8\xff\xe0pixels"


@pytest.fixture
def problems(cli, write, tmp_path, monkeypatch):
    """Check a file and return its exit code and problems."""
    for name in ("ANTHROPIC_API_KEY", "GEMINI_API_KEY", "OLLAMA_API_ENDPOINT", "AZURE_OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)

    def check(content, *more, name="in.jsonl"):
        write(name, content)
        code, out, _ = cli("check", name, "--json", *more)
        return code, [json.loads(line) for line in out.splitlines()]

    return check


def row(id_, prompt, api="test", model="m", **more):
    return {"id": id_, "api": api, "model_name": model, "prompt": prompt, **more}


def image(name):
    return [{"role": "user", "content": [{"type": "image_url", "image_url": name}]}]


def test_each_problem_says_where_whose_and_what(problems):
    code, found = problems(
        [row("a", "fine"), row("b", None), row("c", image("gone.jpg")), row("d", "x", api="tset"),
         row("e", "x", parameters="hot"), row("f", "x", api="openai", model="gpt-5"), row("g", [{"role": "king", "content": "x"}]),
         {"prompt": "x"}]
    )  # fmt: skip
    assert code == 2
    assert [(one["line"], one["id"], one["kind"]) for one in found] == [
        (2, "b", "prompt"), (3, "c", "media"), (4, "d", "endpoint"), (5, "e", "row"), (6, "f", "endpoint"),
        (7, "g", "prompt"), (8, None, "row"),
    ]  # fmt: skip
    assert {one["file"] for one in found} == {"in.jsonl"}
    assert found[2]["model"] == "tset/m"
    assert "did you mean 'test'" in found[2]["message"]
    assert "OPENAI_API_KEY" in found[4]["message"]
    assert "gone.jpg" in found[1]["message"]
    assert [*found[0]] == ["file", "line", "id", "model", "kind", "message"]


def test_a_file_without_problems_has_none(problems):
    assert problems([row("a", "fine")]) == (0, [])


def test_csv_files_are_checked_alike(problems):
    text = "id,api,model_name,prompt,parameters-stop\na,test,m,,\nb,test,m,ok,x\nb,test,m,ok,y\n"
    code, found = problems(text, name="in.csv")
    assert (code, [(one["line"], one["kind"]) for one in found]) == (2, [(2, "prompt")])
    code, found = problems(text.replace("m,,", "m,hi,"), name="in.csv")
    assert (code, [(one["line"], one["id"], one["kind"]) for one in found]) == (2, [(4, "b", "id")])


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [("", "file", "holds no rows"), ("{", "row", "JSON"), (b"\x1f\x8b\x08", "file", "gzip")],
)
def test_a_file_that_is_none_is_a_problem_too(problems, content, kind, words):
    code, found = problems(content)
    assert (code, found[0]["kind"], words in found[0]["message"]) == (2, kind, True)


@pytest.mark.parametrize(
    ("api", "prompt", "more"),
    [
        (
            "anthropic",
            [
                {
                    "role": "user",
                    "content": [{"type": "input_audio", "input_audio": {"data": "QQ==", "format": "wav"}}],
                }
            ],
            {},
        ),
        ("gemini", [{"role": "user", "parts": [{"type": "noise", "media": "x.xyz"}]}], {}),
        ("openai", "x", {"mode": "sing"}),
        ("quart", ["a", "b"], {}),
        ("ollama", [{"role": "user"}], {}),
    ],
)
def test_what_an_api_cannot_be_asked_is_found(problems, monkeypatch, api, prompt, more):
    for name in ("ANTHROPIC_API_KEY", "GEMINI_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "key")
    monkeypatch.setenv("QUART_API_ENDPOINT", "http://localhost:5000")
    code, found = problems([row("a", prompt, api=api, **more)])
    assert (code, [one["id"] for one in found]) == (2, ["a"])
    assert found[0]["kind"] in {"row", "prompt", "media", "request"}


def test_variables_and_media_are_where_prompto_has_them(problems, write, tmp_path):
    (tmp_path / "data" / "media").mkdir(parents=True)
    (tmp_path / "data" / "media" / "giro.jpg").write_bytes(JPEG)
    write("keys.env", "OPENAI_API_KEY=sk-secret\n")
    rows = [row("a", image("giro.jpg"), api="openai")]
    assert [one["kind"] for one in problems(rows)[1]] == ["media"]
    assert [one["kind"] for one in problems(rows, "-d", "data")[1]] == ["endpoint"]
    assert problems(rows, "-d", "data", "-e", "keys.env") == (0, [])

"""`brimline media`: uploaded once, named in rows, listed, deleted; against the simulator."""

import json

import pytest

import brimline as bl

MP4 = b"\0\0\0\x18ftypmp42" + b"x" * 100

pytestmark = pytest.mark.real_time


@pytest.fixture
def gemini(simulator, monkeypatch):
    url = simulator('keys = ["sk-good-key"]').url.removesuffix("/v1")
    monkeypatch.setenv("GEMINI_BASE_URL", url)
    monkeypatch.setenv("GEMINI_API_KEY", "sk-good-key")


def test_a_file_is_uploaded_once_named_in_a_row_listed_and_deleted(cli, write, gemini, tmp_path):
    write("film.mp4", MP4)
    write("copy.mp4", MP4)
    code, out, err = cli("media", "upload", "film.mp4", "copy.mp4")
    assert (code, err) == (0, "")
    first, copy = out.splitlines()
    name = first.split()[0]
    assert first == f"{name}  video/mp4  0.0 MB  film.mp4"
    assert copy == f"{name}  video/mp4  0.0 MB  copy.mp4 (was there already)"
    again = json.loads(cli("media", "upload", "--json", "film.mp4")[1])
    assert (again["name"], again["note"]) == (name, "film.mp4 (was there already)")
    part = {"type": "video", "media": "film.mp4", "uploaded_filename": name}
    row = {"id": 0, "api": "gemini", "model_name": "m", "prompt": [{"role": "user", "parts": ["See", part]}]}
    report = bl.run(write("rows.jsonl", [row]), output=tmp_path / "out.jsonl")
    assert "video/mp4 112 bytes" in next(iter(report))["response"]
    assert cli("media", "list")[1].startswith(f"{name}  video/mp4  0.0 MB  film.mp4  until ")
    code, _, err = cli("media", "delete", "--all")
    assert (code, "say --yes if they shall" in err) == (2, True)
    assert cli("media", "delete", name)[1] == f"{name}  deleted\n"
    code, _, err = cli("media", "delete", name)
    assert (code, "may not exist" in err) == (1, True)
    assert cli("media", "list")[1] == ""


def test_every_file_of_the_account_is_deleted(cli, write, gemini):
    write("film.mp4", MP4)
    cli("media", "upload", "film.mp4")
    assert cli("media", "delete", "--all", "--yes")[1].endswith("deleted\n")
    assert cli("media", "list")[1] == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("delete",), "name the files, or say --all"),
        (("delete", "--all", "a"), "name the files, or say --all"),
        (("upload",), "Missing argument"),
        (("list", "--endpoint", "nowhere"), "nowhere"),
        (("list",), "endpoint 'gemini' needs a key: set GEMINI_API_KEY"),
    ],
)
def test_mistakes_say_what_to_do(cli, monkeypatch, arguments, words):
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    code, _, err = cli("media", *arguments)
    assert (code, words in err) == (2, True), err

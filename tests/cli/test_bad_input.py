"""Bad input: a clear error, nothing sent, nothing lost, exit code 2."""

import json
import os

import pytest

from brimline.store.lock import Lock

GOOD = [{"text": "one"}, {"text": "two"}]
RUN = ("run", "in.jsonl", "-m", "sim/echo", "-p", "{{ text }}")


def refused(cli, tmp_path, *arguments):
    """Run what must be refused; return its message. Nothing may have changed on disk."""
    before = {
        path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and os.access(path, os.R_OK)
    }
    code, out, err = cli(*arguments)
    assert code == 2, err
    assert out == ""
    assert "Traceback" not in err
    after = {
        path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and os.access(path, os.R_OK)
    }
    assert after == before
    return err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"text": "one"}\n{"text": "tw\n', ["in.jsonl:2:", "is not JSON"]),
        (b'{"text": "one"}\n[1, 2]\n', ["in.jsonl:2:", "is no JSON object"]),
        (b'{"text": "one"}\n{"other": "x"}\n', ["in.jsonl:2:", "has no field 'text'", "it has: other"]),
        (b'{"text": "one"}\n{"text": ""}\n', ["in.jsonl:2:", "the prompt is empty"]),
        (b'{"text": "caf\xe9"}\n', ["in.jsonl:1:", "is not UTF-8"]),
        (b"", ["in.jsonl holds no rows"]),
        (b"\n\n", ["in.jsonl holds no rows"]),
        (
            b'{"id": 7, "text": "a"}\n\n{"id": 7, "text": "b"}\n',
            ["lines 1 and 3", "the same id 7", "sim/echo"],
        ),
        (b'{"id": [1], "text": "a"}\n', ["in.jsonl:1:", "its id is neither text nor a number"]),
        (b'{"text": "a", "priority": "soon"}\n', ["in.jsonl:1:", "priority 'soon'"]),
        (b'{"text": "a", "parameters": [1]}\n', ["in.jsonl:1:", "its parameters are no object"]),
        (b'{"text": "a", "parameters": {"stream": true}}\n', ["in.jsonl:1:", "parameter 'stream'"]),
    ],
)
def test_a_bad_row_names_file_line_and_reason(cli, tmp_path, write, content, words):
    write("in.jsonl", content)
    err = refused(cli, tmp_path, *RUN)
    assert all(word in err for word in words), err
    assert "nothing was sent" in err


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"prompt": "hi"}, "names no model; give one with -m"),
        ({"prompt": "hi", "model": "gpt-5"}, "has no endpoint"),
        ({"prompt": "hi", "model": "opnai/gpt-5"}, "did you mean 'openai'?"),
        ({"prompt": "hi", "model": "sim/"}, "is no model"),
        ({"model": "sim/echo"}, "has no prompt"),
        ({"prompt": 5, "model": "sim/echo"}, "neither a string"),
        ({"prompt": [{"role": "robot", "content": "x"}], "model": "sim/echo"}, "role 'robot'"),
        ({"prompt": [{"role": "user"}], "model": "sim/echo"}, "a message has no content"),
        (
            {"id": 0, "api": "gemini", "model_name": "g", "prompt": "hi"},
            "endpoint 'gemini' needs a key: set GEMINI_API_KEY or GOOGLE_API_KEY",
        ),
        ({"id": 0, "api": "openai", "model_name": "g", "prompt": "hi"}, "set OPENAI_API_KEY"),
        (
            {"custom_id": "a", "url": "/v1/moderations", "body": {"model": "m"}},
            "url '/v1/moderations' is not supported",
        ),
        (
            {"custom_id": "a", "url": "/v1/chat/completions", "body": {"messages": []}},
            "its body names no model",
        ),
    ],
)
def test_a_row_without_model_or_prompt_says_what_to_do(cli, tmp_path, write, row, words):
    write("in.jsonl", [{"prompt": "fine", "model": "sim/echo"}, row])
    err = refused(cli, tmp_path, "run", "in.jsonl")
    assert words in err
    assert "in.jsonl:2:" in err


def test_all_problems_are_found_in_one_pass(cli, tmp_path, write):
    write("in.jsonl", "nonsense\n" * 30 + json.dumps({"text": "fine"}) + "\n[]\n")
    err = refused(cli, tmp_path, *RUN)
    assert "31 problems" in err
    assert "and 11 more" in err


def test_a_missing_image_is_found_before_anything_is_sent(cli, tmp_path, write):
    part = {"type": "image_url", "image_url": "gone.png"}
    write("in.jsonl", [{"prompt": [{"role": "user", "content": [part]}], "model": "sim/echo"}])
    assert "image 'gone.png' is neither beside the input" in refused(cli, tmp_path, "run", "in.jsonl")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "gone.jsonl"), "gone.jsonl does not exist"),
        (("run", "."), "is a folder"),
        (("run", "in.xlsx"), "files ending in '.xlsx'"),
        (("run", "in.jsonl", "-m", "gpt-5"), "is no model"),
        (("run", "in.jsonl", "-m", "sim/echo", "-m", "sim/echo"), "given twice"),
        ((*RUN, "--rpm", "0"), "allows nothing"),
        ((*RUN, "--rpm", "abc"), "is no limit"),
        ((*RUN, "--rate", "abc"), "is no limit"),
        ((*RUN, "--rate", "sim/*=0/min"), "allows nothing"),
        ((*RUN, "--concurrency", "0"), "at least 1"),
        ((*RUN, "--max-failed", "many"), "neither a number"),
        ((*RUN, "--shard", "3/2"), "is no part"),
        ((*RUN, "--timeout", "soon"), "no span of time"),
        ((*RUN, "-P", "temperature"), "no KEY=VALUE"),
        ((*RUN, "-P", "model=x"), "parameter 'model' cannot be set"),
        ((*RUN, "--config", "gone.toml"), "no configuration file"),
        ((*RUN, "--prompt-column", "text"), "only one of"),
        ((*RUN, "--judge"), "No such option"),
        ((*RUN, "-o", "-", "--json"), "both want standard output"),
        ((*RUN, "-o", "gone/out.jsonl"), "gone does not exist"),
        (("run", "in.jsonl", "-m", "sim/echo", "-p", "{{ text"), "the prompt template"),
        (("run", "in.jsonl", "-m", "sim/echo", "--prompt-column", "txt"), "has no column 'txt'"),
    ],
)
def test_a_bad_option_says_what_is_wrong(cli, tmp_path, write, arguments, words):
    write("in.jsonl", GOOD)
    write("in.xlsx", b"x")
    assert words in refused(cli, tmp_path, *arguments)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[run]\ntimeuot = 5\n", "unknown key 'run.timeuot'; did you mean 'timeout'?"),
        ("[limts]\n", "unknown key 'limts'; did you mean 'limits'?"),
        ('[limits."sim/*"]\nrate = "0/min"\n', "allows nothing"),
        ('[limits."sim/*"]\nconcurrency = "many"\n', "expected a whole number"),
        ("[run\n", "is no TOML"),
        ('[endpoints.lab]\nkey = "none"\n', "base_url"),
        ('[endpoints.lab]\nbase_url = "http://x/v1"\nkey = "sk-123"\n', "by reference"),
    ],
)
def test_a_bad_configuration_names_file_and_key(cli, tmp_path, write, text, words):
    write("in.jsonl", GOOD)
    write("brimline.toml", text)
    err = refused(cli, tmp_path, *RUN)
    assert words in err
    assert "brimline.toml" in err
    assert "sk-123" not in err


def test_an_output_that_is_no_results_file_is_left_alone(cli, tmp_path, write):
    write("in.jsonl", GOOD)
    write("notes.jsonl", "my notes\n")
    assert "is no results file of brimline" in refused(cli, tmp_path, *RUN, "-o", "notes.jsonl")


def test_the_input_itself_is_no_output(cli, tmp_path, write):
    write("in.jsonl", GOOD)
    assert "in.jsonl is the input" in refused(cli, tmp_path, *RUN, "-o", "in.jsonl")


def test_an_output_of_other_rows_is_left_alone(cli, tmp_path, write):
    write("in.jsonl", GOOD)
    line = {
        "text": "other",
        "id": 0,
        "model": "sim/echo",
        "response": "x",
        "status": "ok",
        "error": None,
        "key": "0" * 32,
    }
    write("out.jsonl", [line])
    assert "holds results of other rows" in refused(cli, tmp_path, *RUN, "-o", "out.jsonl")


def test_an_output_that_another_process_holds_is_left_alone(cli, tmp_path, write):
    write("in.jsonl", GOOD)
    (tmp_path / "out.jsonl.run").mkdir()
    lock = Lock(tmp_path / "out.jsonl.run" / "lock", "out.jsonl")
    try:
        assert f"is being written by process {os.getpid()}" in refused(cli, tmp_path, *RUN, "-o", "out.jsonl")
    finally:
        lock.release()


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unwritable for root")
def test_an_unwritable_output_is_refused(cli, tmp_path, write):
    write("in.jsonl", GOOD)
    write("out.jsonl", "").chmod(0o400)
    assert "cannot be written" in refused(cli, tmp_path, *RUN, "-o", "out.jsonl")


def test_an_output_that_is_a_folder_is_refused(cli, tmp_path, write):
    write("in.jsonl", GOOD)
    (tmp_path / "out").mkdir()
    assert "is a folder" in refused(cli, tmp_path, *RUN, "-o", "out")


def test_escapes_in_a_file_never_reach_the_terminal(cli, tmp_path, write):
    write("in.jsonl", [{"prompt": "x", "model": "\x1b[31mred/\u202emodel"}])
    err = refused(cli, tmp_path, "run", "in.jsonl")
    assert "\x1b" not in err
    assert "\u202e" not in err
    assert "\\x1b[31mred" in err

"""`brimline status OUTPUT --missing`: the rows without an answer, as they were given, and why."""

import json


def run(user, *more, model="lab/x"):
    return user("run", "in.csv", "-m", model, "-p", "{{ text }}", "-o", "out.jsonl", *more)


def test_missing_rows_come_as_they_were_given(lab, tmp_path):
    user = lab()
    (tmp_path / "fail.py").write_text(
        "def answer(request):\n"
        "    if 'bad' in str(request.messages): raise ValueError('cannot')\n"
        "    return 'yes'\n"
    )
    user.environment["PYTHONPATH"] = str(tmp_path)
    user.configure('[endpoints.own]\nfunction = "fail:answer"\n')
    (tmp_path / "in.csv").write_text("id,text,note\nr0,good,\nr1,bad,x\nr2,good,\n")
    run(user, "--limit", "2", "--max-tries", "1", model="own/x")

    done = user("status", "out.jsonl", "--missing")
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"id": "r1", "text": "bad", "note": "x"},
        {"id": "r2", "text": "good"},
    ]
    assert "2 requests without an answer" in done.stderr
    assert "1: pending" in done.stderr
    assert "cannot" in done.stderr

    told = [
        json.loads(line) for line in user("status", "out.jsonl", "--missing", "--json").stdout.splitlines()
    ]
    assert [(one["id"], one["model"], one["row"]["text"]) for one in told] == [
        ("r1", "own/x", "bad"),
        ("r2", "own/x", "good"),
    ]
    assert told[1]["kind"] == "pending"

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    user.folder = elsewhere
    done = user("status", "../out.jsonl", "--missing", "-o", "left.jsonl")
    assert done.stdout == ""
    assert len(user.results("left.jsonl")) == 2
    assert user("status", "../out.jsonl", "--missing", "-o", "left.jsonl").returncode == 2  # it exists

    user.folder = tmp_path
    (tmp_path / "fail.py").write_text("def answer(request): return 'yes'\n")
    assert run(user, "--retry", "all", model="own/x").returncode == 0
    done = user("status", "out.jsonl", "--missing")
    assert (done.stdout, done.stderr) == ("", "Every request has its answer.\n")


def test_what_is_missing_is_asked_of_one_run(cli, write):
    write("out.jsonl", "")
    assert "name the results OUTPUT" in cli("status", "--missing")[2]
    assert "-o is for what --missing writes" in cli("status", "out.jsonl", "-o", "x.jsonl")[2]
    code, _, error = cli("status", "none.jsonl", "--missing")
    assert (code, "there are no results none.jsonl" in error) == (2, True)
    code, _, error = cli("status", "out.jsonl", "--missing")
    assert (code, "no manifest" in error) == (1, True)

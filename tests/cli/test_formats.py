"""Inputs of every format through the real command: the same requests, the same results, and the same resuming."""

import gzip
import json

import duckdb
import pytest
from openai.types.chat import ChatCompletion

from brimline.data.compression import compressing
from tests.servers import Cli

pytestmark = [pytest.mark.real_time, pytest.mark.timeout(60)]

ROWS = [{"text": f"prompt {n}", "label": f"0{n}"} for n in range(30)]
OPTIONS = ("-m", "lab/x", "-p", "{{ text }}")


@pytest.fixture
def lab(tmp_path, simulator):
    cli = Cli(tmp_path)
    cli.server = simulator()
    cli.lab(cli.server.url)
    return cli


def sent(cli):
    return cli.server.stats["total"]["received"]


def jsonl(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def plain(path, rows):
    path.write_bytes(jsonl(rows))


def gz(path, rows):
    path.write_bytes(gzip.compress(jsonl(rows)))


def zst(path, rows):
    with path.open("wb") as file, compressing(file, ".zst") as inner:
        inner.write(jsonl(rows))


def csv_gz(path, rows):
    text = "text,label\n" + "".join(f"{row['text']},{row['label']}\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()))


def parquet(path, rows):
    source = path.with_suffix(".tmp.jsonl")
    plain(source, rows)
    with duckdb.connect() as database:
        read = f"read_json('{source}', columns = {{text: 'VARCHAR', label: 'VARCHAR'}})"
        database.execute(f"COPY (SELECT * FROM {read}) TO '{path}' (FORMAT parquet)")
    source.unlink()


FORMATS = {
    "in.jsonl": plain,
    "in.jsonl.gz": gz,
    "in.ndjson.zst": zst,
    "in.csv.gz": csv_gz,
    "in.parquet": parquet,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["in.csv.gz", "in.ndjson.zst", "in.parquet"])
def test_every_format_resumes_and_is_changed_alike(lab, name):
    """Half of it first; then the rest; then nothing; then a corrected label; then a changed row and an inserted one."""
    path = lab.folder / name
    FORMATS[name](path, ROWS)
    run = ("run", name, *OPTIONS)
    assert lab(*run, "--limit", "15").returncode == 0
    done = lab(*run)
    assert done.returncode == 0, done.stderr
    assert "leaked" not in done.stderr, "what reads a format says nothing of its own"
    results = lab.results("in.results.jsonl")
    assert [(result["id"], result["text"], result["label"], result["response"]) for result in results] == [
        (n, row["text"], row["label"], f"echo: {row['text']}") for n, row in enumerate(ROWS)
    ]
    before = (lab.folder / "in.results.jsonl").read_bytes()
    assert lab(*run).returncode == 0
    assert (sent(lab), (lab.folder / "in.results.jsonl").read_bytes()) == (30, before)
    rows = [*ROWS[:3], {**ROWS[3], "label": "corrected"}, *ROWS[4:]]
    FORMATS[name](path, rows)
    assert lab(*run).returncode == 0
    assert lab.results("in.results.jsonl")[3]["label"] == "corrected"
    assert sent(lab) == 30, "a label costs nothing"
    rows = [{"text": "new", "label": "n"}, *rows[:5], {"text": "changed", "label": "05"}, *rows[6:]]
    FORMATS[name](path, rows)
    done = lab(*run)
    assert done.returncode == 0, done.stderr
    assert [(result["id"], result["label"]) for result in lab.results("in.results.jsonl")] == [
        (n, row["label"]) for n, row in enumerate(rows)
    ]
    assert sent(lab) == 32
    assert [result["text"] for result in lab.results("in.results.jsonl.superseded.jsonl")] == ["prompt 5"]


def test_answers_are_found_again_whatever_the_input_is_packed_in(lab):
    for name, write in FORMATS.items():
        write(lab.folder / name, ROWS)
        done = lab("run", name, *OPTIONS)
        assert done.returncode == 0, done.stderr
        (lab.folder / name).unlink()
    assert sent(lab) == 30


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("in.jsonl.gz", "in.jsonl.gz:2: has no field"),
        ("in.ndjson.zst", "in.ndjson.zst:2: has no field"),
        ("in.parquet", "in.parquet: row 1: has no field"),
    ],
)
def test_errors_name_the_place_in_the_users_own_file(lab, name, place):
    FORMATS[name](lab.folder / name, [ROWS[0], {"label": "x"}, ROWS[0]])
    done = lab("run", name, *OPTIONS)
    assert done.returncode == 2
    assert place in done.stderr
    assert sent(lab) == 0


def test_the_same_id_twice_names_both_places(lab):
    gz(lab.folder / "in.jsonl.gz", [{"id": 7, "text": "a"}, {"id": 8, "text": "a"}, {"id": 7, "text": "a"}])
    assert "in.jsonl.gz: lines 1 and 3 give the same id 7" in lab("run", "in.jsonl.gz", *OPTIONS).stderr
    with duckdb.connect() as database:
        query = "SELECT n % 2 AS id, 'a' AS text FROM range(3) t(n)"
        database.execute(f"COPY ({query}) TO '{lab.folder}/in.parquet' (FORMAT parquet)")
    assert "in.parquet: rows 0 and 2 give the same id 0" in lab("run", "in.parquet", *OPTIONS).stderr
    assert sent(lab) == 0


def test_standard_input_resumes_and_finds_images_in_the_working_folder(lab):
    (lab.folder / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"pixels")
    content = ["what is it?", {"type": "image_url", "image_url": "a.png"}]
    plain(lab.folder / "in.jsonl", [{"prompt": [{"role": "user", "content": content}]}])
    for command in ("check", "run", "run"):
        with (lab.folder / "in.jsonl").open() as rows:
            done = lab(command, "-", "-m", "lab/x", stdin=rows)
        assert done.returncode == 0, done.stderr
    assert sent(lab) == len(lab.results("stdin.results.jsonl")) == 1


def test_results_are_never_written_to_a_name_that_says_otherwise(lab):
    plain(lab.folder / "in.jsonl", ROWS)
    done = lab("run", "in.jsonl", *OPTIONS, "-o", "out.csv")
    assert done.returncode == 2
    assert "brimline export out.jsonl -o out.csv" in done.stderr
    assert sent(lab) == 0


def test_a_csv_file_comes_back_with_its_answers(lab):
    """Through run and export, and the export as an input again."""
    text = 'id,text,formula,note\r\n007,"two\r\nlines ""é""",=1+1,\r\n008,b,-x,"a,b"\r\n'
    (lab.folder / "in.csv").write_bytes(text.encode())
    assert lab("run", "in.csv", *OPTIONS).returncode == 0
    done = lab("export", "in.results.jsonl", "-o", "back.csv", "--columns", "id,text,formula,note")
    assert done.returncode == 0, done.stderr
    assert (lab.folder / "back.csv").read_bytes().decode() == text
    assert lab("run", "back.csv", *OPTIONS, "-o", "in.results.jsonl").returncode == 0
    assert sent(lab) == 2


def test_export_reads_a_run_that_goes_on(lab, tmp_path, simulator):
    lab.lab(simulator('[models."*"]\nlatency = "300ms"\n').url)
    plain(lab.folder / "in.jsonl", ROWS)
    process = lab.start("run", "in.jsonl", *OPTIONS, "--concurrency", "3", "-o", "out.jsonl")
    try:
        while not lab.results("out.jsonl") if (tmp_path / "out.jsonl").exists() else True:
            assert process.poll() is None
        done = lab("export", "out.jsonl", "-o", "so-far.csv", "--columns", "id,response")
        assert process.poll() is None, "it still runs"
    finally:
        process.kill()
        process.communicate()
    assert done.returncode == 0, done.stderr
    assert 1 < len((tmp_path / "so-far.csv").read_bytes().splitlines()) < 30


def test_a_batch_file_comes_out_as_openais_clients_read_it(lab):
    """Stop half-way, resume, and read every line with the official SDK's types."""
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "n": 2}
    row = {"method": "POST", "url": "/v1/chat/completions", "body": body}
    plain(lab.folder / "in.jsonl", [{"custom_id": f"r-{n}", **row} for n in range(9)])
    assert lab("run", "in.jsonl", "-m", "lab/x", "--limit", "4").returncode == 0
    assert lab("run", "in.jsonl", "-m", "lab/x").returncode == 0
    results = lab.results("in.results.jsonl")
    assert [result["custom_id"] for result in results] == [f"r-{n}" for n in range(9)]
    assert len({result["id"] for result in results}) == sent(lab) == 9
    for result in results:
        assert (result["response"]["status_code"], result["error"]) == (200, None)
        completion = ChatCompletion.model_validate(result["response"]["body"])
        assert [choice.message.content for choice in completion.choices] == ["echo: hi", "echo: hi [1]"]

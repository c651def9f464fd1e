"""`--schema` by the real command, against a server that answers as badly as its prompts say."""

import json
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pytest

import brimline
from tests.cli.lab import until
from tests.servers import Cli

pytestmark = [pytest.mark.real_time, pytest.mark.timeout(60)]

SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}
GOOD, BAD = '{"n": 1}', '{"n": "one"}'
ANSWERS = {
    "good": [GOOD],
    "fenced": [f"Sure:\n```json\n{GOOD}\n```"],
    "once": [BAD, GOOD],
    "twice": ["hm", BAD],
    "cut": ['{"n": 1'],
    "hangs": [BAD, None],
}
RUN = ("run", "in.jsonl", "-m", "lab/x", "--schema", "schema.json", "-o", "out.jsonl")


class Server(ThreadingHTTPServer):
    """Answers as the prompt says, by how many answers it has seen already; None: not before it is closed."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/v1"
        self.seen = []
        self.closing = threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        self.closing.set()
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append(asked)
        prompt = asked["messages"][0]["content"]
        text = ANSWERS[prompt][sum(message["role"] == "assistant" for message in asked["messages"])]
        if text is None:
            self.server.closing.wait(30)
            return
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "length" if prompt == "cut" else "stop"}
        usage = {"prompt_tokens": 10, "completion_tokens": 5}
        body = json.dumps({"model": "x-2026", "choices": [choice], "usage": usage}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def lab(tmp_path):
    """A command line whose `lab/...` models answer by the prompt."""
    cli = Cli(tmp_path)
    cli.server = Server()
    cli.lab(cli.server.url)
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    yield cli
    cli.stop()
    cli.server.stop()


def asks(cli, *prompts):
    cli.write("in.jsonl", [{"prompt": prompt} for prompt in prompts])


def test_every_row_ends_as_its_answers_deserve(lab):
    asks(lab, "good", "fenced", "once", "twice", "cut")
    done = lab(*RUN)
    assert done.returncode == 3, done.stderr
    good, fenced, once, twice, cut = lab.results("out.jsonl")
    assert [row["response"] for row in (good, fenced, once)] == [{"n": 1}] * 3
    assert "repaired" not in good
    assert (fenced["repaired"], fenced["raw_text"], fenced["attempts"]) == (True, ANSWERS["fenced"][0], 1)
    assert (once["repaired"], once["raw_text"], once["attempts"]) == (True, [BAD, GOOD], 2)
    assert (once["usage"]["input_tokens"], once["usage"]["output_tokens"]) == (20, 10)
    assert (twice["error"]["kind"], twice["raw_text"], twice["attempts"]) == (
        "invalid_output",
        ["hm", BAD],
        2,
    )
    assert (cut["error"]["kind"], cut["raw_text"], cut["attempts"]) == ("truncated", ANSWERS["cut"][0], 1)
    assert len(lab.server.seen) == 7
    (again,) = [
        asked
        for asked in lab.server.seen
        if len(asked["messages"]) == 3 and asked["messages"][1]["content"] == BAD
    ]
    assert "'one' is not of type 'integer'" in again["messages"][2]["content"]

    assert lab(*RUN).returncode == 3
    assert len(lab.server.seen) == 9, "only what may be better another time is sent again, from the beginning"
    assert lab.server.seen[7]["messages"] == [{"role": "user", "content": "twice"}]
    assert lab("retry", "out.jsonl", "--all").returncode == 3
    assert len(lab.server.seen) == 12, "the schema is known to a retry"
    (lab.folder / "schema.json").write_text(json.dumps(SCHEMA | {"title": "Number"}))
    lab(*RUN)
    assert len(lab.server.seen) == 19, "another schema is another request"
    kinds = lab("export", "out.jsonl", "-o", "-", "--columns", "response.n,error.kind").stdout.splitlines()
    assert [json.loads(line)["error.kind"] for line in kinds] == [None] * 3 + ["invalid_output", "truncated"]


def test_a_kill_in_between_pays_for_the_first_answer_once(lab):
    asks(lab, "hangs")
    process = lab.start(*RUN)
    until(lambda: len(lab.server.seen) == 2)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    ANSWERS["hangs"][1] = GOOD
    try:
        done = lab(*RUN)
    finally:
        ANSWERS["hangs"][1] = None
    assert done.returncode == 0, done.stderr
    (result,) = lab.results("out.jsonl")
    assert (result["response"], result["raw_text"]) == ({"n": 1}, [BAD, GOOD])
    assert [len(asked["messages"]) for asked in lab.server.seen] == [1, 3, 3]


def test_a_bad_schema_costs_nothing(lab):
    asks(lab, "good")
    for content, words in (
        ("{", "is no JSON"),
        ("[]", "holds no JSON object"),
        ('{"type": "objekt"}', "is no JSON schema"),
    ):
        (lab.folder / "schema.json").write_text(content)
        done = lab(*RUN)
        assert done.returncode == 2
        assert f"schema.json{':' if 'schema' in words else ''}" in done.stderr
        assert words in done.stderr
    assert lab.server.seen == []


def test_a_run_from_python_takes_a_type(lab, monkeypatch):
    class Number(msgspec.Struct):
        n: int

    monkeypatch.chdir(lab.folder)
    asks(lab, "once", "fenced")
    report = brimline.run(
        "in.jsonl", model="lab/x", schema=Number, output="out.jsonl", config="brimline.toml"
    )
    assert [row["response"] for row in report] == [{"n": 1}] * 2
    assert report.is_complete


def test_the_simulators_answers_follow_it_and_its_faults_are_told_apart(tmp_path, simulator):
    faults = "".join(
        f'[[models."*".faults]]\nkind = "{kind}"\nwhen = "{kind}"\ntimes = 1\n'
        for kind in ("length", "malformed")
    )
    cli = Cli(tmp_path)
    cli.lab(simulator(faults).url)
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    asks(cli, "fine", "length", "malformed")
    done = cli(*RUN)
    assert done.returncode == 3, done.stderr
    fine, length, malformed = cli.results("out.jsonl")
    assert type(fine["response"]["n"]) is int
    assert (length["error"]["kind"], length["attempts"]) == ("truncated", 1)
    assert (malformed["status"], malformed["attempts"]) == ("ok", 2)
    assert "repaired" not in malformed, "a reply that cannot be read is sent anew, not asked for again"

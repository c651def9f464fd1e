"""`brimline ask`: the answer on standard output, raw or for a terminal, and what it means to a shell."""

import io
import json
import os
import pty
import signal

import pytest

from brimline.cli.printer import Printer
from tests.cli.lab import until
from tests.servers import Cli

pytestmark = [pytest.mark.real_time, pytest.mark.timeout(60)]

WRITES = '[models."*"]\ntokens_per_s = 40\n'


def on_terminal(cli, *arguments):
    """What a command shows on a terminal, and its exit code."""
    ours, theirs = pty.openpty()
    process = cli.start(*arguments, stdout=theirs, stderr=theirs, text=False)
    os.close(theirs)
    shown = b""
    try:
        while read := os.read(ours, 65_536):
            shown += read
    except OSError:
        pass  # as Linux says that the other end is closed
    os.close(ours)
    return shown.replace(b"\r\n", b"\n"), process.wait(timeout=20)


# In this process.


def test_the_text_is_printed_raw_where_it_is_piped(lab, cli):
    lab()
    for how in ([], ["--stream"]):
        code, out, err = cli("ask", "lab/x", *how, "Say\x1b[31m", "hi")
        assert (code, out) == (0, "echo: Say\x1b[31m hi\n")
        assert err.startswith("lab/x, ")
        assert ("first token" in err) == bool(how)
        assert cli("ask", "lab/x", "-q", *how, "Say hi") == (0, "echo: Say hi\n", "")


def test_an_answer_may_have_to_follow_a_schema(lab, cli, write):
    lab()
    write("n.json", '{"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}')
    code, out, _ = cli("ask", "lab/x", "hi", "--schema", "n.json")
    assert (code, [*json.loads(out)]) == (0, ["n"])
    code, _, err = cli("ask", "lab/x", "hi", "--schema", "n.json", "--stream")
    assert code == 2
    assert "may be asked for again" in err


def test_json_is_the_line_of_a_results_file(lab, cli):
    lab()
    _, out, _ = cli("ask", "lab/x", "hi", "--json", "--stream", "--system", "be nice", "-P", "temperature=0")
    line = json.loads(out)
    assert (line["prompt"], line["response"], line["status"], line["model"]) == (
        "hi",
        "echo: hi",
        "ok",
        "lab/x",
    )
    assert line["time_to_first_token_s"] >= 0
    assert "time_to_first_token_s" not in json.loads(cli("ask", "lab/x", "hi", "--json")[1])


def test_several_answers_are_printed_one_after_another(lab, cli):
    lab()
    plain = cli("ask", "lab/x", "hi", "-P", "n=2", "-q")
    assert plain[1].count("echo: hi") == 2
    assert cli("ask", "lab/x", "hi", "-P", "n=2", "-q", "--stream") == plain


def test_a_half_of_an_answer_is_said_to_be_one(lab, cli):
    server = lab('[[models."*".faults]]\nkind = "reset"\n').server
    code, out, err = cli("ask", "lab/x", "--stream", "one two three four five six")
    assert (code, out.startswith("echo: one"), "six" in out) == (1, True, False)
    assert "What was printed is not the whole answer." in err
    assert server.stats["total"]["received"] == 1
    line = json.loads(cli("ask", "lab/x", "--stream", "--json", "one two three four five six")[1])
    assert (line["response"], line["partial_response"] + "\n") == (None, out)


def test_silence_is_not_waited_for(lab, cli):
    lab('[[models."*".faults]]\nkind = "stall"\n')
    code, out, err = cli("ask", "lab/x", "--stream", "--idle-timeout", "0.3", "one two three four five six")
    assert (code, out.startswith("echo: one")) == (3, True)
    assert "the server sent nothing for 0.3 s (idle_timeout) while the rest of its answer was awaited" in err


def test_exit_codes(lab, cli):
    kinds = {"auth": 1, "not_found": 1, "quota": 1, "content_filter": 3, "400": 3}
    lab("".join(f'[[models."*".faults]]\nkind = "{kind}"\nwhen = "{kind}"\n' for kind in kinds))
    for kind, code in kinds.items():
        done = cli("ask", "lab/x", kind)
        assert done[:2] == (code, ""), kind
        assert done[2].startswith("brimline: ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["lab/x"], "Missing argument"),
        (["lab/x", ""], "the prompt is empty"),
        (["lab/x", "-", "-"], "standard input can be read once"),
        (["x", "hi"], "'x' is no model"),
        (["lab/x", "hi", "-P", "stream=true"], "'stream' cannot be set"),
        (["lab/x", "hi", "--idle-timeout", "0"], "must be above 0"),
    ],
)
def test_mistakes_are_usage_errors_and_send_nothing(tmp_path, cli, arguments, words):
    Cli(tmp_path).lab("http://127.0.0.1:9/v1")
    code, out, err = cli("ask", *arguments)
    assert (code, out) == (2, "")
    assert words in err


# In another one.


def test_a_terminal_is_shown_what_it_must_not_obey(lab):
    """Each word of the echo is a piece of its own, so the sequence comes cut."""
    cli = lab()
    for how in ([], ["--stream"]):
        shown, code = on_terminal(
            cli, "ask", "lab/x", "-q", *how, "\x1b", "[31m red \x1b]0;title\x07 \x9b2J é"
        )
        assert code == 0
        assert shown.decode() == "echo: \\x1b [31m red \\x1b]0;title\\x07 \\x9b2J é\n"


def test_it_is_printed_as_it_comes(lab):
    cli = lab(WRITES)
    process = cli.start("ask", "lab/x", "--stream", "one two three " * 15, text=False)
    first = process.stdout.read(10)
    assert cli.server.stats["total"]["in_flight"] == 1, "and most is still to come"
    rest, err = process.communicate(timeout=20)
    assert (first + rest).decode() == "echo: " + "one two three " * 15 + "\n"
    assert "ms a token" in err.decode()


def test_the_prompt_may_come_from_standard_input(lab):
    cli = lab()
    process = cli.start("ask", "lab/x", "Shorten", "this:", "-", stdin=-1)
    assert process.communicate("a long text\n", timeout=20)[0] == "echo: Shorten this:\n\na long text\n"
    process = cli.start("ask", "lab/x", "-", stdin=-1, text=False)
    out, err = process.communicate(b"\xff\xfe", timeout=20)
    assert (process.returncode, out) == (2, b"")
    assert b"standard input is no UTF-8" in err


@pytest.mark.slow
def test_what_it_waits_for_is_said(lab):
    cli = lab()
    cli.configure('[limits."lab/x"]\nrate = "1/min"\n')
    assert cli("ask", "lab/x", "hi").returncode == 0
    done = cli("ask", "lab/x", "hi", "--timeout", "6")
    assert done.returncode == 3
    assert "lab/x: " in done.stderr, done.stderr
    assert "no outcome within 6 s" in done.stderr


def test_ctrl_c_ends_it_at_once(lab):
    cli = lab(WRITES)
    process = cli.start("ask", "lab/x", "--stream", "one two three " * 400)
    process.stdout.read(10)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=10)[1] == "brimline: interrupted; what was sent may be billed\n"
    assert process.returncode == 130
    until(lambda: cli.server.stats["total"]["in_flight"] == 0)


def test_a_reader_that_leaves_ends_it(lab):
    cli = lab(WRITES)
    process = cli.start("ask", "lab/x", "--stream", "one two three " * 400)
    process.stdout.read(10)
    process.stdout.close()
    assert (process.wait(timeout=10), process.stderr.read()) == (1, "")
    process.stderr.close()
    until(lambda: cli.server.stats["total"]["in_flight"] == 0)


def test_a_run_can_be_streamed(lab):
    """A stall is noticed in the time that nothing may come, and the request is sent again."""
    cli = lab('[[models."*".faults]]\nkind = "stall"\nwhen = "prompt 7"\ntimes = 1\n')
    done = cli(
        "run",
        "in.jsonl",
        "-m",
        "lab/x",
        "-p",
        "{{ text }}",
        "-o",
        "out.jsonl",
        "--stream",
        "--idle-timeout",
        "0.5",
    )
    assert done.returncode == 0, done.stderr
    assert "first token" in done.stderr
    results = cli.results("out.jsonl")
    assert [result["response"] for result in results] == [f"echo: prompt {n}" for n in range(40)]
    assert all(result["time_to_first_token_s"] >= 0 and result["usage"] for result in results)
    assert results[7]["attempts"] == 2


# The printer alone.


class Terminal(io.TextIOWrapper):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    "text", ["a\x1b[31mb", "\x1b]8;;http://x\x1b\\link", "a\x9b1mb\u202e", "\r\nx\b\x00"]
)
def test_no_cut_lets_a_sequence_through(text):
    def printed(*pieces):
        out = io.BytesIO()
        terminal = Terminal(out, encoding="utf-8")
        printer = Printer(terminal)
        for piece in pieces:
            printer.write(piece)
        printer.end()
        return out.getvalue()

    whole = printed(text)
    assert not set(whole) & ({*range(32)} - {9, 10} | {127, 0x9B})
    assert {printed(text[:cut], text[cut:]) for cut in range(len(text) + 1)} == {whole}
    assert printed(*text) == whole

"""`--cache` by the real command: what is sent once and never again, by whichever run asks."""

import json
import stat

import pytest

from tests.cli.lab import until
from tests.servers import Cli

pytestmark = [pytest.mark.real_time, pytest.mark.timeout(60)]

ROWS = [{"text": f"p{n}"} for n in range(6)]
RUN = ("run", "in.jsonl", "-m", "lab/x", "-p", "{{ text }}", "--cache=store")
LOREM = '[models."*"]\nreply = "lorem"\n'


@pytest.fixture
def lab(tmp_path, simulator):
    """A command line whose `lab/...` models never answer twice the same."""

    def start(rows=ROWS, scenario=LOREM):
        cli = Cli(tmp_path, XDG_CACHE_HOME=str(tmp_path / "xdg"))
        cli.server = simulator(scenario)
        cli.lab(cli.server.url)
        cli.write("in.jsonl", rows)
        return cli

    return start


def sent(cli):
    return cli.server.stats["total"]["received"]


def run(cli, output, *more, code=0, command=RUN):
    """Run it; return the results."""
    done = cli(*command, "-o", output, *more)
    assert done.returncode == code, done.stderr
    cli.said = done.stderr
    return cli.results(output)


def texts(results):
    return [result["response"] for result in results]


def test_another_run_takes_the_answers_and_pays_nothing(lab):
    cli = lab()
    first = run(cli, "one.jsonl")
    second = run(cli, "two.jsonl")
    assert texts(first) == texts(second)
    assert sent(cli) == 6
    assert not any("cached" in result for result in first)
    for one, other in zip(first, second, strict=True):
        assert (other["attempts"], other["cached"], other["usage"], other["cost_usd"]) == (0, True, None, 0)
        assert (other["latency_s"], other["timestamp_sent"]) == (None, None)
        same = ("id", "model", "status", "error", "finish_reason", "served_model", "request_id", "key")
        assert [one[name] for name in same] == [other[name] for name in same]
    assert "saved 6 requests: 6 from the cache" in cli.said
    assert "0 requests sent" in cli.said
    assert stat.S_IMODE((cli.folder / "store").stat().st_mode) == 0o700


def test_the_report_says_what_it_saved(lab):
    cli = lab()
    run(cli, "one.jsonl", "--limit", 4)
    report = json.loads(cli(*RUN, "-o", "two.jsonl", "--json").stdout)
    assert (report["cached"], report["attempts"], report["ok"], report["duplicates"]) == (4, 2, 6, 0)
    assert report["models"][0]["cached"] == 4


def test_it_is_off_unless_somebody_asks_for_it(lab):
    cli = lab()
    command = RUN[:-1]
    run(cli, "one.jsonl", command=command)
    run(cli, "two.jsonl", command=command)
    assert sent(cli) == 12
    assert not (cli.folder / "xdg").exists()
    run(cli, "three.jsonl", "--cache", command=command)
    assert [path.name for path in (cli.folder / "xdg").iterdir()] == ["brimline"]
    cli.configure("[run]\ncache = true\ncache_size = '10MB'\n")
    run(cli, "four.jsonl", command=command)
    assert sent(cli) == 18
    run(cli, "five.jsonl", "--no-cache", command=command)
    assert sent(cli) == 24


@pytest.mark.slow
def test_another_server_or_other_parameters_are_asked_anew(lab, simulator):
    cli = lab()
    run(cli, "one.jsonl")
    other = simulator(LOREM)
    cli.lab(other.url)
    run(cli, "two.jsonl")
    assert other.stats["total"]["received"] == 6
    run(cli, "three.jsonl", "-P", "temperature=0.5")
    assert other.stats["total"]["received"] == 12
    run(cli, "four.jsonl", "--timeout", 5, "--rpm", 6000)
    assert other.stats["total"]["received"] == 12


def test_failures_are_never_kept(lab):
    cli = lab(scenario=LOREM + '[[models."*".faults]]\nkind = "400"\nwhen = "p3"\ntimes = 1\n')
    run(cli, "one.jsonl", code=3)
    results = run(cli, "two.jsonl")
    assert sent(cli) == 7
    assert [result.get("cached", False) for result in results] == [n != 3 for n in range(6)]


def test_equal_rows_stay_samples(lab):
    """The n-th of equal rows takes the n-th answer, and a row more is asked anew."""
    cli = lab([{"text": "same"}] * 4)
    first = texts(run(cli, "one.jsonl"))
    assert len(set(first)) == sent(cli) == 4
    cli.write("in.jsonl", [{"text": "same"}] * 6)
    second = texts(run(cli, "two.jsonl"))
    assert len(set(second)) == sent(cli) == 6
    assert set(first) < set(second)
    third = texts(run(cli, "three.jsonl", "--repeat", 2))
    assert len(set(third)) == sent(cli) == 12
    fourth = texts(run(cli, "four.jsonl", "--dedupe"))
    assert (len(set(fourth)), sent(cli)) == (1, 12)
    assert "saved 6 requests: 5 duplicates, 1 from the cache" in cli.said


@pytest.mark.slow
def test_no_sample_is_given_to_two_rows(lab):
    """Whichever of equal rows lose their answers, they get them back, and nobody else's."""
    cli = lab([{"text": "same"}] * 8)
    before = texts(run(cli, "out.jsonl"))
    lines = (cli.folder / "out.jsonl").read_bytes().splitlines(keepends=True)
    (cli.folder / "out.jsonl").write_bytes(b"".join(lines[place] for place in (1, 4, 6)))
    assert texts(run(cli, "out.jsonl")) == before
    run(cli, "out.jsonl", "--repeat", 3)
    run(cli, "out.jsonl", "--repeat", 1)
    assert len(set(texts(run(cli, "out.jsonl", "--repeat", 3)))) == sent(cli) == 24


@pytest.mark.slow
def test_repeats_take_their_own_answers(lab):
    cli = lab()
    first = texts(run(cli, "one.jsonl", "--repeat", 3))
    assert texts(run(cli, "two.jsonl", "--repeat", 3)) == first
    assert sent(cli) == 18
    more = texts(run(cli, "two.jsonl", "--repeat", 5))
    assert len(set(more)) == sent(cli) == 30


def test_conversations_and_raw_replies(lab):
    cli = lab([{"turns": ["one", "two"]}])
    command = ("run", "in.jsonl", "-m", "lab/x", "--prompt-column", "turns", "--cache=store", "--raw")
    (first,) = run(cli, "one.jsonl", command=command)
    (second,) = run(cli, "two.jsonl", command=command)
    assert sent(cli) == 2
    assert (second["response"], second["raw"]) == (first["response"], first["raw"])


@pytest.mark.slow
def test_batch_rows(lab):
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    cli = lab([{"custom_id": "r", "method": "POST", "url": "/v1/chat/completions", "body": body}])
    command = ("run", "in.jsonl", "-m", "lab/x", "--cache=store")
    (first,) = run(cli, "one.jsonl", command=command)
    (second,) = run(cli, "two.jsonl", command=command)
    assert second["response"] == first["response"]
    assert second["brimline"] == first["brimline"] | {"attempts": 0, "cached": True}


def test_the_limits_are_not_touched_by_what_is_cached(lab):
    """At a request a minute nothing could be sent in time; with a quota of tokens that no request fits even less."""
    cli = lab()
    run(cli, "one.jsonl")
    run(cli, "two.jsonl", "--rpm", 1, "--tpm", 1)
    assert sent(cli) == 6


def test_a_damaged_cache_is_put_aside_and_the_run_goes_on(lab):
    cli = lab()
    run(cli, "one.jsonl")
    (cli.folder / "store" / "answers-1.sqlite").write_bytes(b"garbage" * 1000)
    results = run(cli, "two.jsonl")
    assert (len(results), sent(cli)) == (6, 12)
    assert "was damaged; it is kept in" in cli.said
    run(cli, "three.jsonl")
    assert sent(cli) == 12


@pytest.mark.slow
def test_a_folder_that_is_none_is_said_before_anything_is_made(lab):
    cli = lab()
    done = cli("run", "--cache", "in.jsonl", "-m", "lab/x", "-p", "hi")
    assert done.returncode == 2
    assert "write --cache after INPUT, or --cache=DIR" in done.stderr
    cli.configure("[run]\ncache = 'in.jsonl'\n")
    done = cli("run", "in.jsonl", "-m", "lab/x", "-p", "hi", "-o", "out.jsonl")
    assert done.returncode == 2
    assert "the cache folder in.jsonl is a file" in done.stderr
    assert not [*cli.folder.glob("out.jsonl*")]


@pytest.mark.slow
def test_two_runs_at_once_share_it(lab):
    cli = lab([{"text": f"p{n}"} for n in range(200)])
    processes = [cli.start(*RUN, "-o", f"{name}.jsonl") for name in "ab"]
    for process in processes:
        _, said = process.communicate(timeout=50)
        assert process.returncode == 0, said
        assert "cache /" not in said
    before = sent(cli)
    run(cli, "c.jsonl")
    assert sent(cli) == before


@pytest.mark.slow
def test_what_was_answered_before_a_kill_is_in_the_cache_but_for_the_last_moment(lab):
    cli = lab([{"text": f"p{n}"} for n in range(60)], LOREM + 'latency = "200ms"\n')
    process = cli.start(*RUN, "-o", "one.jsonl", "--concurrency", 10)
    until(lambda: cli.server.stats["total"]["served"] >= 30)
    process.kill()
    process.communicate()
    before = sent(cli)
    run(cli, "two.jsonl")
    assert sent(cli) <= before + 40

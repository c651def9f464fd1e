"""The physics as a whole: who is admitted, what they are told, when, and what is charged."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.sim import count_tokens
from brimline.sim.amounts import go_duration

from .harness import SECOND, Provider, chat, read

LIMITED = """
[models."*"]
requests = { rate = "600/min", bucket = 10 }
tokens = { rate = "60k/min", bucket = 500 }
"""
pauses = st.lists(st.tuples(st.integers(0, SECOND // 2), st.integers(1, 400)), max_size=40)


def test_an_empty_scenario_answers_at_once():
    reply = Provider().ask("hello")
    assert (reply.status, reply.content) == (200, "echo: hello")
    assert reply.json["usage"]["total_tokens"] == count_tokens("hello") + count_tokens("echo: hello")


def test_a_reply_has_the_real_members_and_headers():
    reply = Provider(epoch=1_700_000_000 * SECOND).ask(model="gpt-4")
    assert set(reply.json) >= {"id", "object", "created", "model", "choices", "usage", "system_fingerprint"}
    assert set(reply.json["choices"][0]) == {"index", "message", "logprobs", "finish_reason"}
    assert set(reply.json["choices"][0]["message"]) >= {"role", "content", "refusal"}
    assert (reply.json["object"], reply.json["model"]) == ("chat.completion", "gpt-4")
    assert reply.json["created"] == 1_700_000_000
    assert set(reply.headers) >= {"x-request-id", "openai-processing-ms", "openai-version", "content-type"}
    assert int(reply.headers["content-length"]) == len(reply.body)


@given(pauses)
def test_never_more_than_the_limits_and_the_truth_about_the_rest(steps):
    provider, served, now = Provider(LIMITED), [], 0
    for pause, tokens in steps:
        now += pause
        provider.now = now
        exchange = provider.arrive(chat("abcd" * tokens))
        provider.leave(exchange)
        if exchange.kind == "ok":
            served.append((now, tokens))
        else:
            wait = int(read(exchange.script).headers["retry-after-ms"])
            assert wait > 0
            retried = Provider(LIMITED)
            replay(retried, served)
            retried.now = now + wait * 1_000_000
            assert retried.arrive(chat("abcd" * tokens)).kind == "ok"
    for i, (start, _) in enumerate(served):
        for j in range(i, len(served)):
            length = served[j][0] - start
            assert j - i + 1 <= 10 + Fraction(length * 600, 60 * SECOND)
            assert sum(t for _, t in served[i : j + 1]) <= 500 + Fraction(length * 60_000, 60 * SECOND)


def replay(provider, served):
    """Send what was served again: the refused took nothing, so all of it is served again."""
    for now, tokens in served:
        provider.now = now
        assert provider.arrive(chat("abcd" * tokens)).kind == "ok"


def test_a_429_says_what_openai_says():
    provider = Provider('[models."*"]\nrequests = { rate = "600/min", bucket = 10 }')
    replies = [provider.ask(model="gpt-4") for _ in range(11)]
    assert [reply.status for reply in replies] == [200] * 10 + [429]
    assert replies[-1].error == {
        "message": "Rate limit reached for gpt-4 in organization org-sim on requests per min (RPM): "
        "Limit 600, Used 600, Requested 1. Please try again in 100ms.",
        "type": "requests",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    assert (replies[-1].headers["retry-after-ms"], replies[-1].headers["retry-after"]) == ("100", "1")


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0s"),
        (1, "1ms"),
        (11_000_001, "12ms"),
        (1_500_000_000, "1.5s"),
        (59_999_000_001, "1m0s"),
        (360 * SECOND, "6m0s"),
        (86_400_000_000, "1m26.4s"),
        (3_720 * SECOND, "1h2m0s"),
    ],
)
def test_durations_are_written_as_go_does(ns, text):
    assert go_duration(ns) == text


def test_rate_headers_fall_with_every_call():
    provider = Provider(LIMITED)
    first, second = provider.ask("abcd"), provider.ask("abcd", max_tokens=99)
    assert [reply.headers["x-ratelimit-remaining-requests"] for reply in (first, second)] == ["9", "8"]
    assert [reply.headers["x-ratelimit-remaining-tokens"] for reply in (first, second)] == ["499", "399"]
    assert second.headers["x-ratelimit-limit-requests"] == "600"
    assert second.headers["x-ratelimit-limit-tokens"] == "60000"
    assert second.headers["x-ratelimit-reset-requests"] == "200ms"
    assert second.headers["x-ratelimit-reset-tokens"] == "101ms"


def test_each_model_has_limits_of_its_own():
    provider = Provider('[models."*"]\nrequests = { rate = "60/min", bucket = 1 }')
    assert [provider.ask(model=name).status for name in ("a", "b", "a")] == [200, 200, 429]


def test_tokens_are_charged_with_max_tokens_or_as_they_come():
    asked = Provider('[models."*"]\ntokens = { rate = "60k/min", bucket = 500 }')
    actual = Provider('[models."*"]\ntokens = { rate = "60k/min", bucket = 500, charge = "actual" }')
    left = [p.ask("abcd", max_tokens=100).headers["x-ratelimit-remaining-tokens"] for p in (asked, actual)]
    assert left == [str(500 - 1 - 100), str(500 - 1 - count_tokens("echo: abcd"))]


def test_the_limit_that_lasts_longest_is_named():
    provider = Provider(
        '[models."*"]\nrequests = { rate = "600/min", bucket = 1 }\ntokens = { rate = "60k/min" }'
    )
    provider.ask("abcd" * 10_000)
    by_tokens, by_requests = provider.ask("abcd" * 400).error, provider.ask("").error
    assert (by_tokens["type"], by_tokens["code"]) == ("tokens", "rate_limit_exceeded")
    assert "tokens per min (TPM): Limit 60000, Used 60000, Requested 400" in by_tokens["message"]
    assert "requests per min (RPM): Limit 600, Used 600, Requested 1" in by_requests["message"]


def test_a_request_above_the_limit_is_too_large_and_names_no_time():
    reply = Provider('[models."*"]\ntokens = { rate = "100/min", bucket = 10 }').ask("abcd" * 101)
    assert "Request too large for m" in reply.error["message"]
    assert "retry-after" not in reply.headers


@pytest.mark.parametrize(
    ("mode", "names"), [("ms", ["retry-after-ms", "retry-after"]), ("s", ["retry-after"]), ("none", [])]
)
def test_retry_after_comes_in_three_ways(mode, names):
    provider = Provider(f'[models."*"]\nrequests = {{ rate = "40/min", bucket = 1 }}\nretry_after = "{mode}"')
    provider.ask()
    headers = provider.ask().headers
    assert [name for name in headers if name.startswith("retry")] == names
    assert headers.get("retry-after", "2") == "2"


def test_headers_can_be_off():
    provider = Provider('[models."*"]\nrequests = { rate = "60/min" }\nheaders = false')
    assert not [name for name in provider.ask().headers if name.startswith("x-ratelimit")]


def test_input_is_charged_on_arrival_and_output_at_the_end():
    provider = Provider(
        '[models."*"]\nlatency = "10s"\ninput = { rate = "600/min", bucket = 50 }\noutput = { rate = "60/min", bucket = 5 }'
    )
    first = provider.arrive(chat("abcd" * 20, max_tokens=1000))
    second = provider.arrive(chat("abcd" * 20))
    assert (first.kind, second.kind) == ("ok", "ok")
    third = provider.arrive(chat("abcd" * 20))
    assert third.kind == "refused"
    assert (
        "input tokens per min (ITPM): Limit 600, Used 590, Requested 20"
        in read(third.script).error["message"]
    )
    provider.now = 10 * SECOND
    provider.leave(first)
    provider.leave(second)
    assert first.usage.output_tokens == 22
    refused = read(provider.arrive(chat("ab")).script)
    assert "output tokens per min (OTPM)" in refused.error["message"]
    assert refused.error["type"] == "tokens"
    assert refused.headers["retry-after-ms"] == str((2 * 22 - 5 + 1) * 1000), "the debt, and one token"
    assert provider.arrive(at=50).kind == "ok"


def test_an_answer_that_never_came_is_not_generated():
    provider = Provider(
        '[models."*"]\noutput = { rate = "60/min", bucket = 5 }\n[[models."*".faults]]\nkind = "500"\nafter = 1\n'
    )
    replies = [provider.ask("ab") for _ in range(3)]
    assert [reply.status for reply in replies] == [200, 500, 500]
    assert [reply.headers["x-ratelimit-remaining-output-tokens"] for reply in replies] == ["5", "3", "3"]


def test_anthropics_headers_are_moments_and_thousands():
    provider = Provider(
        '[models."*"]\nlatency = "2s"\nheaders = "anthropic"\nrequests = { rate = "60/min", bucket = 10 }\n'
        'input = { rate = "600k/min", bucket = 100000 }\noutput = { rate = "60k/min", bucket = 10000 }',
        epoch=1_792_567_680 * SECOND,
    )
    headers = provider.ask("abcd" * 1700).headers
    assert headers["date"] == "Wed, 21 Oct 2026 07:28:02 GMT"
    assert {name: value for name, value in headers.items() if name.startswith("anthropic-")} == {
        "anthropic-ratelimit-requests-limit": "60",
        "anthropic-ratelimit-requests-remaining": "9",
        "anthropic-ratelimit-requests-reset": "2026-10-21T07:28:01Z",
        "anthropic-ratelimit-tokens-limit": "60000",
        "anthropic-ratelimit-tokens-remaining": "10000",
        "anthropic-ratelimit-tokens-reset": "2026-10-21T07:28:00Z",
        "anthropic-ratelimit-input-tokens-limit": "600000",
        "anthropic-ratelimit-input-tokens-remaining": "98000",
        "anthropic-ratelimit-input-tokens-reset": "2026-10-21T07:28:01Z",
        "anthropic-ratelimit-output-tokens-limit": "60000",
        "anthropic-ratelimit-output-tokens-remaining": "10000",
        "anthropic-ratelimit-output-tokens-reset": "2026-10-21T07:28:00Z",
    }
    assert not [name for name in headers if name.startswith("x-ratelimit")]


def test_a_fixed_window_admits_two_and_names_its_end():
    provider = Provider('[models."*"]\nwindow = { limit = 2, seconds = 1 }')
    kinds = [provider.arrive(at=at).kind for at in (0.7, 1.6, 1.65, 1.7, 1.71, 1.72)]
    assert kinds == ["ok", "ok", "refused", "ok", "ok", "refused"]
    refused = read(provider.arrive(at=1.75).script)
    assert refused.headers["retry-after-ms"] == "950"
    assert "on requests per 1s: Limit 2, Used 2, Requested 1" in refused.error["message"]


def test_concurrency_refuses_or_makes_a_line():
    refusing = Provider('[models."*"]\nconcurrency = { limit = 1 }')
    first, second = refusing.arrive(), refusing.arrive()
    assert (first.kind, second.kind) == ("ok", "refused")
    queueing = Provider('[models."*"]\nlatency = "2s"\nconcurrency = { limit = 1, over = "queue" }')
    first, second, third = (queueing.arrive(at=at) for at in (0, 0.5, 0.6))
    assert (second.kind, second.script) == ("ok", None)
    queueing.leave(third)
    queueing.now = 2 * SECOND
    assert queueing.leave(first) == [second]
    assert (second.began, second.script.lasts) == (2 * SECOND, 2 * SECOND)
    assert queueing.leave(second) == []


def test_latency_grows_with_the_output_and_with_the_load():
    provider = Provider(
        '[models."*"]\nlatency = "1s"\ntokens_per_s = 4\nlatency_per_inflight = "2ms"\nknee = 2'
    )
    lasts = [provider.arrive(chat("ab")).script.lasts for _ in range(4)]
    assert lasts == [1_500_000_000, 1_500_000_000, 1_502_000_000, 1_504_000_000]


def test_limits_change_at_their_own_moment():
    provider = Provider(
        '[models."*"]\nrequests = { rate = "60/min", bucket = 1 }\n'
        '[[changes]]\nat = "10s"\nmodel = "m*"\nrequests = { rate = "6/min", bucket = 1 }\n'
        '[[changes]]\nat = "30s"\nrequests = { rate = "600/min", bucket = 10 }\n'
    )
    assert [provider.arrive(at=at).kind for at in (0, 1)] == ["ok", "ok"]
    assert read(provider.arrive(at=10).script).headers["x-ratelimit-limit-requests"] == "6"
    assert [provider.arrive(at=at).kind for at in (19.9, 20)] == ["refused", "ok"]
    # one request by 30 s, then ten a second although nobody came to see the change
    assert [provider.arrive(at=30.8).kind for _ in range(10)] == ["ok"] * 9 + ["refused"]


def test_keys_are_checked_only_if_there_are_any():
    provider = Provider('keys = ["sk-good"]')
    kinds = [provider.arrive(key=key).kind for key in ("sk-good", "sk-bad", None)]
    assert kinds == ["ok", "auth", "auth"]
    wrong = read(provider.arrive(key="sk-0123456789abcdef").script)
    assert (wrong.status, wrong.error["code"]) == (401, "invalid_api_key")
    assert wrong.error["message"] == "Incorrect API key provided: sk-0********cdef."
    assert Provider().arrive(key="whatever").kind == "ok"


def test_unknown_models_are_a_404_when_the_scenario_is_strict():
    provider = Provider("strict_models = true\n[models.gpt-4]")
    assert provider.ask(model="gpt-4").status == 200
    reply = provider.ask(model="gpt-5")
    assert (reply.status, reply.error["code"]) == (404, "model_not_found")


def test_a_long_input_is_refused_and_charged_nothing():
    provider = Provider('[models."*"]\nmax_context = 10\nrequests = { rate = "60/min", bucket = 1 }')
    reply = provider.ask("abcd" * 11)
    assert (reply.status, reply.error["code"]) == (400, "context_length_exceeded")
    assert provider.ask("abcd" * 10).status == 200


def test_outages_count_from_the_first_request():
    provider = Provider(
        '[[outages]]\nfrom = "10s"\nto = "20s"\nkind = "503"\n[[outages]]\nfrom = "20s"\nto = "30s"\nkind = "stall"\n'
    )
    kinds = [provider.arrive(at=at).kind for at in (5, 14.9, 15, 24.9, 25, 34.9, 35)]
    assert kinds == ["ok", "ok", "outage", "outage", "outage", "outage", "ok"]
    assert provider.arrive(at=30).script.ending == "stall"


def test_the_models_are_those_named_and_those_asked_for():
    provider = Provider('[models."*"]\n[models.gpt-4]\n[models."llama*"]')
    provider.ask(model="llama3")
    assert provider.world.models == ["gpt-4", "llama3"]


def test_the_seed_decides_everything():
    toml = '[models."*"]\nlatency = "lognormal(1s, 0.5)"\nreply = "lorem"\n[[models."*".faults]]\nkind = "500"\nshare = 0.3'
    runs = [
        [(x.kind, x.script) for x in map(p.arrive, [chat()] * 20)] for p in (Provider(toml), Provider(toml))
    ]
    other = Provider(f"seed = 1\n{toml}")
    assert runs[0] == runs[1] != [(x.kind, x.script) for x in map(other.arrive, [chat()] * 20)]

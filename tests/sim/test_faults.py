"""Faults: when each happens, and what it looks like."""

from typing import get_args

import pytest

from brimline.sim.scenario import FaultKind

from .harness import Provider, chat, read

DOOR = {
    "400": (400, "invalid_value"),
    "429": (429, "rate_limit_exceeded"),
    "503": (503, "server_is_overloaded"),
    "529": (529, "overloaded"),
    "auth": (401, None),
    "content_filter": (400, "content_filter"),
    "not_found": (404, "model_not_found"),
    "quota": (429, "insufficient_quota"),
}
LATER = {
    "500": 500,
    "html502": 502,
    "empty": 200,
    "error200": 200,
    "filter200": 200,
    "length": 200,
    "malformed": 200,
    "null_content": 200,
    "reset": 0,
    "stall": 0,
    "truncate": 200,
}
IN_STREAMS = {"cut", "idle", "stream_error"}


def provider(kind, rest="", model='latency = "1s"\nrequests = { rate = "60/min", bucket = 5 }'):
    return Provider(f'[models."*"]\n{model}\n[[models."*".faults]]\nkind = "{kind}"\n{rest}')


def test_every_kind_is_known_here():
    assert set(DOOR) | set(LATER) | IN_STREAMS == set(get_args(FaultKind))


@pytest.mark.parametrize(("kind", "expected"), DOOR.items())
def test_a_fault_at_the_door_comes_at_once_and_charges_nothing(kind, expected):
    world = provider(kind)
    replies = [world.ask() for _ in range(7)]
    assert {(reply.status, reply.error["code"]) for reply in replies} == {expected}
    assert world.arrive().script.lasts == 0


@pytest.mark.parametrize(("kind", "status"), LATER.items())
def test_any_other_fault_is_charged_and_takes_its_time(kind, status):
    world = provider(kind)
    exchanges = [world.arrive() for _ in range(6)]
    assert [x.kind for x in exchanges] == [kind] * 5 + ["refused"]
    assert exchanges[0].script.status == status
    assert exchanges[0].script.lasts == (0 if kind == "stall" else 10**9)


def test_faulty_answers_look_like_this():
    replies = {kind: provider(kind).ask("hello") for kind in ("empty", "filter200", "length", "null_content")}
    choices = {kind: reply.json["choices"][0] for kind, reply in replies.items()}
    assert {
        kind: (choice["message"]["content"], choice["finish_reason"]) for kind, choice in choices.items()
    } == {
        "empty": ("", "stop"),
        "filter200": (None, "content_filter"),
        "length": ("echo", "length"),
        "null_content": (None, "stop"),
    }


def test_faults_of_the_wire_look_like_this():
    replies = {kind: provider(kind).ask() for kind in ("error200", "malformed", "truncate", "html502")}
    assert replies["error200"].error["type"] == "server_error"
    assert int(replies["malformed"].headers["content-length"]) == len(replies["malformed"].body)
    assert int(replies["truncate"].headers["content-length"]) > len(replies["truncate"].body)
    assert (replies["html502"].headers["content-type"], replies["html502"].body[:6]) == (
        "text/html",
        b"<html>",
    )
    endings = {
        kind: provider(kind).arrive().script.ending for kind in ("malformed", "truncate", "reset", "stall")
    }
    assert endings == {"malformed": "keep", "truncate": "close", "reset": "reset", "stall": "stall"}


def kinds(world, *texts):
    return [world.arrive(chat(text)).kind for text in texts]


def test_every_nth_and_after():
    assert kinds(provider("500", "every = 3", ""), *"abcdef") == ["ok", "ok", "500", "ok", "ok", "500"]
    assert kinds(provider("quota", "after = 2", ""), *"abcd") == ["ok", "ok", "quota", "quota"]


def test_a_share_is_a_share():
    hit = kinds(provider("500", "share = 0.1", ""), *["a"] * 2_000).count("500")
    assert 140 < hit < 260


def test_when_reads_the_last_user_message_and_times_counts_each_conversation():
    world = provider("500", 'when = "boom"\ntimes = 2', "")
    assert kinds(world, "boom 1", "boom 1", "boom 2", "calm", "boom 1") == ["500", "500", "500", "ok", "ok"]


def test_from_and_to_count_from_the_first_request():
    world = provider("500", 'from = "10s"\nto = "20s"', "")
    assert [world.arrive(at=at).kind for at in (5, 14.9, 15, 24.9, 25)] == ["ok", "ok", "500", "500", "ok"]


def test_the_first_fault_that_applies_wins():
    world = provider("500", 'every = 2\n[[models."*".faults]]\nkind = "529"', "")
    assert kinds(world, *"abc") == ["529", "500", "529"]


def test_only_requests_that_passed_the_limits_are_numbered():
    world = provider("500", "every = 2", 'requests = { rate = "60/min", bucket = 2 }')
    assert kinds(world, *"abcd") == ["ok", "500", "refused", "refused"]


@pytest.mark.parametrize("kind", ["429", "503", "529"])
def test_a_fault_can_name_its_wait(kind):
    reply = provider(kind, 'retry_after = "1500ms"').ask()
    assert (reply.headers["retry-after-ms"], reply.headers["retry-after"]) == ("1500", "2")
    assert "retry-after" not in provider(kind).ask().headers


def test_only_a_429_tells_how_the_limits_stand():
    told = {kind: "x-ratelimit-limit-requests" in provider(kind).ask().headers for kind in DOOR}
    assert {kind for kind, tells in told.items() if tells} == {"429", "quota"}


def test_a_fault_holds_its_slot():
    world = provider("500", "", 'concurrency = { limit = 1, over = "queue" }')
    first, second = world.arrive(), world.arrive()
    assert world.leave(first) == [second]
    assert read(second.script).status == 500

"""Keys, version 1. A change here makes every result on users' disks strange: it needs a new version and a reader."""

import json
from collections import OrderedDict
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.data.key import request_key
from brimline.types import Operation

HI = ({"role": "user", "content": "Hi"},)
BRIEF = ({"role": "system", "content": "Be brief."}, *HI)
PICTURE = (
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": "media:00112233445566778899aabbccddeeff"}},
        ],
    },
)
TOOLS = {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}], "n": 2}

GOLDEN = [
    ("lab/x", HI, (), {}, "8a8dae7b02f3a4fb3e62e7193a115480"),
    ("lab/y", HI, (), {}, "1353d7741e55cfc142d943ac2e4d5a9f"),
    ("openai/x", HI, (), {}, "ee9b264849a70b04e9f93d2f550ffccb"),
    ("openrouter/meta/llama-3/free", HI, (), {}, "c5449e1b4a0a7322d3bcf7342a8d5243"),
    ("lab/", HI, (), {}, "9769050729b4a3cfcf3e05d1f773ad64"),
    ("lab/x", BRIEF, (), {}, "47f5dafe38b73eb45aa4f630c8e62acc"),
    ("lab/x", HI, ("And then?",), {}, "8c6e0b643bc5958c4145e165578a3d9b"),
    ("lab/x", HI, ("And then?", "Why?"), {}, "749d33aec90a4eadf55342274e3bf4e9"),
    ("lab/x", HI, (), {"temperature": 0}, "a0887bdf08746e8300b1c263cfaeee73"),
    ("lab/x", HI, (), {"temperature": 0.0}, "e204ca271fed533452c7608b9ccfb4c1"),
    (
        "lab/x",
        HI,
        (),
        {"temperature": 0.7, "max_tokens": 100, "seed": 2**64},
        "26b4d2c64748aee80bb023a3b690bb1e",
    ),
    ("lab/x", HI, (), TOOLS, "2b8ab668e3c23532329d12cac06bf2f8"),
    ("lab/x", PICTURE, (), {}, "848c22a372dc438d04f8293db17bdf90"),
    (
        "lab/x",
        ({"role": "user", "content": "Grüße, 你好 😀\n\0"},),
        (),
        {"stop": ["\n"], "a": None, "b": True},
        "81ee177f8b56edf01ddb4fc0f5af3f2e",
    ),
]


@pytest.mark.parametrize(("model", "messages", "follow_ups", "params", "key"), GOLDEN)
def test_golden_keys(model, messages, follow_ups, params, key):
    assert request_key(model, messages, follow_ups, params) == key


def test_a_schema_is_part_of_it():
    schema = {"type": "object", "required": ["a"]}
    text = (
        '{"endpoint":"lab","messages":[{"content":"a","role":"user"}],"model":"x","params":{},'
        '"schema":{"required":["a"],"type":"object"},"v":1}'
    )
    messages = ({"role": "user", "content": "a"},)
    key = request_key("lab/x", messages, (), {}, schema=schema)
    assert key == blake2b(text.encode(), digest_size=16).hexdigest()
    assert key not in {request_key("lab/x", messages, (), {}, schema=other) for other in (None, {})}


def test_golden_keys_are_all_different():
    assert len({key for *_, key in GOLDEN}) == len(GOLDEN)


@pytest.mark.parametrize(
    ("operation", "key"),
    [
        (Operation.CHAT, "8a8dae7b02f3a4fb3e62e7193a115480"),
        (Operation.EMBEDDING, "2cc89bc24c60c709c9a0e41f04b45733"),
        (Operation.COMPLETION, "ccefe98616e3718d446fa45125f1d2d2"),
    ],
)
def test_golden_keys_of_what_is_no_chat(operation, key):
    assert request_key("lab/x", HI, (), {}, operation) == key


def test_a_key_is_what_its_module_says_it_is():
    text = (
        '{"endpoint":"lab","follow_ups":["b"],"messages":[{"content":"a","role":"user"}],"model":"x/y",'
        '"params":{"n":1,"z":{"a":[1.5,null],"b":"é"}},"v":1}'
    )
    messages = ({"role": "user", "content": "a"},)
    params = {"z": {"b": "é", "a": [1.5, None]}, "n": 1}
    key = request_key("lab/x/y", messages, ("b",), params)
    assert key == blake2b(text.encode(), digest_size=16).hexdigest()


scalars = st.none() | st.booleans() | st.integers(-(2**64), 2**64) | st.text(max_size=4)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
)


def turned(value):
    """The same value with every object's members in the opposite order."""
    if isinstance(value, dict):
        return OrderedDict((name, turned(member)) for name, member in reversed(value.items()))
    return [turned(member) for member in value] if isinstance(value, list) else value


@given(st.dictionaries(st.text(max_size=4), values, max_size=4))
def test_the_order_of_members_says_nothing(params):
    message = {"role": "user", "content": "Hi", "more": params}
    key = request_key("lab/x", [message], [], params)
    assert request_key("lab/x", (turned(message),), (), turned(params)) == key


@given(values, values)
def test_other_parameters_make_another_key(one, other):
    keys = {request_key("lab/x", HI, (), {"p": value}) for value in (one, other)}
    assert len(keys) == len({json.dumps(value, sort_keys=True) for value in (one, other)})

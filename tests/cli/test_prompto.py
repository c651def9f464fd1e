"""Rows in prompto's forms for each of its APIs, with its variables: each ends as it should, answered or for its own reason."""

import pytest

from tests.servers import Cli

pytestmark = pytest.mark.real_time

JPEG = b"\xff\xd8\xff\xe0" + b"pixels"
MODELS = """
strict_models = true
[models."known*"]
[models.tgi]
"""
SYSTEM = "Answer briefly."


def rows(api, model, *prompts, **columns):
    return [
        {"id": n, "api": api, "model_name": model, "prompt": prompt, **columns}
        for n, prompt in enumerate(prompts)
    ]


def chat(key, *turns):
    roles = {"s": "system", "u": "user", "a": "model" if key == "parts" else "assistant"}
    return [{"role": roles[turn[0]], key: turn[1]} for turn in turns]


TURNS = ["How does trade create jobs?", "A joke about that"]
BOB = (("s", SYSTEM), ("u", "I'm Bob and I'm 6"), ("a", "Hi Bob"), ("u", "How old will I be?"))
CHATS = ["Hello", TURNS, chat("content", ("s", SYSTEM), ("u", "Hello")), chat("content", *BOB)]
PARTS = ["Hello", TURNS, chat("parts", ("s", SYSTEM), ("u", "Hello")), chat("parts", *BOB)]
ANSWERS = ["echo: Hello", [f"echo: {turn}" for turn in TURNS], "echo: Hello", "echo: How old will I be?"]
SAFE = {
    "parameters": {"candidate_count": 1, "temperature": 1, "max_output_tokens": 100},
    "safety_filter": "few",
}
SHORT = {"parameters": {"temperature": 1, "max_tokens": 100}}
LOCAL = {"parameters": {"temperature": 1, "num_predict": 100, "seed": 0}}


@pytest.fixture
def user(tmp_path, simulator):
    """Somebody with prompto's variables, whose servers are one simulator."""
    server = simulator(MODELS).url.removesuffix("/v1")
    media = tmp_path / "media"
    media.mkdir()
    (media / "giro.jpg").write_bytes(JPEG)
    return Cli(
        tmp_path,
        OPENAI_API_KEY="sk-openai", OPENAI_BASE_URL=f"{server}/v1",
        AZURE_OPENAI_API_KEY="azure-key", AZURE_OPENAI_API_ENDPOINT=server,
        ANTHROPIC_API_KEY="sk-ant-key", ANTHROPIC_BASE_URL=server,
        GEMINI_API_KEY="gemini-key", GEMINI_BASE_URL=server,
        VERTEXAI_API_KEY="vertex-key", VERTEXAI_PROJECT_ID="p", VERTEXAI_LOCATION_ID="l", VERTEXAI_BASE_URL=server,
        OLLAMA_API_ENDPOINT=server,
        HUGGINGFACE_TGI_API_ENDPOINT_known_tgi=server, HUGGINGFACE_TGI_API_KEY="-",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("api", "model", "prompts", "columns"),
    [
        ("openai", "known", CHATS, SHORT),
        ("azure-openai", "known", CHATS, SHORT),
        ("anthropic", "known", CHATS, SHORT),
        ("gemini", "known", PARTS, SAFE),
        ("vertexai", "known", PARTS, SAFE),
        ("ollama", "known", CHATS, LOCAL),
    ],
)
def test_every_form_of_a_prompt_is_answered_and_an_unknown_model_stops_alone(
    user, api, model, prompts, columns
):
    unknown = rows(api, "nobody", "Hello", **columns)
    user.write("rows.jsonl", [*rows(api, model, *prompts, **columns), {**unknown[0], "id": "unknown"}])
    done = user("run", "rows.jsonl")
    assert done.returncode == 1, done.stderr
    assert f"{api}/nobody has stopped (not_found)" in done.stderr
    answered = sorted(user.results("rows.results.jsonl"), key=lambda line: line["id"])
    assert [line["response"] for line in answered] == ANSWERS
    assert all(line["usage"]["output_tokens"] and line["finish_reason"] == "stop" for line in answered)


def test_a_system_message_that_comes_late_fails_for_that_reason(user):
    late = chat("parts", ("u", "Hello"), ("s", SYSTEM))
    user.write("rows.jsonl", rows("gemini", "known", late, "Hello", **SAFE))
    done = user("run", "rows.jsonl")
    assert done.returncode == 3, done.stderr
    failed, answered = user.results("rows.results.jsonl")
    assert "a system message comes after another one" in failed["error"]["message"]
    assert answered["response"] == "echo: Hello"


IMAGE = "[image/jpeg 10 bytes]"


@pytest.mark.parametrize(
    ("api", "key", "image"),
    [
        ("openai", "content", {"type": "image_url", "image_url": "giro.jpg"}),
        ("azure-openai", "content", {"type": "image_url", "image_url": {"url": "giro.jpg", "detail": "auto"}}),
        ("anthropic", "content", {"type": "image", "source": {"media": "giro.jpg", "media_type": "image/png"}}),
        ("gemini", "parts", {"type": "image", "media": "giro.jpg"}),
        ("vertexai", "parts", {"type": "image", "media": "giro.jpg"}),
    ],
)  # fmt: skip
def test_images_beside_the_input_are_sent_with_their_true_type(user, api, key, image):
    first = chat(key, ("u", ["what is it?", image]))
    later = chat(key, ("u", ["what is it?", image]), ("a", "A race."), ("u", "who won?"))
    user.write("rows.jsonl", rows(api, "known", first, later))
    done = user("run", "rows.jsonl")
    assert done.returncode == 0, done.stderr
    assert [line["response"].replace("\n", " ") for line in user.results("rows.results.jsonl")] == [
        f"echo: what is it? {IMAGE}", "echo: who won?",
    ]  # fmt: skip


def test_a_variable_of_one_model_wins(user):
    user.write("rows.jsonl", rows("huggingface-tgi", "known-tgi", "Hello"))
    done = user("run", "rows.jsonl")
    assert done.returncode == 0, done.stderr
    (line,) = user.results("rows.results.jsonl")
    assert (line["response"], line["served_model"]) == ("echo: Hello", "tgi"), (
        "that server's only model is called so"
    )

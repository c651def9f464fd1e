"""The urls of OpenAI's batch files: what each asks for, of whom, and what of its body is the prompt."""

from dataclasses import replace
from pathlib import Path

import pytest

from brimline.data.media import Media
from brimline.data.recipe import Recipe
from brimline.data.rows import Row, RowError
from brimline.data.template import Plain
from brimline.types import Operation

RECIPE = Recipe(media=Media(Path()))
HI = {"role": "user", "content": "Hi"}


def made(url, body, recipe=RECIPE):
    columns = {"custom_id": "r-1", "method": "POST", "url": url, "body": {"model": "m", **body}}
    (request,) = recipe.requests(Row(0, 1, columns), 0)
    return request


def reason(url, body, recipe=RECIPE):
    with pytest.raises(RowError) as refused:
        made(url, body, recipe)
    return str(refused.value)


def test_a_text_to_embed():
    request = made("/v1/embeddings", {"input": "Hi", "dimensions": 4, "encoding_format": "float"})
    assert (request.model, request.operation) == ("openai/m", Operation.EMBEDDING)
    assert request.messages == (HI,)
    assert request.params == {"dimensions": 4, "encoding_format": "float"}
    assert made("/v1/embeddings", {"input": "Hi"}, replace(RECIPE, models=("lab/x",))).model == "lab/x"


def test_several_texts_of_one_row_stay_together():
    request = made("/v1/embeddings", {"input": ["Hi", "Ho"]})
    assert [message["content"] for message in request.messages] == ["Hi", "Ho"]
    assert request.turns == 1


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("", "the prompt is empty"),
        ([], "the prompt is empty"),
        (["Hi", ""], "one of its texts is empty"),
        ([1, 2, 3], "the prompt is a conversation or messages, and there is only a text to embed"),
        ([HI], "the prompt is a conversation or messages, and there is only a text to embed"),
        (4, "the prompt is int, and there is only a text to embed"),
    ],
)
def test_what_is_no_text_cannot_be_embedded(given, why):
    assert reason("/v1/embeddings", {"input": given}) == why


def test_a_text_to_complete():
    request = made("/v1/completions", {"prompt": "Once upon", "max_tokens": 5})
    assert (request.model, request.operation, request.params) == (
        "openai/m",
        Operation.COMPLETION,
        {"max_tokens": 5},
    )
    assert request.messages == ({"role": "user", "content": "Once upon"},)
    assert "only a text to complete" in reason("/v1/completions", {"prompt": ["a", "b"]})


def test_a_response():
    request = made("/v1/responses", {"input": "Hi", "instructions": "Be brief.", "max_output_tokens": 5})
    assert (request.model, request.operation) == ("openai-responses/m", Operation.CHAT)
    assert request.messages == ({"role": "system", "content": "Be brief."}, HI)
    assert request.params == {"max_output_tokens": 5}


def test_the_input_of_a_response_as_messages():
    parts = [
        {"type": "input_text", "text": "What is it?"},
        {"type": "input_image", "image_url": "https://x.invalid/a.png", "detail": "low"},
    ]
    items = [
        {"type": "message", "role": "user", "content": parts},
        {"role": "assistant", "content": "A cat."},
    ]
    request = made("/v1/responses", {"input": items})
    text, image = request.messages[0]["content"]
    assert text == {"type": "text", "text": "What is it?"}
    assert image == {"type": "image_url", "image_url": {"url": "https://x.invalid/a.png", "detail": "low"}}
    assert request.messages[1] == {"role": "assistant", "content": "A cat."}


@pytest.mark.parametrize(
    ("items", "why"),
    [
        ([{"type": "reasoning"}], "its input holds an item 'reasoning'; only messages can be sent"),
        (["Hi"], "its input holds an item 'str'; only messages can be sent"),
        (
            [{"role": "user", "content": [{"type": "input_file"}]}],
            "'input_file'; only input_text and input_image",
        ),
        ([], "the prompt is empty"),
    ],
)
def test_what_a_response_cannot_be_asked(items, why):
    assert why in reason("/v1/responses", {"input": items})


def test_who_asks_for_embeddings_of_chats_is_told():
    embed = replace(RECIPE, embed=True)
    assert "its url asks for an answer" in reason("/v1/chat/completions", {"messages": [HI]}, embed)
    assert made("/v1/embeddings", {"input": "Hi"}, embed).operation is Operation.EMBEDDING
    system = replace(RECIPE, system=Plain("Be brief."))
    assert "only a chat has a system message" in reason("/v1/embeddings", {"input": "Hi"}, system)


@pytest.mark.parametrize("column", ["prompt", "text"])
def test_plain_rows_are_embedded_when_asked_to_be(column):
    recipe = replace(RECIPE, models=("lab/x",), embed=True)
    (request,) = recipe.requests(Row(0, 1, {column: "Hi", "label": 3}), 0)
    assert (request.operation, request.messages) == (Operation.EMBEDDING, (HI,))
    (answer,) = replace(recipe, embed=False).requests(Row(0, 1, {"prompt": "Hi"}), 0)
    assert request.key != answer.key


@pytest.mark.parametrize("prompt", [["Hi", "Ho"], [HI]])
def test_a_conversation_is_not_embedded(prompt):
    with pytest.raises(RowError, match="only a text to embed"):
        replace(RECIPE, models=("lab/x",), embed=True).requests(Row(0, 1, {"prompt": prompt}), 0)

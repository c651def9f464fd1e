"""The input of OpenAI's Responses as messages."""

from collections.abc import Mapping
from typing import Any

from brimline.data.media import Media
from brimline.data.messages import Prompt, PromptError, read_prompt


def read_items(body: Mapping[str, Any], media: Media) -> Prompt:
    """Read the input of a request to OpenAI's Responses, a text or messages, and its instructions.

    Raises:
        PromptError: It holds something else.
    """
    items, instructions = body.get("input"), body.get("instructions")
    if isinstance(items, list):
        prompt = read_prompt([_message_of(item) for item in items], media)
    else:
        prompt = read_prompt(items, media)
    if instructions is None:
        return prompt
    if not isinstance(instructions, str):
        raise PromptError("its instructions are no text")
    return prompt._replace(messages=({"role": "system", "content": instructions}, *prompt.messages))


def _message_of(item: Any) -> Any:
    """Return an item of an input as a message."""
    if not isinstance(item, dict) or item.get("type", "message") != "message":
        kind = item.get("type") if isinstance(item, dict) else type(item).__name__
        raise PromptError(f"its input holds an item {kind!r}; only messages can be sent")
    content = item.get("content")
    if isinstance(content, list):
        content = [_part_of(part) for part in content]
    return {"role": item.get("role"), "content": content}


def _part_of(part: Any) -> Any:
    """Return a part of an item's content as one of a message's."""
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in {"input_text", "output_text"}:
        return {"type": "text", "text": part.get("text", "")}
    if kind == "input_image" and isinstance(part.get("image_url"), str):
        image = {"url": part["image_url"]}
        return {
            "type": "image_url",
            "image_url": image | ({"detail": part["detail"]} if "detail" in part else {}),
        }
    raise PromptError(f"its input holds a part {kind!r}; only input_text and input_image can be sent")

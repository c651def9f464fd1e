"""A streamed answer in the form of OpenAI's plain ones: batch output has a whole body, however it came."""

from typing import Any

from brimline.types import Response


def completion(response: Response) -> dict[str, Any]:
    """Return a streamed answer as the body that it would have been."""
    texts = [response.text] if isinstance(response.text, str) else response.text
    messages: list[dict[str, Any]] = [{"role": "assistant", "content": text} for text in texts]
    if response.tool_calls:
        messages[0] |= {"content": texts[0] or None, "tool_calls": response.tool_calls}
    usage = response.usage
    return {
        "object": "chat.completion",
        "model": response.model,
        "choices": [
            {"index": index, "message": message, "finish_reason": response.finish_reason}
            for index, message in enumerate(messages)
        ],
        "usage": None
        if usage is None
        else {
            "prompt_tokens": usage.input_tokens,
            "completion_tokens": usage.output_tokens,
            "total_tokens": usage.input_tokens + usage.output_tokens,
        },
    }

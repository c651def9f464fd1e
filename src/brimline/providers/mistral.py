"""Mistral: OpenAI's dialect with a few names of its own."""

from collections.abc import Mapping
from typing import Any

from brimline.providers.openai_chat import OpenAIChat

_NAMES = {"seed": "random_seed", "max_completion_tokens": "max_tokens"}
_UNKNOWN = {"stream_options"}
"""What it refuses, and does anyway."""


class Mistral(OpenAIChat):
    """Mistral's dialect. What its reasoning models think comes as chunks of the content, which any message may have."""

    def _params(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        return {_NAMES.get(name, name): value for name, value in params.items() if name not in _UNKNOWN}

"""The list of models, as each API has it."""

from collections.abc import Mapping, Sequence
from typing import Any

Table = dict[str, Any]
_CREATED = 1_700_000_000
_DAY = "2023-11-14T22:13:20Z"


def listing(path: str, headers: Mapping[str, str], names: Sequence[str]) -> Table | None:
    """The list that is asked for, None if none is; where two APIs share a path, headers tell them apart."""
    if path == "/api/tags":
        return {"models": [_ollama(name) for name in names]}
    if path == "/api/version":
        return {"version": "0.0.0-sim"}
    if path == "/v1beta/models" or (path == "/v1/models" and "x-goog-api-key" in headers):
        return {"models": [_gemini(name) for name in names]}
    if path == "/v1/models" and "anthropic-version" in headers:
        return _anthropic(names)
    if path in {"/v1/models", "/models", "/openai/v1/models"}:
        about = {"object": "model", "created": _CREATED, "owned_by": "sim"}
        return {"object": "list", "data": [{"id": name} | about for name in names]}
    return None


def _anthropic(names: Sequence[str]) -> Table:
    about = {"type": "model", "created_at": _DAY}
    data = [about | {"id": name, "display_name": name} for name in names]
    ends = {"first_id": names[0], "last_id": names[-1]} if names else {"first_id": None, "last_id": None}
    return {"data": data, "has_more": False, **ends}


def _gemini(name: str) -> Table:
    methods = ["generateContent", "embedContent", "batchEmbedContents"]
    limits = {"inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536}
    return {
        "name": f"models/{name}",
        "displayName": name,
        "version": "001",
        "supportedGenerationMethods": methods,
        **limits,
    }


def _ollama(name: str) -> Table:
    details = {"format": "gguf", "family": "sim", "parameter_size": "1B", "quantization_level": "Q4_0"}
    about = {"name": name, "model": name, "modified_at": _DAY, "size": 0, "digest": "0" * 64}
    return about | {"details": details}

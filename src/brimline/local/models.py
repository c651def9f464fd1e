"""What answers: a function of a prompt, or a pipeline of transformers, asked in threads so that none waits for another."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from brimline.config.named import load_function
from brimline.errors import ConfigError

_RENAMED = {"max_tokens": "max_new_tokens", "max_completion_tokens": "max_new_tokens", "stop": "stop_strings"}
"""OpenAI's names for parameters, by those of transformers."""

_KNOWN = {
    "max_new_tokens", "min_new_tokens", "temperature", "top_p", "top_k", "do_sample", "num_beams", "repetition_penalty",
    "stop_strings", "max_length",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What is asked.

    Attributes:
        messages: The conversation, in OpenAI's form; of a text that is to be gone on with, none.
        text: The text to go on with, or the last user's message.
        options: Generation parameters, as the client named them.
        model: The model that the client asked for.
    """

    text: str
    messages: tuple[Mapping[str, Any], ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    model: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered.

    Attributes:
        text: The answer.
        input_tokens: Tokens of the prompt, or None if nobody has counted.
        output_tokens: Tokens of the answer.
        finish_reason: `stop`, or `length` if it was cut off.
    """

    text: str
    input_tokens: int | None = None
    output_tokens: int | None = None
    finish_reason: str = "stop"


LocalModel: TypeAlias = Callable[[Prompt], Answer]
"""Answers one prompt; it may block, and is called from several threads."""


def load_model(name: str, *, task: str = "text-generation") -> LocalModel:
    """Return the model that `name` is: a function as `module:name`, or a model of transformers.

    Raises:
        ConfigError: It cannot be loaded.
    """
    return _function(name) if ":" in name else _pipeline(name, task)


def _function(reference: str) -> LocalModel:
    function = load_function(reference)

    def answer(prompt: Prompt) -> Answer:
        given = function(prompt)
        return given if isinstance(given, Answer) else Answer(str(given))

    return answer


def _pipeline(name: str, task: str) -> LocalModel:
    try:
        from transformers import pipeline  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415  an extra
    except ImportError:
        raise ConfigError(
            f"'{name}' needs transformers: pip install 'brimline[local]'",
            hint="A function of your own is served without: brimline serve-local module:function",
        ) from None
    try:
        made = pipeline(task, model=name)
    except Exception as error:
        raise ConfigError(f"model '{name}' cannot be loaded: {type(error).__name__}: {error}") from error
    return of_pipeline(made)


def of_pipeline(made: Callable[..., Any]) -> LocalModel:
    """Return the model that a pipeline for text generation is."""

    def answer(prompt: Prompt) -> Answer:
        options = options_for(prompt.options)
        asked = [dict(message) for message in prompt.messages] if prompt.messages else prompt.text
        (given,) = made(asked, return_full_text=False, **options)
        text = given["generated_text"]
        tokenizer = getattr(made, "tokenizer", None)
        if tokenizer is None:
            return Answer(text)
        used = len(tokenizer.encode(text))
        is_cut = used >= options.get("max_new_tokens", used + 1)
        asked_for = len(tokenizer.encode(prompt.text))
        return Answer(text, asked_for, used, "length" if is_cut else "stop")

    return answer


def options_for(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return generation parameters under the names that transformers has for them; a temperature of 0 is greedy."""
    options = {_RENAMED.get(name, name): value for name, value in given.items() if value is not None}
    options = {name: value for name, value in options.items() if name in _KNOWN}
    if options.get("temperature") == 0:
        del options["temperature"]
        options["do_sample"] = False
    elif "temperature" in options or "top_p" in options:
        options.setdefault("do_sample", True)
    return options

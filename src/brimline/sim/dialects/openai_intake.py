"""Read the body of a chat as OpenAI does: into a `Chat`, or the problem that its 400 would name."""

import re
from collections.abc import Iterator

import msgspec

from brimline.sim.chat import Chat, ContentPart, ToolChoice
from brimline.sim.checks import schema_flaw
from brimline.sim.dialects.openai_strict import strict_flaws
from brimline.sim.errors import NOT_JSON, Problem, invalid

NO_MODEL = invalid("you must provide a model parameter")
_decode = msgspec.json.Decoder(Chat).decode


def read_chat(body: bytes) -> Chat | Problem:
    """Read the body of a request."""
    try:
        chat: Chat = _decode(body)
    except msgspec.ValidationError as error:
        return wrong(str(error))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return NOT_JSON
    return problem_of(chat) or chat


def problem_of(chat: Chat) -> Problem | None:
    """What is wrong with a well-formed request, if anything."""
    return next(_problems(chat), None)


def _problems(chat: Chat) -> Iterator[Problem]:
    """What a type cannot say: the errors of a well-formed request."""
    if not chat.messages:
        yield _error(
            "messages", "Invalid 'messages': empty array. Expected at least one message.", "empty_array"
        )
    for i, message in enumerate(chat.messages):
        if message.content is None and message.role in {"system", "developer", "user", "tool"}:
            where = f"messages[{i}].content"
            yield _error(where, f"Invalid value for '{where}': expected a string, got null.", "invalid_type")
        elif isinstance(message.content, list):
            yield from _bad_images(message.content, f"messages[{i}].content")
    if chat.tools or chat.response_format is not None:
        flaw = schema_flaw(chat)
        if flaw is not None:
            yield flaw
        yield from strict_flaws(chat)
    if isinstance(chat.tool_choice, ToolChoice) and chat.forced_function is None:
        name = chat.tool_choice.function.name
        yield _error("tool_choice", f"Tool choice '{name}' not found in 'tools' parameter.", "invalid_value")


def _bad_images(parts: list[ContentPart], where: str) -> Iterator[Problem]:
    for i, part in enumerate(parts):
        fits = (part.url or "").startswith(("data:image/", "https://", "http://"))
        if part.type == "image_url" and not fits:
            place = f"{where}[{i}].image_url.url"
            message = f"Invalid '{place}'. Expected a valid URL, but got a value with an invalid format."
            yield _error(place, message, "invalid_image_url")


_EXPECTED = re.compile(r"Expected `([^`]+)`(?: ([<>]=?) ([\d.]+))?(?:, got `(\w+)`)?")
_PLACE = re.compile(r" - at `\$\.?([^`]*)`$")
_NAMES = {
    "str": "a string",
    "int": "an integer",
    "float": "a decimal",
    "bool": "a boolean",
    "array": "an array",
    "object": "an object",
    "null": "null",
}


def wrong(problem: str) -> Problem:
    """Say in OpenAI's words what msgspec found."""
    place = _PLACE.search(problem)
    where = place[1] if place else ""
    missing = re.match(r"Object missing required field `(\w+)`", problem)
    if missing:
        param = f"{where}.{missing[1]}" if where else missing[1]
        if param == "model":
            return NO_MODEL
        return _error(param, f"Missing required parameter: '{param}'.", "missing_required_parameter")
    if not where:
        return NOT_JSON
    unknown = re.match(r"Invalid enum value '?(.*?)'? - at", problem)
    if unknown:
        return _error(where, f"Invalid value: '{unknown[1]}'.", "invalid_value")
    return _wrong_type(where, problem)


def _wrong_type(where: str, problem: str) -> Problem:
    found = _EXPECTED.match(problem)
    if found is None:
        return _error(where, f"Invalid value for '{where}'.", "invalid_value")
    if found[2]:
        side = "minimum" if found[2].startswith(">") else "maximum"
        bound = f"Expected a value {found[2]} {found[3]}"
        code = f"{found[1].replace('int', 'integer').replace('float', 'decimal')}"
        code = f"{code}_{'below_min' if side == 'minimum' else 'above_max'}_value"
        return _error(where, f"Invalid '{where}': beyond the {side} value. {bound}.", code)
    expected = " or ".join(_NAMES.get(name, name) for name in found[1].split(" | ") if name != "null")
    got = _NAMES.get(found[4], found[4])
    return _error(
        where, f"Invalid type for '{where}': expected {expected}, but got {got} instead.", "invalid_type"
    )


def _error(param: str, message: str, code: str) -> Problem:
    return invalid(message, param, code)

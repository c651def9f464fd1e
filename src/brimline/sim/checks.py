"""What can be wrong with any request, in whichever dialect it came."""

import msgspec

from brimline.sim.chat import Chat
from brimline.sim.embed import Embed
from brimline.sim.errors import Problem, invalid
from brimline.sim.sample import sample

_encode = msgspec.json.Encoder().encode


def checked(request: Chat | Embed) -> Chat | Embed | Problem:
    """The request, or what is wrong with it: a translation takes over whatever stood in the body."""
    try:
        sound = msgspec.json.decode(_encode(request), type=type(request))
    except msgspec.ValidationError as error:
        return invalid(f"Invalid value: {error}", code="invalid_value")
    return (schema_flaw(sound) if isinstance(sound, Chat) else None) or sound


def schema_flaw(chat: Chat) -> Problem | None:
    """What is wrong with a schema that the reply would have to follow, if anything."""
    form = chat.response_format.json_schema if chat.response_format is not None else None
    schemas = [("response_format", form.name, form.schema)] if form is not None else []
    schemas += [("tools", tool.function.name, tool.function.parameters) for tool in chat.tools]
    for param, name, schema in schemas:
        try:
            _encode(sample({"type": "object"} | schema, ""))
        except (TypeError, ValueError, AttributeError) as error:
            return invalid(f"Invalid schema for '{name}': {error}.", param, "invalid_json_schema")
    return None

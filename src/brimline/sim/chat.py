"""A conversation to be answered, and how its text is counted and told apart.

It has the shape of OpenAI's chat completions, which are read into it directly; the other dialects translate
their requests into it, so that the same conversation has the same key in whichever of them it came.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Annotated, Any, Literal

import msgspec

from brimline.sim.media import TOKENS as MEDIA_TOKENS
from brimline.sim.media import Media, media

Count = Annotated[int, msgspec.Meta(ge=1)]


class ContentPart(msgspec.Struct, omit_defaults=True):
    """A piece of a message. Images are taken as they are: nothing is ever fetched."""

    type: Literal["text", "image_url", "input_audio", "refusal", "file"]
    text: str | None = None
    image_url: dict[str, Any] | str | None = None
    """Mistral takes the URL as it is, too."""
    input_audio: dict[str, Any] | None = None
    file: dict[str, Any] | None = None
    refusal: str | None = None

    @property
    def media(self) -> Media | None:
        """The image, sound or file that it is, if it is one."""
        found = {"url": self.url} if self.url is not None else self.input_audio or self.file
        return media(found, self.type) if found is not None else None

    @property
    def url(self) -> str | None:
        """The URL of an image."""
        return str(self.image_url.get("url", "")) if isinstance(self.image_url, dict) else self.image_url


class Message(msgspec.Struct, omit_defaults=True):
    """One turn of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[ContentPart] | None = None
    name: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None

    @property
    def text(self) -> str:
        """What can be read of it."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content or () if part.text)

    @property
    def media(self) -> list[Media]:
        """What comes with it besides text."""
        if not isinstance(self.content, list):
            return []
        return [found for part in self.content if (found := part.media) is not None]

    @property
    def tokens(self) -> int:
        """What it is billed."""
        return count_tokens(self.text) + MEDIA_TOKENS * len(self.media)


class Function(msgspec.Struct):
    """What a tool is called and takes."""

    name: str
    parameters: dict[str, Any] = {}
    strict: bool | None = None


class Tool(msgspec.Struct):
    """A function that the model may call."""

    type: Literal["function"]
    function: Function


class NamedFunction(msgspec.Struct):
    """The name of a function, without its parameters."""

    name: str


class ToolChoice(msgspec.Struct):
    """The one tool that has to be called."""

    function: NamedFunction
    type: Literal["function"] = "function"


class JsonSchema(msgspec.Struct):
    """A named schema for the reply."""

    name: str
    schema: dict[str, Any] = {}
    strict: bool | None = None


class ResponseFormat(msgspec.Struct):
    """The form of the reply."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: JsonSchema | None = None


class StreamOptions(msgspec.Struct):
    """What a stream carries besides the text."""

    include_usage: bool = False


class Chat(msgspec.Struct):
    """A request for an answer; parameters that change nothing here are ignored."""

    model: str
    messages: list[Message]
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    n: Annotated[int, msgspec.Meta(ge=1, le=128)] | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: list[Tool] = []
    tool_choice: Literal["none", "auto", "required", "any"] | ToolChoice | None = None
    """Mistral says any where OpenAI says required."""
    response_format: ResponseFormat | None = None
    reasoning_effort: str | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None
    separate: bool = False
    """Whether each message is a prompt by itself: legacy completions take several."""

    @property
    def limit(self) -> int | None:
        """The most tokens that one answer may have."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def users(self) -> list[str]:
        """The user's messages, in order."""
        return [message.text for message in self.messages if message.role == "user"]

    @property
    def prompt(self) -> str:
        """The last user message."""
        for message in reversed(self.messages):
            if message.role == "user":
                return message.text
        return ""

    @property
    def input_tokens(self) -> int:
        """All texts, counted as `count_tokens` does, and all media."""
        total = 0
        for message in self.messages:  # the simulator's hottest loop: a sum of properties takes twice as long
            content = message.content
            total += count_tokens(content) if isinstance(content, str) else message.tokens
        return total

    @property
    def longest(self) -> int:
        """What has to fit the model's context at once: everything."""
        return self.input_tokens

    @property
    def key(self) -> str:
        """The digest of the conversation."""
        return digest(self.messages)

    @property
    def media(self) -> list[Media]:
        """What comes with the last user message."""
        for message in reversed(self.messages):
            if message.role == "user":
                return message.media
        return []

    @property
    def thinks(self) -> bool:
        """Whether it asks for reasoning before the answer."""
        return self.reasoning_effort is not None and self.reasoning_effort not in {"none", "minimal"}

    @property
    def forced_function(self) -> Function | None:
        """The function that the reply has to call, if any."""
        if isinstance(self.tool_choice, ToolChoice):
            named = self.tool_choice.function.name
            return next((tool.function for tool in self.tools if tool.function.name == named), None)
        return self.tools[0].function if self.tools and self.must_call else None

    @property
    def must_call(self) -> bool:
        """Whether a function has to be called, whichever it is."""
        return isinstance(self.tool_choice, str) and self.tool_choice in {"required", "any"}


_encode = msgspec.json.Encoder(order="sorted").encode


def count_tokens(text: str) -> int:
    """The simulator's tokens: four bytes of UTF-8 each, the last one perhaps shorter."""
    return -(-(len(text) if text.isascii() else len(text.encode())) // 4)


def conversation_key(messages: Sequence[dict[str, Any]]) -> str:
    """The key under which the ledger knows a conversation, of messages as they are sent."""
    return digest(msgspec.convert(messages, list[Message]))


def digest(messages: list[Message]) -> str:
    """BLAKE2b-64 of their canonical JSON (sorted keys, no spaces, known members only), in hex."""
    return blake2b(_encode(messages), digest_size=8).hexdigest()

"""What the tests of all SDKs send."""

from pydantic import BaseModel

KEY = "sk-good"
JPEG = b"\xff\xd8\xff\xe0" + bytes(20)
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 2}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
CALLED = {"city": "echo: hello", "days": 2}


class Mood(BaseModel):
    """A reply with a form."""

    word: str
    score: int
    tags: list[str]


MOOD = Mood(word="echo: hello", score=1, tags=["echo: hello"])


def fault(kind: str) -> str:
    """The text in a prompt that brings a fault; it is long enough for a stream to have a middle."""
    return f"please meet <{kind}> on the way"

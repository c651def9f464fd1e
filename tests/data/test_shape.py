"""What answers have to be like: from schemas, files and types, and what is said of those that are not."""

import builtins
import dataclasses
import json
import pickle
import sys
from typing import Literal, NotRequired, TypedDict

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from brimline.data.shape import KNOWN, LONGEST, Shapes, shape_of
from brimline.errors import ConfigError
from brimline.types import Fault, FaultKind, Request, Response
from tests.store.outcomes import success

NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


class Item(pydantic.BaseModel):
    name: str = "x"
    price: float = pydantic.Field(gt=0)


class Model(pydantic.BaseModel):
    items: list[Item]
    best: Item | None = None
    kind: Literal["a", "b"] = "a"


class Tree(pydantic.BaseModel):
    value: int = 0
    children: list["Tree"] = []


class Node(msgspec.Struct):
    value: int
    next: "Node | None" = None


@dataclasses.dataclass
class Plain:
    default: int
    items: list[Item]


class Typed(TypedDict):
    tags: list[str]
    node: NotRequired[Node]


class Open(msgspec.Struct):
    counts: dict[str, int]


TYPES = [Model, Tree, Node, Plain, Typed, Open, list[Item]]


def parts(schema):
    if isinstance(schema, dict):
        yield schema
        for part in schema.values():
            yield from parts(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from parts(part)


def reason(shape, document):
    with pytest.raises(ValueError) as refused:
        shape.read(document)
    return str(refused.value)


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_a_types_schema_is_strict_and_stands_by_itself(kind):
    schema = shape_of(kind).schema
    Draft202012Validator.check_schema(schema)
    for part in parts(schema):
        if isinstance(part.get("properties"), dict) and "type" in part:
            assert part["required"] == [*part["properties"]]
            assert part["additionalProperties"] is False
    assert "$ref" not in schema, "the root is the object itself"
    if kind not in {Tree, Node, Typed}:
        assert not any("$ref" in part or "$defs" in part for part in parts(schema))


def test_an_object_with_any_names_stays_open():
    counts = shape_of(Open).schema["properties"]["counts"]
    assert counts == {"type": "object", "additionalProperties": {"type": "integer"}}


@pytest.mark.parametrize(
    ("kind", "document", "value"),
    [
        (Model, '{"items": [{"price": 2}]}', Model(items=[Item(price=2)])),
        (Tree, '{"value": 1, "children": [{}]}', Tree(value=1, children=[Tree()])),
        (Node, '{"value": 1, "next": {"value": 2}}', Node(1, Node(2))),
        (Plain, '{"default": 1, "items": [{"price": 1}]}', Plain(1, [Item(price=1)])),
        (Typed, '{"tags": ["a"]}', {"tags": ["a"]}),
        (list[Item], '[{"price": 1}]', [Item(price=1)]),
    ],
    ids=str,
)
def test_a_type_reads_its_instances(kind, document, value):
    shape = shape_of(kind)
    assert shape.read(document) == value


@pytest.mark.parametrize(
    ("asked", "document", "words"),
    [
        (Model, '{"items": [{"price": -1}]}', "$.items.0.price: Input should be greater than 0"),
        (Node, '{"value": "x"}', "Expected `int`, got `str` - at `$.value`"),
        (NUMBER, '{"n": "x"}', "$.n: 'x' is not of type 'integer'"),
        (NUMBER, "[]", "$: [] is not of type 'object'"),
    ],
)
def test_it_is_said_what_is_wrong_and_where(asked, document, words):
    assert words in reason(shape_of(asked), document)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"type": "objekt"}, "the schema is no JSON schema: $.type: 'objekt' is not valid"),
        ({"properties": {"a": {"pattern": "("}}}, "$.properties.a.pattern"),
        ({"$ref": "#/$defs/a"}, "refers to '#/$defs/a', which is not in it"),
        ({"items": [{"$ref": "https://example.com/a"}]}, "no JSON schema"),
        ({"properties": {"a": {"$ref": "https://example.com/a"}}}, "which is not in it"),
        ({"a": {1, 2}.__iter__}, "cannot be written as JSON"),
        (type("Thing", (), {}), "'Thing' has no JSON schema"),
        (7, "'7' has no JSON schema"),
    ],
)
def test_what_is_no_schema_is_refused_at_once(asked, words):
    with pytest.raises(ConfigError) as refused:
        shape_of(asked)
    assert words in str(refused.value)
    assert "\n\n" not in str(refused.value)


def test_a_file_is_read_or_refused_by_its_name(tmp_path):
    path = tmp_path / "schema.json"
    for content, words in (
        (b"{", "is no JSON"),
        (b"[]", "holds no JSON object"),
        (b'{"type": 1}', "no JSON schema"),
    ):
        path.write_bytes(content)
        with pytest.raises(ConfigError) as refused:
            shape_of(path)
        assert str(refused.value).startswith(str(path))
        assert words in str(refused.value)
    path.write_text(json.dumps(NUMBER))
    assert shape_of(str(path)).schema == NUMBER
    with pytest.raises(ConfigError, match="No such file"):
        shape_of(tmp_path / "none.json")


def test_without_jsonschema_types_still_work_and_the_error_names_the_extra(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.partition(".")[0] in {"jsonschema", "referencing"}:
            raise ImportError(name)
        return real(name, *rest)

    for name in [name for name in sys.modules if name.partition(".")[0] in {"jsonschema", "referencing"}]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    assert shape_of(Node).read('{"value": 1}') == Node(1)
    with pytest.raises(ConfigError, match=r"pip install 'brimline\[schema\]'"):
        shape_of(NUMBER)


SHAPE = shape_of(NUMBER)
TEXTS = st.text() | st.sampled_from([
    '{"n": 1}',
    ' {"n": 1}\n',
    '{"n": "x"}',
    'So: {"n": 2}.',
    '{"n": 1',
    "[]",
    "3",
])


@given(TEXTS | st.lists(TEXTS, min_size=1, max_size=3))
def test_every_answer_is_either_valid_or_rejected_and_its_text_is_kept(text):
    request = Request(id=1, model="lab/a", messages=(), schema=SHAPE.schema)
    checked = Shapes(SHAPE).check(request, Response(text=text))
    assert checked.text == text
    assert (checked.document is None) != (checked.rejection is None)
    if checked.rejection is None:
        value = Shapes(SHAPE).value(success(request, checked))
        values, texts = (value, text) if isinstance(text, list) else ([value], [text])
        assert all(type(one["n"]) is int for one in values)
        assert checked.is_repaired == any(not _is_json(one) for one in texts)
    else:
        assert len(checked.rejection.reason) <= LONGEST + 20


def _is_json(text):
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def test_only_answers_to_requests_with_a_schema_are_looked_at():
    plain = Request(id=1, model="lab/a", messages=())
    shaped = Request(id=1, model="lab/a", messages=(), schema=SHAPE.schema)
    fault = Fault(FaultKind.TIMEOUT)
    vectors = Response(text="", embeddings=((1.0,),))
    assert Shapes(SHAPE).check(plain, Response(text="hm")) == Response(text="hm")
    assert Shapes(SHAPE).check(shaped, fault) is fault
    assert Shapes(SHAPE).check(shaped, vectors) is vectors


def test_a_request_that_comes_back_from_disk_still_has_its_type():
    shape = shape_of(Node)
    shapes = Shapes(shape)
    assert shapes.of(pickle.loads(pickle.dumps(shape.schema))) is shape
    for number in range(KNOWN + 1):
        shapes.of({"title": str(number)})
    assert shapes.of({**shape.schema}) is shape


def test_kept_answers_are_looked_at_again():
    request = Request(id=1, model="lab/a", messages=(), schema=SHAPE.schema)
    good, bad = Response(text='{"n": 1}'), Response(text="{}")
    rejected = Shapes(SHAPE).check(request, bad)
    assert Shapes(SHAPE).accept(request, [rejected, good])
    assert not Shapes(SHAPE).accept(request, [bad])


def test_the_users_schema_may_change_afterwards():
    mine = {"type": "object"}
    shape = shape_of(mine)
    mine["type"] = "array"
    assert shape.read("{}") == {}

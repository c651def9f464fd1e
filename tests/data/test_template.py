"""Templates: filled from a row's columns, and nothing in them can do more than that."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.data.template import Plain, RenderError, Template
from brimline.errors import ConfigError


def render(source, /, **columns):
    return Template(source, "--prompt").render(columns)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("Translate: {{ text }}", "Translate: café {{ n }}"),
        ("{{ n + 1 }}{{ tags|join('/') }}", "8a/b"),
        ("{{ row.deep[0] }}", "x"),
        ("{% if absent is defined %}a{% else %}b{% endif %}{{ absent|default('c') }}", "bc"),
        ("{% for tag in tags %}{{ loop.index }}{{ tag }} {% endfor %}", "1a 2b "),
        ("two\nlines\n", "two\nlines\n"),
        ("{{ text|upper }}", "CAFÉ {{ N }}"),
        ("<{{ html }}>", "<<b>&>"),
        ("", ""),
    ],
)
def test_columns_are_filled_in_as_they_are(text, filled):
    columns = {"text": "café {{ n }}", "n": 7, "tags": ["a", "b"], "row": {"deep": ["x"]}, "html": "<b>&"}
    assert render(text, **columns) == filled


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(
    values,
    values,
    st.sampled_from([
        "{{ a }}",
        "{{a}}{{ b }}\n",
        "x {{ b }} {# no #}{{ a }}",
        "{{ self }}{{ a }}",
        "{{ true }}",
    ]),
)
def test_text_and_columns_alone_are_filled_as_jinja_would(a, b, text):
    columns = {"a": a, "b": b, "self": "?"}
    assert Template(text, "-p").render(columns) == Template(text + "{{ '' }}", "-p").render(columns)


@given(st.text(max_size=20))
def test_a_text_is_never_read_as_a_template(text):
    assert render("{{ text }}", text=text) == text
    assert Plain(text).render({}) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{{ body }}", "has no field 'body' that --prompt needs (it has: text, n)"),
        ("{{ Text }}", "has no field 'Text' that --prompt needs (it has: text, n)"),
        ("{{ text.title.x }}", "has no attribute 'x' that --prompt needs"),
        ("{% for a in body %}{% endfor %}", "has no field 'body'"),
        ("{{ text }}{{ body|upper }}", "has no field 'body'"),
        ("{{ n['a'] }}", "'int object' has no attribute 'a' that --prompt needs"),
    ],
)
def test_a_missing_field_is_named(text, reason):
    with pytest.raises(RenderError) as missing:
        render(text, text="hi", n=1)
    assert reason in str(missing.value)


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ text.__class__ }}",
        "{{ [].__class__.__base__.__subclasses__() }}",
        "{{ ''['__class__'] }}",
        "{{ ''|attr('__class__') }}",
        "{{ '{0.__class__}'.format(text) }}",
        "{{ '{x.__class__}'.format_map({'x': text}) }}",
        "{{ self.__init__.__globals__ }}",
        "{{ lipsum.__globals__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ tags.append('c') }}",
        "{{ row.update({'a': 1}) }}",
        "{{ row.clear() }}",
    ],
)
def test_the_sandbox_lets_nothing_out_and_changes_no_row(text):
    row = {"text": "hi", "tags": ["a"], "row": {"b": 2}}
    with pytest.raises(RenderError, match="--prompt"):
        render(text, **row)
    assert row == {"text": "hi", "tags": ["a"], "row": {"b": 2}}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{{ 1 // 0 }}", "--prompt fails: ZeroDivisionError"),
        ("{{ text + 1 }}", "--prompt fails: TypeError"),
        ("{{ text() }}", "--prompt fails: TypeError"),
        ("{{ [3, 'a']|sort }}", "--prompt fails: TypeError"),
        ("{% for n in range(10 ** 9) %}{{ n }}{% endfor %}", "--prompt fails: OverflowError"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "--prompt fails: RecursionError"),
        ("{% include 'secrets' %}", "--prompt fails"),
    ],
)
def test_a_template_that_raises_or_never_ends_says_which_and_how(text, reason):
    with pytest.raises(RenderError) as failed:
        render(text, text="hi")
    assert reason in str(failed.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Hi\n{{ text", "line 2 of the template"),
        ("{% if %}", "Expected an expression"),
        ("{{ text|shout }}", "No filter named 'shout'"),
        ("{% endfor %}", "unknown tag 'endfor'"),
        ("{{ my column }}", "expected token 'end of print statement'"),
    ],
)
def test_what_is_no_template_is_refused_at_once(text, reason):
    with pytest.raises(ConfigError, match=r"^--prompt: ") as refused:
        Template(text, "--prompt")
    assert reason in str(refused.value)

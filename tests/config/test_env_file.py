"""Files of environment variables: NAME=VALUE, strictly, and never over what is set."""

import pytest

from brimline.config.env_file import read_env_file
from brimline.errors import ConfigError


def read(tmp_path, text, environment=()):
    path = tmp_path / ".env"
    path.write_text(text)
    return read_env_file(path, dict(environment))


def test_lines_are_variables(tmp_path):
    text = """
# a comment
OPENAI_API_KEY=sk-a=b#c
export OLLAMA_API_ENDPOINT = http://localhost:11434   # here
QUOTED="two words # no comment"
SINGLE='$HOME' # one
EMPTY=
"""
    assert read(tmp_path, text) == {
        "OPENAI_API_KEY": "sk-a=b#c",
        "OLLAMA_API_ENDPOINT": "http://localhost:11434",
        "QUOTED": "two words # no comment",
        "SINGLE": "$HOME",
        "EMPTY": "",
    }


def test_what_is_set_wins(tmp_path):
    assert read(tmp_path, "A=file\nB=file", {"A": "set"}) == {"A": "set", "B": "file"}


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("A=1\nsk-secret", ":2 is no NAME=VALUE"),
        ("1A=sk-secret", ":1 is no NAME=VALUE"),
        ('A="sk-secret', "quotes are not closed"),
    ],
)
def test_what_is_wrong_is_named_without_its_value(tmp_path, text, where):
    with pytest.raises(ConfigError, match=where) as caught:
        read(tmp_path, text)
    assert "sk-secret" not in str(caught.value)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_env_file(tmp_path / "none", {})

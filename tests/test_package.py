"""The package as a user meets it: its names, what importing it costs, and its shape."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import brimline
from brimline.cli.main import COMMANDS

SOURCE = Path(brimline.__file__).parent


def python(code):
    """Run code in a fresh interpreter and return what it prints."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()


def test_public_names_are_these():
    assert brimline.__all__ == [
        "BrimlineError", "Config", "ConfigError", "Delta", "DeltaStream", "Endpoint", "Engine", "Failure", "Fault", "FaultKind", "InputError",
        "Outcome", "OutputError", "OutputLocked", "Priority", "Progress", "Report", "Request", "Response", "RunError",
        "Secret", "Success", "Usage", "UsageError", "__version__", "map", "run",
    ]  # fmt: skip
    assert (SOURCE / "py.typed").exists()


@pytest.mark.parametrize(
    "name", [name for name in brimline.__all__ if name not in {"Outcome", "__version__"}]
)
def test_every_public_name_says_what_it_is(name):
    assert inspect.getdoc(getattr(brimline, name))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Enigne'"):
        brimline.Enigne  # noqa: B018


def test_importing_it_brings_no_network_code():
    loaded = python("import sys, brimline; print(*sys.modules)")
    assert {"aiohttp", "asyncio", "uvloop", "jinja2", "rich", "click"}.isdisjoint(loaded)


def test_listing_the_commands_imports_none_of_them():
    code = "import sys, brimline.cli.main as m; m.cli.main(['--help'], standalone_mode=False); print(*sys.modules)"
    assert {"aiohttp", "uvloop", "jinja2", "rich", "brimline.cli.run"}.isdisjoint(python(code))


LOAD = """
import os, sys
import aiohttp, click, jinja2, msgspec, rich, uvloop  # not in question, and dear
for place in sys.stdin.read().split():
    if not os.fork():  # each by itself: another command may have imported what it needs
        module, _, attribute = place.partition(":")
        __import__(module)
        print(getattr(sys.modules[module], attribute or "command").name, flush=True)
        os._exit(0)
    os.wait()
"""


def test_every_command_can_be_loaded_by_itself():
    places = " ".join(place for place, _ in COMMANDS.values())
    done = subprocess.run(
        [sys.executable, "-c", LOAD], input=places, capture_output=True, text=True, check=True
    )
    assert (done.stdout.split(), done.stderr) == ([*COMMANDS], "")


def test_shape(capsys):
    """Nothing here fails: the ten largest files and functions are printed, so that growth is seen."""
    files, functions = [], []
    for path in SOURCE.rglob("*.py"):
        text = path.read_text()
        files.append((text.count("\n"), str(path.relative_to(SOURCE))))
        functions.extend(
            (
                node.end_lineno - node.lineno + 1,
                f"{path.relative_to(SOURCE)}:{node.name}",
            )
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        )
    with capsys.disabled():
        print()
        for title, sizes in (("largest files", files), ("largest functions", functions)):
            print(
                f"{title}: " + ", ".join(f"{name} {size}" for size, name in sorted(sizes, reverse=True)[:10])
            )
    assert files

"""What the pages say is run: every command and every block of Python in the README, every configuration in docs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from brimline.config import load_config
from brimline.evals.pipeline_file import read_pipeline
from brimline.sim import Scenario
from tests.servers import Cli

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "ARCHITECTURE.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
README = (ROOT / "README.md").read_text()


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def user(tmp_path, simulator):
    """Somebody with a file of questions, a key, and a server that answers it."""
    cli = Cli(tmp_path, OPENAI_API_KEY="sk-test", OPENAI_BASE_URL=simulator().url)
    cli.write("questions.jsonl", [{"question": f"question {n}"} for n in range(5)])
    (tmp_path / "scenario.toml").write_text("")
    return cli


@pytest.mark.real_time
def test_the_commands_of_the_readme(user):
    commands = [
        line for block in blocks(README, "bash") for line in block.splitlines() if line.startswith("brimline")
    ]
    assert len(commands) >= 3
    for command in commands:
        script = command.replace("brimline", f"{sys.executable} -m brimline", 1)
        if " sim " in command:
            script = f"timeout -s INT 2 {script.replace('--port 8000', '--port 0')}"
        done = subprocess.run(
            ["bash", "-c", script],
            check=False,
            cwd=user.folder,
            env=user.environment,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert done.returncode in ({0, 124} if " sim " in command else {0}), (command, done.stderr)
    assert len(user.results("questions.results.jsonl")) == 5


@pytest.mark.real_time
@pytest.mark.parametrize("block", blocks(README, "python"))
def test_the_python_of_the_readme(user, block):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block], check=False, cwd=user.folder, env=user.environment, capture_output=True,
        text=True, timeout=30,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "echo: " in done.stdout


@pytest.mark.real_time
@pytest.mark.parametrize("block", blocks((ROOT / "docs" / "steps.md").read_text(), "python"))
def test_the_python_of_the_page_on_steps(user, block):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block], check=False, cwd=user.folder, env=user.environment, capture_output=True,
        text=True, timeout=30,
    )  # fmt: skip
    assert done.stdout.startswith("moon echo: A title for: echo: Summarise: The moon"), done.stderr


@pytest.mark.real_time
def test_the_rows_of_the_readme(user):
    (rows,) = blocks(README, "json")
    (user.folder / "rows.jsonl").write_text(rows)
    done = user("run", "rows.jsonl")
    assert done.returncode == 0, done.stderr


CONFIGURATIONS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(blocks(page.read_text(), "toml"))
]


@pytest.mark.parametrize("block", CONFIGURATIONS)
def test_every_configuration_in_the_pages_can_be_read(tmp_path, block):
    path = tmp_path / "page.toml"
    path.write_text(block)
    if "[models." in block:
        Scenario.load(path)
    elif "[[steps]]" in block:
        assert read_pipeline(path).steps
    else:
        load_config(path, environment={})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_every_file_that_the_architecture_names_exists():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    named = re.findall(r"`((?:cli|engine|core|store|data|config|providers|transport)/[a-z_]+\.py)`", text)
    assert len(named) > 20
    for name in named:
        assert (ROOT / "src" / "brimline" / name).is_file(), name


def test_the_command_line_page_has_every_option():
    from brimline.cli import ask
    from brimline.cli.run import command

    page = (ROOT / "docs" / "command-line.md").read_text()
    options = {option for parameter in command.params for option in parameter.opts if option.startswith("--")}
    options |= {option for parameter in ask.command.params for option in parameter.opts if "--" in option}
    assert [option for option in sorted(options) if option not in page] == ["--quiet", "--verbose"]

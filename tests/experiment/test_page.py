"""The commands on the page about prompto are run."""

import json
import re
import shlex
from pathlib import Path

import pytest

from tests.servers import Cli

PAGE = (Path(__file__).parents[2] / "docs" / "from-prompto.md").read_text()
(BLOCK,) = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [line.removeprefix("brimline ") for line in BLOCK.splitlines() if line.startswith("brimline")]


@pytest.mark.real_time
def test_the_commands_of_the_page(tmp_path, simulator):
    (rates,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    user = Cli(tmp_path, OPENAI_BASE_URL=simulator().url)
    user.environment.pop("OPENAI_API_KEY", None)
    user.environment["OPENAI_API_KEY"] = "sk-x"
    settings = {"api": "openai", "model_name": "gpt-4o", "parameters": {}}
    for name, model, template in (
        ("judge", "strict", "{OUTPUT_RESPONSE}?"),
        ("rephrase", "other", "Say: {INPUT_PROMPT}"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "settings.json").write_text(json.dumps({model: settings}))
        (tmp_path / name / "template.txt").write_text(template)
    (tmp_path / "rates.json").write_text(rates)
    (tmp_path / ".env").write_text("OTHER=1\n")
    (tmp_path / "data").mkdir()
    user.write("exp.jsonl", [
        {"id": n, "api": "openai", "model_name": "gpt-4o", "prompt": f"question {n}", "expected_response": "question"}
        for n in range(3)
    ])  # fmt: skip
    assert len(COMMANDS) == 4
    for command in COMMANDS:
        done = user(*shlex.split(command))
        assert done.returncode == 0, (command, done.stderr)
    assert [*tmp_path.glob("data/output/exp/*-completed-exp.csv")]
    assert [*tmp_path.glob("data/output/judge-post-rephrase-exp/*.verdicts.jsonl")]


def test_every_fault_has_its_line():
    numbers = [int(number) for number in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)]
    assert numbers == [*range(1, 29)]

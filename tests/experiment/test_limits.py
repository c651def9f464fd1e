"""Queues and groups under way: what is shown of them, what a restart remembers, and groups in ordinary runs."""

import asyncio
import json

import pytest

from brimline.config import LimitRule
from brimline.config.limits import group_quotas
from brimline.core.quota import parse_quotas
from brimline.engine.report import StopReason
from brimline.errors import ConfigError
from brimline.evals.queues import Queues
from brimline.store.folder import FolderView
from tests.experiment.conftest import rows


async def test_a_restart_remembers_what_a_queue_has_sent(lab):
    queues = Queues(max_queries=2, parallel=True)
    file = lab.write("exp.jsonl", rows(3, group="night"))
    await lab.run(lab.open(file, queues), limit=1)
    assert len(lab.asked) == 1
    seen = []

    def look(execution):
        async def watch():
            while not execution.progress().models:
                await asyncio.sleep(0)
            (model,) = execution.progress().models
            seen.extend([model.model, model.limits[0].limit, model.limits[0].used])
            execution.abort(StopReason.INTERRUPTED)

        seen.append(asyncio.get_running_loop().create_task(watch()))

    report = await lab.run(lab.open(file, queues), begun=look)
    assert seen[1:] == ["lab/m (night)", "2/min in group night", 1]
    assert report.pending == 2
    assert len(lab.asked) == 1


async def test_what_a_run_was_asked_holds_its_queues(lab):
    experiment = lab.open(
        lab.write("exp.jsonl", rows(1)), Queues(max_queries=600, parallel=True, rates={"lab": {"m": 900}})
    )
    await lab.run(experiment)
    manifest = FolderView(experiment.files.completed).read_manifest()
    asked = manifest["command"]["options"]["grouping"]
    assert (asked["columns"], asked["apart"]) == (["group", "api"], {"lab": ["m"]})
    assert [view["limit"] for view in manifest["limits"]["group:lab-m"]] == ["900/min in group lab-m"]
    attempts = [
        json.loads(line) for line in FolderView(experiment.files.completed).attempts.read_text().splitlines()
    ]
    assert [entry["group"] for entry in attempts if entry["what"] == "start"] == ["lab-m"]


RULES = [
    LimitRule(pattern="group:*", quotas=parse_quotas("10/min")),
    LimitRule(pattern="group:a", quotas=parse_quotas("5/min, 100/h")),
    LimitRule(pattern="group:b", quotas=parse_quotas("7/min"), rank=1),
    LimitRule(pattern="*", quotas=parse_quotas("1/min")),
]


@pytest.mark.parametrize(
    ("group", "quotas"), [("a", ["5/min", "100/h"]), ("b", ["7/min"]), ("c", ["10/min"])]
)
def test_a_rule_that_names_a_group_wins_over_the_one_for_each(group, quotas):
    assert [*map(str, group_quotas(group, RULES))] == [str(parse_quotas(quota)[0]) for quota in quotas]


def test_what_outranks_wins_also_if_it_is_for_each():
    rules = [*RULES, LimitRule(pattern="group:*", quotas=parse_quotas("3/min"), rank=2)]
    assert [*map(str, group_quotas("a", rules))] == ["3/min"]
    assert group_quotas("a", RULES[3:]) == ()


@pytest.mark.parametrize(
    "more",
    [{"quotas": parse_quotas("10k tokens/min")}, {"concurrency": 4}, {"scope": "team"}],
)
def test_a_group_limits_requests_and_nothing_else(more):
    with pytest.raises(ConfigError, match="count requests"):
        LimitRule(pattern="group:a", **more)


def test_a_rule_for_a_group_is_none_for_models():
    assert not RULES[0].matches("group:a/model")


@pytest.mark.real_time
def test_groups_of_an_ordinary_run(tmp_path):
    from tests.servers import Cli

    user = Cli(tmp_path, PYTHONPATH=str(tmp_path))
    (tmp_path / "answers.py").write_text("async def yes(request):\n    return request.group or 'none'\n")
    (tmp_path / "brimline.toml").write_text(
        '[endpoints.lab]\nfunction = "answers:yes"\n[limits."group:night"]\nrate = "600/min"\n'
    )
    user.write(
        "in.jsonl", [{"prompt": f"p{n}", "group": group} for n, group in enumerate(["night", "day", None])]
    )
    done = user("run", "in.jsonl", "-m", "lab/x", "-o", "out.jsonl")
    assert done.returncode == 0, done.stderr
    assert [line["response"] for line in user.results("out.jsonl")] == ["night", "none", "none"]
    assert "lab/x (night): 1 answer" in done.stderr
    assert "lab/x: 2 answers" in done.stderr
    assert "600/min in group night" in user("limits").stdout
    (tmp_path / "brimline.toml").write_text('[limits."group:night"]\nconcurrency = 3\n')
    done = user("run", "in.jsonl", "-m", "lab/x", "-o", "out.jsonl")
    assert (done.returncode, "count requests and nothing else" in done.stderr) == (2, True)

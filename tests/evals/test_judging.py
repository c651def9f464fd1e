"""Judging and rephrasing from Python, with functions as judges: what is asked, resumed, found and told."""

import asyncio
import json
import threading

import pytest

import brimline
from brimline.errors import ConfigError, InputError, OutputError, UsageError
from brimline.evals import Judging, find_scorer, judge, parse_gate, rephrase, rubric_panel
from brimline.evals.scoring import score_file

pytestmark = [pytest.mark.real_time]

RUBRIC = '[criteria.accuracy]\nquestion = "Right?"\nscale = [1, 5]\n'
PAIR = 'kind = "pairwise"\n[criteria.help]\nquestion = "Which one?"\n'
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 16


async def answer(request):
    text = request.messages[-1]["content"]
    if "broken" in text:
        raise ValueError("no")
    return f"{request.model_name} says {text}"


class Jury:
    """A judge that says what the script has for a prompt that contains a word; it remembers what it was asked."""

    def __init__(self, **script):
        self.asked = []
        self.script = script

    async def __call__(self, request):
        text = str(request.messages[0]["content"])
        self.asked.append(request)
        told = [says for word, says in self.script.items() if word in text]
        says = told[0] if told else 4
        if callable(says):
            says = says(request)
        return json.dumps({"accuracy": {"reason": "so", "verdict": says}}) if isinstance(says, int) else says


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("BRIMLINE_SHARE_FOLDER", str(tmp_path / "shares"))
    (tmp_path / "r.toml").write_text(RUBRIC)
    (tmp_path / "pair.toml").write_text(PAIR)
    (tmp_path / "odd.toml").write_text('prompt = "{{ topic }}"\n' + RUBRIC)
    return tmp_path


def lines(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def answered(rows, **options):
    given = {"model": "lab/x", "output": "out.jsonl", "endpoints": {"lab": answer}, "max_tries": 1, **options}
    return brimline.run(rows, **given)


def judged_by(jury, *more, **options):
    given = {"rubric": "r.toml", "judges": ["jury/j"], "endpoints": {"jury": jury}, "max_tries": 2, **options}
    return judge("out.jsonl", *more, **given)


def test_a_rubric_over_a_run_with_a_template(place):
    """Prompts made by the run's template are shown; what failed is not judged; nonsense is asked again, or fails."""
    answered([{"q": word} for word in ("one", "two", "odd", "mad", "broken")], prompt="Say {{ q }}")

    def odd(request):
        return (
            "Fine, I think." if len(request.messages) == 1 else '{"accuracy": {"reason": "so", "verdict": 2}}'
        )

    jury = Jury(odd=odd, mad="No opinion, never.")
    result = judged_by(jury)
    assert "[Prompt]\nSay one\n" in jury.asked[0].messages[0]["content"]
    assert jury.asked[0].schema["properties"]["accuracy"]["properties"]["verdict"]["enum"] == [1, 2, 3, 4, 5]
    verdicts = {line["input-q"]: line["verdicts"] for line in lines(result.verdicts)}
    assert verdicts == {"one": {"accuracy": 4}, "two": {"accuracy": 4}, "odd": {"accuracy": 2}, "mad": None}
    assert result.judged.failed == 1
    assert result.judged.failures[0].startswith("judge-jury/j-r-3: invalid_output")
    (group,) = result.judged.groups
    assert result.judged.mean(group).rows == 3
    assert result.judged.misses([parse_gate("accuracy >= 2.4")]) == [], "(4 + 4 + 2 + 1 + 1) / 5"
    assert result.judged.misses([parse_gate("accuracy > 2.4")]) == ["accuracy > 2.4: lab/x has 2.4"]


def test_only_what_was_changed_is_judged_anew(place):
    rows = [{"id": n, "prompt": f"p{n}"} for n in range(6)]
    answered(rows)
    jury = Jury()
    first = judged_by(jury, limit=4)
    assert (len(jury.asked), first.report.pending) == (4, 2)
    assert judged_by(jury).report.is_complete
    assert len(jury.asked) == 6
    written = (place / "judge-r-out.jsonl").stat().st_mtime_ns
    judged_by(jury)
    assert len(jury.asked) == 6, "nothing is asked twice"
    assert (place / "judge-r-out.jsonl").stat().st_mtime_ns == written
    answered([*rows[:5], {"id": 5, "prompt": "another"}, {"id": 6, "prompt": "new"}])
    judged_by(jury)
    assert len(jury.asked) == 8
    judged_by(jury, judges=["jury/j", "jury/k"])
    assert len(jury.asked) == 15, "a second judge is asked, the first one is not again"


def test_answers_of_several_models_and_repeats_are_told_apart(place):
    answered([{"q": "one"}, {"q": "two"}], model=["lab/x", "lab/y"], repeat=2, prompt="Say {{ q }}")
    result = judged_by(Jury())
    assert [line["id"] for line in lines(result.verdicts)][:3] == [
        "judge-jury/j-r-0-lab/x-0", "judge-jury/j-r-0-lab/x-1", "judge-jury/j-r-0-lab/y-0",
    ]  # fmt: skip
    assert [(seat.model, tally.asked) for seat, tally in result.judged.tallies.items()] == [
        ("lab/x", 4),
        ("lab/y", 4),
    ]
    assert {result.judged.mean(group).clusters for group in result.judged.groups} == {2}


def test_images_beside_the_original_input_are_found(place):
    (place / "data" / "media").mkdir(parents=True)
    (place / "data" / "media" / "cat.png").write_bytes(PNG)
    (place / "out").mkdir()
    prompt = [{"role": "user", "content": ["what?", {"type": "image", "media": "cat.png"}]}]
    (place / "data" / "in.jsonl").write_text(json.dumps({"id": 1, "prompt": prompt}) + "\n")
    brimline.run("data/in.jsonl", model="lab/x", output="out/out.jsonl", endpoints={"lab": lambda _: "a cat"})
    jury = Jury()
    judge("out/out.jsonl", rubric="r.toml", judges=["jury/j"], endpoints={"jury": jury})
    text, image = jury.asked[0].messages[0]["content"]
    assert "user: what?[image]" in text["text"]
    assert image["image_url"]["url"].startswith("data:image/png;base64,")
    assert lines(place / "out" / "judge-r-out.jsonl")[0]["input-prompt"] == prompt, (
        "what was asked stays as it was"
    )


def test_two_files_are_compared(place):
    rows = [{"id": n, "prompt": f"p{n}"} for n in range(4)] + [{"id": 9, "prompt": "broken"}]
    answered(rows)
    answered([*reversed(rows[1:])], model="lab/y", output="b.jsonl")

    def fair(request):
        text = request.messages[0]["content"]
        return json.dumps({
            "reason": "x",
            "verdict": "first" if text.index("x says") < text.index("y says") else "second",
        })

    jury = Jury(p=fair)
    result = judged_by(jury, "b.jsonl", rubric="pair.toml")
    assert len(jury.asked) == 6, "both orders of the three rows that both have answered"
    assert result.judged.sides == ("lab/x", "lab/y")
    assert result.judged.wins("jury/j")[0] == (3, 0, 0)
    assert {tuple(line["orders"]) for line in lines(result.verdicts)} == {("first", "second")}


def test_promptos_example_in_its_form(place):
    """Two questions are rephrased, answered and judged: records and ids as in prompto."""
    people = {"writer": {"api": "lab", "model_name": "w", "parameters": {"temperature": 0}}}
    for name in ("rephrase", "judge"):
        (place / name).mkdir()
        (place / name / "settings.json").write_text(json.dumps(people))
    (place / "rephrase" / "template.txt").write_text('Again: "{INPUT_PROMPT}"\nTwice.\\n{INPUT_PROMPT}\n')
    (place / "judge" / "template.txt").write_text("Q: {INPUT_PROMPT}\nA: {OUTPUT_RESPONSE}\n")
    (place / "judge" / "funny.txt").write_text('Reply {"funny": 1}: {OUTPUT_RESPONSE}')
    rows = [{"id": name, "api": "lab", "model_name": "x", "prompt": f"a {name}?"} for name in ("tea", "cat")]
    (place / "ex.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    lab = {"endpoints": {"lab": answer}}
    made = rephrase("ex.jsonl", rephrase_folder="rephrase", models=["writer"], **lab)
    assert (made.output.name, made.rows) == ("post-rephrase-ex.jsonl", 6)
    assert [line["id"] for line in lines(place / "rephrase-ex.jsonl")] == [
        "rephrase-writer-0-tea", "rephrase-writer-0-cat", "rephrase-writer-1-tea", "rephrase-writer-1-cat",
    ]  # fmt: skip
    new = lines(made.output)
    assert new[0] == {
        "id": "rephrase-writer-0-tea", "prompt": 'w says Again: "a tea?"', "input-prompt": "a tea?", "input-id": "tea",
        "api": "lab", "model_name": "x",
    }  # fmt: skip
    assert new[4:] == [{**row, "input-id": row["id"]} for row in rows]
    assert brimline.run(made.output, output="done.jsonl", **lab).ok == 6
    score_file(place / "done.jsonl", [find_scorer("exact:expected=input-id")])
    result = judge(
        "done.jsonl", judge_folder="judge", templates=["template.txt", "funny.txt"], judges=["writer"], **lab
    )
    asked = lines(place / "judge-done.jsonl")
    assert [line["id"] for line in asked] == [
        f"judge-writer-{template}-{row['id']}" for template in ("template", "funny") for row in new
    ]  # fmt: skip
    assert [*asked[0]][:8] == [
        "id", "template_name", "prompt", "api", "model_name", "parameters", "input-id", "input-prompt",
    ]  # fmt: skip
    assert asked[6]["prompt"].startswith('Reply {"funny": 1}: x says w says')
    assert result.report.ok == 12


def test_a_run_in_another_thread_is_followed(place):
    """The last two are answered only when the first two are judged."""
    rows = [{"prompt": f"p{n}"} for n in range(4)]
    jury = Jury()

    async def late(request):
        while request.messages[0]["content"] in {"p2", "p3"} and len(jury.asked) < 2:
            await asyncio.sleep(0.01)
        return "an answer"

    running = threading.Thread(target=answered, args=(rows,), kwargs={"endpoints": {"lab": late}})
    running.start()
    result = judged_by(jury, follow=True)
    running.join()
    assert (result.report.ok, len(jury.asked)) == (4, 4)
    with pytest.raises(UsageError, match="do not go with follow"):
        judged_by(jury, follow=True, limit=1)


def test_it_works_where_a_loop_is_running(place):
    answered([{"prompt": "p"}])

    async def notebook():
        return judged_by(Jury())

    assert asyncio.run(notebook()).report.ok == 1


@pytest.mark.parametrize(
    ("options", "kind", "why"),
    [
        ({"rubric": None}, UsageError, "either rubric or judge_folder"),
        ({"judges": []}, ConfigError, "r.toml names no judges"),
        ({"judges": ["gpt"]}, ConfigError, "'gpt' is no model reference"),
        ({"rubric": "pair.toml"}, InputError, "holds answers of 1 models, and a comparison is between two"),
        ({"prompt": "{{ nope }}"}, InputError, "has no field 'nope'"),
        ({"rubric": "odd.toml"}, InputError, "row 0 has no field 'topic' that odd.toml: prompt needs"),
        ({"output": "out.jsonl"}, Exception, "out.jsonl"),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_costs_nothing(place, options, kind, why):
    answered([{"prompt": "p"}])
    before = (place / "out.jsonl").read_bytes()
    jury = Jury()
    with pytest.raises(kind, match=why):
        judged_by(jury, **options)
    assert jury.asked == []
    assert (place / "out.jsonl").read_bytes() == before
    assert not [path for path in place.iterdir() if path.name.endswith(".part")]


def test_answers_are_never_written_over(place):
    answered([{"prompt": "p"}])
    answered([{"prompt": "q"}], output="other.jsonl")
    paid = [(place / name).read_bytes() for name in ("out.jsonl", "other.jsonl")]
    judging = Judging([place / "out.jsonl"], rubric_panel(place / "r.toml", ["jury/j"]))
    for name, why in (
        ("out.jsonl", "holds the answers themselves"),
        ("other.jsonl", "holds the results of a run"),
    ):
        with pytest.raises(OutputError, match=why):
            judging.write_rows(place / name)
    with pytest.raises(OutputError, match="holds the results of a run"):
        score_file(place / "out.jsonl", [find_scorer("f1")], output=place / "other.jsonl")
    assert [(place / name).read_bytes() for name in ("out.jsonl", "other.jsonl")] == paid
    (place / "settings.json").write_text(
        json.dumps({"w": {"api": "lab", "model_name": "w", "parameters": {}}})
    )
    (place / "template.txt").write_text("{INPUT_PROMPT}")
    (place / "in.jsonl").write_text('{"prompt": "p"}\n')
    for name in ("in.jsonl", "rephrase-in.jsonl", "rephrase-in.results.jsonl"):
        with pytest.raises(ConfigError, match="holds what is sent or comes back"):
            rephrase("in.jsonl", rephrase_folder=".", models=["w"], output=name)


def test_rows_that_say_nothing_of_their_prompt_are_refused(place):
    (place / "mine.jsonl").write_text('{"id": 1, "response": "r"}\n')
    with pytest.raises(InputError, match="row 1 has no prompt that a judge could be shown"):
        judge("mine.jsonl", rubric="r.toml", judges=["jury/j"], endpoints={"jury": Jury()})
    (place / "none.jsonl").write_text('{"id": 1, "prompt": "r"}\n')
    with pytest.raises(InputError, match="row 0 has no response"):
        judge("none.jsonl", rubric="r.toml", judges=["jury/j"], endpoints={"jury": Jury()})

"""The check pass: every row once, every problem found, and little kept."""

import tracemalloc
from array import array

import pytest

from brimline.data import plan as plan_module
from brimline.data.inputs import open_table
from brimline.data.media import Media
from brimline.data.plan import make_plan
from brimline.data.problems import KEPT
from brimline.data.recipe import Recipe
from brimline.errors import InputError


class Check:
    """Plans a file and notes what it was asked."""

    def __init__(self, path, data, *, models=(), bad_model=None, bad_text=None):
        path.write_bytes(data)
        self.path, self.bad_model, self.bad_text = path, bad_model, bad_text
        self.asked, self.noted = [], []
        self.plan, self.problems = make_plan(
            open_table(path),
            Recipe(media=Media(path.parent), models=models),
            check_model=self.check_model,
            check_request=self.check_request,
            note=lambda request, own_id: self.noted.append((request.id, request.model, own_id)),
        )

    def check_model(self, model):
        self.asked.append(model)
        return f"there is no '{model}'" if model == self.bad_model else None

    def check_request(self, request):
        return "cannot be said" if request.messages[0]["content"] == self.bad_text else None

    @property
    def texts(self):
        return [text.removeprefix(f"{self.path}") for text in self.problems.texts]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "in.jsonl"


def row(text, model="lab/x", **more):
    fields = "".join(f', "{name}": {value}' for name, value in more.items())
    return f'{{"prompt": "{text}", "model": "{model}"{fields}}}\n'.encode()


ROWS = row("a") + b"\n" + row("b", "lab/y", id=7) + row("c", "lab/x", id='"s"') + row("d", "lab/y", id="null")


def test_a_plan_finds_every_request_again(path):
    check = Check(path, ROWS)
    assert check.problems.count == 0
    assert (check.plan.rows, check.plan.requests, check.plan.models) == (4, 4, ["lab/x", "lab/y"])
    assert [*check.plan.lane_of] == [0, 1, 0, 1]
    read = check.plan.read(array("I", [3, 0, 1]))
    assert [(request.messages[0]["content"], request.id, request.origin.number) for request in read] == [
        ("d", 3, 3),
        ("a", 0, 0),
        ("b", 7, 1),
    ]


def test_each_request_is_noted_with_the_id_that_its_row_gives(path):
    assert Check(path, ROWS).noted == [
        (0, "lab/x", None),
        (7, "lab/y", 7),
        ("s", "lab/x", "s"),
        (3, "lab/y", None),
    ]


def test_with_several_models_a_row_makes_one_request_for_each(path):
    check = Check(path, ROWS, models=("lab/p", "lab/q", "lab/p2"))
    assert (check.plan.rows, check.plan.requests, [*check.plan.lane_of]) == (4, 12, [0, 1, 2] * 4)
    read = check.plan.read(array("I", [4, 11, 0]))
    assert [(request.messages[0]["content"], request.model) for request in read] == [
        ("b", "lab/q"),
        ("d", "lab/p2"),
        ("a", "lab/p"),
    ]


def test_every_problem_is_found_in_one_pass_and_says_where_it_is(path):
    data = (
        row("a")
        + b"oops\n"
        + row("bad")
        + row("b", "gpt")
        + row("c", "no/x", priority='"!"')
        + row("d", "no/x") * 2
    )
    check = Check(path, data, bad_model="no/x", bad_text="bad")
    assert check.texts == [
        ":2: is not JSON: invalid character (byte 0)",
        ":3: cannot be said",
        ":4: its model 'gpt' has no endpoint; write it as ENDPOINT/MODEL, or give one with -m",
        ":5: its priority '!' is no whole number",
        ":6: there is no 'no/x'",
    ]
    assert check.asked == ["lab/x", "no/x"], "a model is asked about once"
    assert check.plan.rows == 7


@pytest.mark.parametrize("data", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_a_file_without_rows_is_a_problem(path, data):
    assert Check(path, data).texts == [" holds no rows"]


def test_a_million_problems_are_counted_and_the_first_are_kept(path):
    check = Check(path, b"x\n" * (KEPT + 500))
    assert (check.problems.count, len(check.problems.texts)) == (KEPT + 500, KEPT)
    assert check.texts[-1].startswith(f":{KEPT}: ")


def test_more_models_than_two_bytes_can_tell_apart_are_a_problem_and_no_crash(path, monkeypatch):
    monkeypatch.setattr(plan_module, "MOST_LANES", 3)
    check = Check(path, b"".join(row("a", f"lab/{number % 5}") for number in range(7)))
    assert check.texts == [f":{line}: names more than 3 models and groups" for line in (4, 5)]
    assert len(check.plan.models) == 3
    monkeypatch.undo()
    assert 2 ** (8 * check.plan.lane_of.itemsize) == plan_module.MOST_LANES


def test_a_row_changed_since_it_was_checked_is_not_sent(path):
    check = Check(path, ROWS)
    path.write_bytes(ROWS.replace(b'"prompt"', b'"PROMPT"'))
    with pytest.raises(InputError, match="was changed while it was being run: has no prompt"):
        check.plan.read(array("I", [1]))


def test_a_plan_takes_ten_bytes_a_row(path):
    count = 30_000
    path.write_bytes(b'{"prompt":"a","model":"lab/x"}\n' * count)
    recipe = Recipe(media=Media(path.parent))
    nothing = {"check_model": lambda _: None, "check_request": lambda _: None, "note": lambda *_: None}
    tracemalloc.start()
    plan, _ = make_plan(open_table(path), recipe, **nothing)
    size, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert plan.rows == count
    assert size / count < 11.5, "10, and what arrays leave free to grow"
    assert peak - size < 400_000, "nothing else grows with the file"

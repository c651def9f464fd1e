"""What judges have said: means and counts by judge and model, how far they agree, and whether that is enough."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple, TypeAlias

from brimline.evals.agreement import cohen, fleiss, weighted_cohen
from brimline.evals.gate import Gate
from brimline.evals.panel import SWAPPED, Panel
from brimline.evals.records import model_of
from brimline.evals.rubric import TIE, both_ways
from brimline.evals.statistics import Mean, mean_of

SHOWN = 5
"""So many failures are named."""

WIN = "win"
"""The score of a comparison: 1 for each row that is won, a half for a tie."""

Said: TypeAlias = "float | int | str"
Place: TypeAlias = tuple[str, str, Any]
"""The model that was judged, the row's id, and which of several answers to it."""


class Seat(NamedTuple):
    """Who judges whom, and how the judge is asked."""

    judge: str
    model: str
    template: str


class Group(NamedTuple):
    """Verdicts that belong together."""

    seat: Seat
    criterion: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far the judges agree.

    Attributes:
        criterion: On what.
        rows: Rows that all of them have judged.
        kappa: 1 is full agreement, 0 that of chance; None where it says nothing.
        kind: Which kappa it is.
    """

    criterion: str
    rows: int
    kappa: float | None
    kind: str


@dataclass(slots=True)
class Tally:
    """What one judge makes of one model, asked in one way.

    Attributes:
        asked: Rows that the judge was asked about.
        failed: Those that got no answer that counts.
        contradicted: Of comparisons, rows with another verdict in the other order.
    """

    asked: int = 0
    failed: int = 0
    contradicted: int = 0
    said: dict[str, dict[Place, Said]] = field(default_factory=lambda: defaultdict(dict))


class Judged:
    """Collects the replies of a panel.

    Args:
        panel: The judges.
        total: How many rows each model has, answered or not.

    Attributes:
        failures: The first replies that do not count, and why.
    """

    def __init__(self, panel: Panel, total: Mapping[str, int] | None = None) -> None:
        self._panel = panel
        self._total = dict(total or {})
        self._tallies: dict[Seat, Tally] = {}
        self._half: dict[tuple[str, Place], str] = {}
        self.failures: list[str] = []

    @property
    def is_pairwise(self) -> bool:
        """Whether answers were compared."""
        return self._panel.is_pairwise

    @property
    def judges(self) -> list[str]:
        """Who has judged."""
        return [*dict.fromkeys(seat.judge for seat in self._tallies)]

    @property
    def sides(self) -> tuple[str, str]:
        """Who was compared."""
        a, b = self._total
        return a, b

    @property
    def failed(self) -> int:
        """Replies that do not count."""
        return sum(tally.failed for tally in self._tallies.values())

    @property
    def tallies(self) -> Mapping[Seat, Tally]:
        """What each judge makes of each model; of a comparison of the first of the two."""
        return self._tallies

    @property
    def groups(self) -> list[Group]:
        """Who judged whom for what, in the order in which it came."""
        return [Group(seat, criterion) for seat, tally in self._tallies.items() for criterion in tally.said]

    def take(self, lines: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """Take in lines of replies and yield those of verdicts; of a comparison one for both orders."""
        for line in lines:
            judge = self._panel.judge_of(line)
            if judge is None:
                continue  # somebody else's, from before the panel was changed
            if self._panel.is_pairwise:
                yield from self._take_half(judge, line)
            else:
                yield self._take(judge, line)

    def counts(self, group: Group) -> Counter[Said]:
        """Return how often each verdict was given."""
        return Counter(self._said(group).values())

    def mean(self, group: Group) -> Mean | None:
        """Return the mean of verdicts that are numbers; None where they are words."""
        said = self._said(group)
        if not self._is_scale(group.criterion):
            return None
        ends = self._ends(group.criterion)
        is_share = ends == (0, 1) and (self._panel.rubric is not None or 0 in said.values())
        values = ((place[1], float(verdict)) for place, verdict in said.items())
        return mean_of(values, may_be_share=is_share)

    def contest(self, judge: str) -> Tally:
        """Return what a judge makes of the two that are compared."""
        return next(tally for seat, tally in self._tallies.items() if seat.judge == judge)

    def wins(self, judge: str) -> tuple[tuple[int, int, int], Mean | None]:
        """Return wins, ties and losses of the first of the two by a judge, and their mean: 1, a half, 0."""
        a, b = self.sides
        said = self.contest(judge).said[WIN]
        counts = Counter(said.values())
        values = ((place[1], {a: 1.0, TIE: 0.5, b: 0.0}[str(winner)]) for place, winner in said.items())
        return (counts[a], counts[TIE], counts[b]), mean_of(values)

    def agreement(self) -> list[Agreement]:
        """Return how far the judges agree on each criterion, on the rows that all of them have judged."""
        judges = [*self._panel.judges]
        if len(judges) < 2:
            return []
        criteria = dict.fromkeys(group.criterion for group in self.groups)
        return [self._agreement(criterion, judges) for criterion in criteria]

    def misses(self, gates: Iterable[Gate]) -> list[str]:
        """Say which gates do not hold; a row without a verdict, for whatever reason, counts as the worst there is."""
        return [miss for gate in gates for miss in gate.misses(self._scores(is_floor=">" in gate.compare))]

    def _take(self, judge: str, line: Mapping[str, Any]) -> dict[str, Any]:
        row = {
            name.removeprefix("input-"): value for name, value in line.items() if name.startswith("input-")
        }
        place = (model_of(row), str(row.get("id", line["id"])), row.get("repeat"))
        tally = self._tallies.setdefault(Seat(judge, place[0], str(line["template_name"])), Tally())
        tally.asked += 1
        verdicts = self._verdicts(line, tally)
        for criterion, verdict in verdicts.items():
            tally.said[criterion][place] = verdict
        return {**line, "judge": judge, "verdicts": verdicts or None}

    def _verdicts(self, line: Mapping[str, Any], tally: Tally) -> dict[str, Said]:
        verdicts = self._panel.verdicts(line) if line["status"] == "ok" else {}
        if not verdicts:
            tally.failed += 1
            if len(self.failures) < SHOWN:
                self.failures.append(f"{line['id']}: {_reason(line)}")
        return dict(verdicts)

    def _take_half(self, judge: str, line: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Take in one order of a comparison; the second one of a row decides it."""
        a, b = str(line["input-model_a"]), str(line["input-model_b"])
        place = (a, str(line.get("input-id")), line.get("input-repeat"))
        template = str(line["template_name"])
        is_back = template.endswith(SWAPPED)
        tally = self._tallies.setdefault(Seat(judge, a, template.removesuffix(SWAPPED)), Tally())
        tally.asked += not is_back
        verdict = self._verdicts(line, tally).get("verdict")
        if verdict is None:
            return
        other = self._half.pop((judge, place), None)
        if other is None:
            self._half[judge, place] = str(verdict)
            return
        forth, back = (other, str(verdict)) if is_back else (str(verdict), other)
        winner = {"first": a, "second": b, TIE: TIE}[both_ways(forth, back)]
        tally.said[WIN][place] = winner
        tally.contradicted += is_contradiction(forth, back)
        names = ("id", "repeat", "prompt", "model_a", "model_b", "response_a", "response_b")
        pair = {name: line[f"input-{name}"] for name in names if f"input-{name}" in line}
        yield {**pair, "judge": judge, "orders": [forth, back], "verdicts": {WIN: winner}}

    def _said(self, group: Group) -> Mapping[Place, Said]:
        return self._tallies[group.seat].said[group.criterion]

    def _is_scale(self, criterion: str) -> bool:
        """Whether a criterion's verdicts are numbers: as its rubric says, or else as it turned out."""
        if self._panel.rubric is not None:
            return any(known.name == criterion and known.is_scale for known in self._panel.rubric.criteria)
        return all(isinstance(verdict, float) for verdict in self._all(criterion))

    def _all(self, criterion: str) -> Iterator[Said]:
        return chain.from_iterable(
            tally.said[criterion].values() for tally in self._tallies.values() if criterion in tally.said
        )

    def _agreement(self, criterion: str, judges: list[str]) -> Agreement:
        said: dict[str, dict[Place, Said]] = {judge: {} for judge in judges}
        for seat, tally in self._tallies.items():
            said[seat.judge].update(tally.said.get(criterion, {}))
        shared = [place for place in said[judges[0]] if all(place in verdicts for verdicts in said.values())]
        columns = [[verdicts[place] for place in shared] for verdicts in said.values()]
        if len(judges) > 2:
            return Agreement(criterion, len(shared), fleiss([*zip(*columns, strict=True)]), "Fleiss")
        if self._is_scale(criterion):
            one, other = ([float(verdict) for verdict in column] for column in columns)
            return Agreement(criterion, len(shared), weighted_cohen(one, other), "Cohen, weighted")
        return Agreement(criterion, len(shared), cohen(*columns), "Cohen")

    def _scores(self, *, is_floor: bool) -> dict[tuple[str, str], float]:
        """Return the means by model and score over all rows and judges; rows without a verdict have the worst one."""
        scores: dict[tuple[str, str], float] = {}
        for name, (values, worst, best) in self._values().items():
            for model, total in self._total.items():
                known = values.get(model, [])
                missing = max(0, total * len(self._panel.judges) - len(known))
                filler = worst if is_floor else best
                if total:
                    scores[model, name] = (sum(known) + filler * missing) / (len(known) + missing)
        return scores

    def _values(self) -> "dict[str, tuple[dict[str, list[float]], float, float]]":
        """Return by score its values for each model, and its lowest and highest value."""
        found: dict[str, tuple[dict[str, list[float]], float, float]] = {}
        for group in self.groups:
            said = [*self._said(group).values()]
            if group.criterion == WIN and self._panel.is_pairwise:
                for model in self._total:
                    values = found.setdefault(WIN, ({}, 0, 1))[0].setdefault(model, [])
                    values += [0.5 if winner == TIE else float(winner == model) for winner in said]
            elif self._is_scale(group.criterion):
                ends = self._ends(group.criterion)
                by_model = found.setdefault(group.criterion, ({}, *ends))[0]
                by_model.setdefault(group.seat.model, []).extend(map(float, said))
            else:
                for choice in self._choices(group.criterion):
                    by_model = found.setdefault(f"{group.criterion}.{choice}", ({}, 0, 1))[0]
                    by_model.setdefault(group.seat.model, []).extend(float(word == choice) for word in said)
        return found

    def _ends(self, criterion: str) -> tuple[float, float]:
        rubric = self._panel.rubric
        known = (
            () if rubric is None else next(one.verdicts for one in rubric.criteria if one.name == criterion)
        )
        values = [float(value) for value in known or self._all(criterion)]
        return (min(values), max(values)) if known else (min(0, *values), max(values))

    def _choices(self, criterion: str) -> Iterable[Said]:
        rubric = self._panel.rubric
        if rubric is not None:
            return next(one.verdicts for one in rubric.criteria if one.name == criterion)
        return dict.fromkeys(self._all(criterion))


def is_contradiction(forth: str, back: str) -> bool:
    """Whether a judge says another thing when the answers change places."""
    return forth != {"first": "second", "second": "first", TIE: TIE}[back]


def _reason(line: Mapping[str, Any]) -> str:
    error = line.get("error")
    if isinstance(error, Mapping):
        return f"{error.get('kind')}: {error.get('message')}"
    return f"no verdict in {str(line.get('response'))[:80]!r}"

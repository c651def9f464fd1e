"""The steps of a pipeline at work: each takes parcels from one channel and gives what comes of them to the next."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from brimline.evals.channel import Channel
from brimline.evals.chunks import chunks
from brimline.evals.parcel import WHOLE, Fate, Parcel
from brimline.evals.steps import Gather, Map, Split
from brimline.evals.tally import FailedRows, StepProgress, broken, encode_row
from brimline.types import Fault


class Stage(ABC):
    """One step of one run of a pipeline.

    Args:
        name: What it is called.
        failed: Where rows that it fails for are written down.

    Attributes:
        progress: How it stands.
    """

    kind = ""

    def __init__(self, name: str, failed: FailedRows) -> None:
        self.progress = StepProgress(name, self.kind)
        self._failed = failed

    async def run(self, rows: Channel, out: Channel) -> None:
        """Deal with all that comes."""
        async for parcel in rows:
            if parcel.is_lost:
                await self.pass_on(parcel, out)
                continue
            self.progress.came += 1
            try:
                await self.take(parcel, out)
            except Exception as error:  # noqa: BLE001  a step's functions are the user's; one row must not end the others
                await self.fail(parcel, broken(error), out)
        await self.finish(out)
        out.close()

    async def pass_on(self, parcel: Parcel, out: Channel) -> None:
        """Deal with a parcel that is lost."""
        await out.put(parcel)

    @abstractmethod
    async def take(self, parcel: Parcel, out: Channel) -> None:
        """Deal with a row."""

    async def finish(self, out: Channel) -> None:
        """Deal with what is left when no more comes."""

    async def fail(self, parcel: Parcel, fault: Fault, out: Channel) -> None:
        """Let a row fail here."""
        self._failed.add(self.progress.name, parcel, fault)
        await self.lose(parcel, Fate.FAILED, out)

    async def lose(self, parcel: Parcel, fate: Fate, out: Channel) -> None:
        """Let a row end here."""
        self.progress.lose(fate)
        await out.put(parcel.lost(fate))

    async def give(self, parcel: Parcel, out: Channel) -> None:
        """Be done with a row."""
        self.progress.done += 1
        await out.put(parcel)

    async def give_pieces(self, parcel: Parcel, rows: Sequence[Mapping[str, Any]], out: Channel) -> None:
        """Be done with a row that was taken apart."""
        pieces = parcel.taken_apart(rows)
        self.progress.done += 1
        for piece in pieces:
            await out.put(piece)


class MapStage(Stage):
    """Lets a function change rows."""

    kind = "map"

    def __init__(self, step: Map, failed: FailedRows) -> None:
        super().__init__(step.name, failed)
        self._function = step.function

    async def take(self, parcel: Parcel, out: Channel) -> None:
        """Give what the function makes of a row."""
        made = self._function(dict(parcel.columns))
        if inspect.isawaitable(made):
            made = await made
        if made is None:
            await self.lose(parcel, Fate.DROPPED, out)
        elif isinstance(made, Mapping):
            await self.give(parcel.with_columns(made), out)
        elif isinstance(made, list) and all(isinstance(row, Mapping) for row in made):
            await self.give_pieces(parcel, made, out)
        else:
            raise TypeError(
                f"the function returned {made!r:.80}; it may return a row, None or a list of rows"
            )


class SplitStage(Stage):
    """Cuts texts into chunks."""

    kind = "split"

    def __init__(self, step: Split, failed: FailedRows) -> None:
        super().__init__(step.name, failed)
        self._step = step

    async def take(self, parcel: Parcel, out: Channel) -> None:
        """Give a row for each chunk."""
        text = parcel.columns.get(self._step.column)
        if not isinstance(text, str):
            raise TypeError(f"'{self._step.column}' is {text!r:.80}, no text that could be split")
        pieces = [{**parcel.columns, self._step.into: chunk} for chunk in chunks(text, self._step.size)]
        await self.give_pieces(parcel, pieces, out)


class _Group:
    """Rows that belong together."""

    def __init__(self, source: Parcel) -> None:
        self.source = source
        self.members: list[Parcel] = []
        self.share = WHOLE - WHOLE
        self.lost = dict.fromkeys(Fate, 0)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows, in the order of the input."""
        return [dict(member.columns) for member in sorted(self.members, key=lambda member: member.path)]


class GatherStage(Stage):
    """Merges rows."""

    kind = "gather"

    def __init__(self, step: Gather, failed: FailedRows) -> None:
        super().__init__(step.name, failed)
        self._step = step
        self._groups: dict[Any, _Group] = {}
        self._is_partial = False

    async def pass_on(self, parcel: Parcel, out: Channel) -> None:
        """Note that a piece will not come."""
        self._is_partial |= parcel.fate is Fate.PENDING
        source, share = parcel.source(self._step.of)
        if self._step.by is not None or source is parcel or self._step.of not in parcel.columns:
            await out.put(parcel)
            return
        group = self._groups.setdefault(source.path, _Group(source))
        group.lost[parcel.fate] += 1
        group.share += share
        await self._look(group, out)

    async def take(self, parcel: Parcel, out: Channel) -> None:
        """Keep a row until all that belong to it have come."""
        column = self._step.by or self._step.of
        if column not in parcel.columns:
            raise KeyError(
                f"there is no column '{column}' to gather by (there is: {', '.join(parcel.columns)})"
            )
        if self._step.by is not None:
            await self._take_by(column, parcel, out)
            return
        source, share = parcel.source(column)
        group = self._groups.setdefault(source.path, _Group(source))
        group.members.append(parcel)
        group.share += share
        await self._look(group, out)

    async def finish(self, out: Channel) -> None:
        """Merge what is left; but not if some of it is still to be dealt with."""
        for key in [*self._groups]:
            group = self._groups.pop(key)
            if self._is_partial:
                self.progress.pending += len(group.members)
                await out.put(group.source.lost(Fate.PENDING))
            else:
                await self._merge(group, out)

    async def _take_by(self, column: str, parcel: Parcel, out: Channel) -> None:
        value = parcel.columns[column]
        key = encode_row({column: value})
        group = self._groups.get(key)
        if group is None:
            columns = {"id": value, column: value}
            group = self._groups[key] = _Group(Parcel(columns, parcel.path))
        rows = [*group.rows, dict(parcel.columns)]
        is_whole = self._step.complete is not None and self._step.complete(rows)
        group.members.append(parcel)
        group.source = replace(group.source, path=min(group.source.path, parcel.path))
        if is_whole:
            del self._groups[key]
            await self._merge(group, out)

    async def _look(self, group: _Group, out: Channel) -> None:
        """Merge a group if it is whole."""
        if group.share == WHOLE:
            del self._groups[group.source.path]
            await self._merge(group, out)

    async def _merge(self, group: _Group, out: Channel) -> None:
        if group.lost[Fate.PENDING]:
            self.progress.pending += len(group.members)
            await out.put(group.source.lost(Fate.PENDING))
            return
        missing = group.lost[Fate.FAILED]
        if missing and not group.members:  # each was counted where it failed
            await out.put(group.source.lost(Fate.FAILED))
            return
        try:
            merged = self._step.merge(group.rows)
            if merged is not None and not isinstance(merged, Mapping):
                raise TypeError(f"merge returned {merged!r:.80}; it may return columns or None")  # noqa: TRY301
        except Exception as error:  # noqa: BLE001  the function is the user's
            self._failed.add(self.progress.name, group.source, broken(error))
            self.progress.failed += max(len(group.members), 1)
            self.progress.came += not group.members
            await out.put(group.source.lost(Fate.FAILED))
            return
        self.progress.done += len(group.members)
        if merged is None:
            await out.put(group.source.lost(Fate.DROPPED))
            return
        columns = {**group.source.columns, **merged} | ({"missing": missing} if missing else {})
        await out.put(replace(group.source, columns=columns))

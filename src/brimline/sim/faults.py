"""What can go wrong on purpose: which fault a request meets, and what the fault does.

Five sorts of kinds. At the door (400, 429, 503, 529, auth, content_filter, not_found, quota): refused at
once, nothing is charged. At work (500, html502): charged, and an error after the latency. In the reply
(empty, filter200, length, null_content): an answer like no other, status 200. On the wire (error200,
malformed, reset, stall, truncate): an answer that is not to be had from what arrives. In a stream (cut, idle,
stream_error): one that begins well; requests for a whole answer do not meet these.
"""

import random
from collections.abc import Callable, Iterable, Mapping

from brimline.sim.chat import Chat
from brimline.sim.embed import Embed
from brimline.sim.errors import (
    BAD_VALUE,
    FILTERED,
    NO_KEY,
    OVERLOADED,
    QUOTA,
    UNAVAILABLE,
    Problem,
    Refusal,
    asked_to_wait,
    no_such_model,
)
from brimline.sim.replies import Answer, Choice, answer, cut
from brimline.sim.scenario import FaultRule

_REFUSALS: Mapping[str, Problem] = {
    "400": BAD_VALUE,
    "503": UNAVAILABLE,
    "529": OVERLOADED,
    "auth": NO_KEY,
    "content_filter": FILTERED,
    "quota": QUOTA,
}
IN_STREAMS = frozenset({"cut", "idle", "stream_error"})
_REPLIES: Mapping[str, Callable[[Choice], Choice]] = {
    "empty": lambda _: Choice(""),
    "filter200": lambda _: Choice(None, "content_filter"),
    "null_content": lambda _: Choice(None),
    "length": lambda choice: Choice(cut(choice.text or "", max(1, choice.tokens // 2)), "length"),
}


class Faults:
    """The faults of one model: which of them a request meets, the first that applies."""

    def __init__(self, rules: Iterable[FaultRule]) -> None:
        self._rules = tuple(rules)
        self._passed = 0
        self._seen: dict[tuple[int, str], int] = {}

    def strike(self, elapsed: int, rng: random.Random, chat: Chat | Embed, key: str) -> FaultRule | None:
        """Decide on a request that passed the limits, `elapsed` nanoseconds after the first of all."""
        self._passed += 1
        for index, rule in enumerate(self._rules):
            if not (self._applies(rule, elapsed, chat) and self._is_left(index, rule, key)):
                continue
            if rule.share >= 1 or rng.random() < rule.share:
                return rule
        return None

    def _applies(self, rule: FaultRule, elapsed: int, chat: Chat | Embed) -> bool:
        return (
            self._passed > rule.after
            and self._passed % rule.every == 0
            and elapsed >= rule.start.ns
            and (rule.end is None or elapsed < rule.end.ns)
            and (rule.when is None or rule.when in chat.prompt)
            and (rule.kind not in IN_STREAMS or bool(chat.stream))
        )

    def _is_left(self, index: int, rule: FaultRule, key: str) -> bool:
        if rule.times is None:
            return True
        seen = self._seen[index, key] = self._seen.get((index, key), 0) + 1
        return seen <= rule.times


def refuse(rule: FaultRule, model: str) -> Refusal | None:
    """What a fault at the door says; None for a fault of another stage."""
    wait = rule.retry_after.ns if rule.retry_after is not None else None
    if rule.kind == "429":
        return Refusal(rule.kind, asked_to_wait(model, wait), wait)
    if rule.kind == "not_found":
        return Refusal(rule.kind, no_such_model(model))
    error = _REFUSALS.get(rule.kind)
    return Refusal(rule.kind, error, wait) if error is not None else None


def twist(kind: str, request: Chat | Embed, made: Answer) -> Answer:
    """The answer as a fault of the reply changes it; any other leaves it alone."""
    change = _REPLIES.get(kind)
    if change is None:
        return made
    if isinstance(request, Chat):
        return answer(request, map(change, made.choices))
    return made._replace(inputs=made.inputs[: len(made.inputs) // 2 if kind == "length" else 0])

"""Hypothesis strategies for the nouns: requests, replies, faults and what limits them.

Amounts are small, so that limits bind after a few requests and a few seconds.
"""

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from brimline.core.quota import Dimension, Discipline, Quota, parse_quotas
from brimline.core.time import MINUTE, SECOND
from brimline.types import Fault, FaultKind, Request, Response, Usage

LIMITS = (
    "",
    "3/s",
    "60/min",
    "20/min burst 3",
    "5/s smooth, 90/min",
    "2/s, 30/min",
    "2k tokens/min",
    "1k tokens/min burst 300, 120/min",
    "600 input tokens/min, 900 output tokens/min",
    "2/s, 1500 tokens/min window",
)
"""Quotas as people write them, one text for each way in which they bind together."""

WAITS = (None, None, SECOND // 7, SECOND, 20 * SECOND)
"""What a server may ask to wait, ns."""


def limits() -> SearchStrategy[tuple[Quota, ...]]:
    """Return quotas that hold together for one scope; often there are none."""
    return st.sampled_from(LIMITS).map(lambda text: parse_quotas(text) if text else ())


@st.composite
def quotas(draw: st.DrawFn) -> Quota:
    """Draw one quota."""
    amount = draw(st.integers(1, 60))
    discipline = draw(st.sampled_from(Discipline))
    return Quota.of(
        amount,
        draw(st.sampled_from([SECOND, MINUTE])),
        draw(st.sampled_from(Dimension)),
        burst=draw(st.integers(1, amount)) if discipline is Discipline.SMOOTH else None,
        discipline=discipline,
    )


@st.composite
def requests(draw: st.DrawFn, *, id_: str | int = 0, model: str = "lab/a") -> Request:
    """Draw a request: short or long, bounded or not, one turn or several, urgent or not, with a schema or not."""
    text = "word " * draw(st.sampled_from([1, 1, 20, 200, 1000]))
    tokens = draw(st.sampled_from([1, 50, 300, 300, None]))
    return Request(
        id=id_,
        model=model,
        messages=({"role": "user", "content": text},),
        follow_ups=("and then?",) * draw(st.sampled_from([0, 0, 1, 2])),
        params={} if tokens is None else {"max_tokens": tokens},
        schema=draw(st.sampled_from([{}, None])),
        priority=draw(st.sampled_from([0, 0, 0, 10, -10])),
    )


def usages() -> SearchStrategy[Usage]:
    """Return what an exchange may have used."""
    return st.builds(Usage, st.sampled_from([1, 10, 60, 400]), st.sampled_from([0, 1, 50, 300, 700]))


def responses(text: str = "yes") -> SearchStrategy[Response]:
    """Return an answer; some servers do not say what it used."""
    return st.builds(Response, text=st.just(text), usage=st.none() | usages())


def faults(kinds: SearchStrategy[FaultKind] | None = None) -> SearchStrategy[Fault]:
    """Return a fault, of any kind unless told; a wait and a status go with some."""
    return st.builds(
        Fault,
        st.sampled_from(FaultKind) if kinds is None else kinds,
        detail=st.just("scripted"),
        retry_after=st.sampled_from(WAITS),
        http_status=st.sampled_from([None, 400]),
        dimension=st.sampled_from([None, None, "requests", "tokens"]),
    )

"""The endpoint `test`: prompto's rehearsal without a model, for files whose rows say `"api": "test"`.

Source: prompto's `apis/testing`. `parameters.raise_error` decides whether a row fails ("true", "yes", "false", "no"; one
in five by chance if it says nothing), `raise_error_type` how: "Exception" is worth another try, everything else is not.
"""

import asyncio
import random
from collections.abc import Callable

from brimline.types import Fault, FaultKind, Request, Response

SECONDS = 1.0
"""An answer takes so long."""

_chance: Callable[[], float] = random.Random().random


async def answer(request: Request) -> Response | Fault:
    """Answer as prompto's test does."""
    await asyncio.sleep(SECONDS)
    wanted = str(request.params.get("raise_error", "")).lower()
    fails = wanted in {"true", "yes"} or (wanted not in {"false", "no"} and _chance() < 0.2)
    if not fails:
        return Response(text="This is a test response", finish_reason="stop")
    words = "This is a test error which we should handle and return"
    if request.params.get("raise_error_type") == "Exception":
        return Fault(FaultKind.BAD_REPLY, words)
    return Fault(FaultKind.INVALID_REQUEST, words)

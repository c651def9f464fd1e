"""A web service on one engine: its users share the limits, and nothing is sent twice. Needs `pip install brimline fastapi uvicorn`.

    uvicorn fastapi_service:app

`POST /generate` answers one prompt, with `"stream": true` as server-sent events; `POST /jobs` takes many and answers in the background, `GET /jobs/{id}` says how
they stand. Runs without a key: the model `sim/echo` starts the built-in simulator.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

import brimline as bl

MODEL = os.environ.get("MODEL", "sim/echo")

STATUS = {"rate_limited": 429, "timeout": 504, "invalid_request": 422, "too_long": 422, "content_filter": 422}
"""How a fault is told to the service's own clients; every other is a 502."""


class Prompt(BaseModel):
    """One question."""

    prompt: str = Field(min_length=1)
    system: str | None = None
    stream: bool = False
    timeout: float = Field(default=60, gt=0, le=600)


class Work(BaseModel):
    """Many questions, to be answered in the background."""

    prompts: list[str] = Field(min_length=1, max_length=100_000)


@dataclass
class Job:
    """What has come of the questions of one job so far."""

    answers: list[str | None]
    failures: dict[int, str] = field(default_factory=dict)
    done: int = 0


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the engine with the app and close it with it: one set of limits for all that the service sends."""
    app.state.jobs, app.state.running = {}, set()
    async with bl.Engine(limits={MODEL: "6000/min"}) as engine:
        app.state.engine = engine
        yield
        for task in app.state.running:
            task.cancel()


app = FastAPI(title="brimline", lifespan=lifespan)


@app.post("/generate", response_model=None)
async def generate(prompt: Prompt, request: Request) -> dict[str, object] | StreamingResponse:
    """Answer one prompt; it goes before those of the jobs."""
    engine: bl.Engine = request.app.state.engine
    if prompt.stream:
        return StreamingResponse(events(engine, prompt), media_type="text/event-stream")
    outcome = await engine.ask(MODEL, prompt.prompt, system=prompt.system, timeout=prompt.timeout)
    if not outcome.ok:
        raise HTTPException(
            STATUS.get(outcome.fault.kind, 502), f"{outcome.fault.kind}: {outcome.fault.detail}"
        )
    return {"text": outcome.text, "attempts": outcome.attempts, "latency_s": outcome.latency}


async def events(engine: bl.Engine, prompt: Prompt) -> AsyncIterator[str]:
    """Yield an answer as it comes. A client that leaves ends it, and the request behind it."""
    stream = engine.ask(MODEL, prompt.prompt, system=prompt.system, timeout=prompt.timeout, stream=True)
    async for delta in stream:
        yield f"data: {json.dumps({'text': delta.text})}\n\n"
    outcome = await stream.outcome()
    end = {"done": True} if outcome.ok else {"error": outcome.fault.kind, "detail": outcome.fault.detail}
    yield f"data: {json.dumps(end)}\n\n"


@app.post("/jobs", status_code=202)
async def start(work: Work, request: Request) -> dict[str, str]:
    """Begin to answer many prompts."""
    name, state = uuid4().hex, request.app.state
    job = state.jobs[name] = Job([None] * len(work.prompts))
    task = asyncio.create_task(answer(state.engine, work.prompts, job))
    state.running.add(task)  # the loop itself keeps no task alive
    task.add_done_callback(state.running.discard)
    return {"id": name}


@app.get("/jobs/{name}")
async def status(name: str, request: Request) -> dict[str, object]:
    """Say how a job stands."""
    job: Job | None = request.app.state.jobs.get(name)
    if job is None:
        raise HTTPException(404, "there is no such job")
    is_over = job.done == len(job.answers)
    return {
        "done": job.done,
        "of": len(job.answers),
        "is_over": is_over,
        "answers": job.answers,
        "failures": job.failures,
    }


async def answer(engine: bl.Engine, prompts: list[str], job: Job) -> None:
    """Send the prompts of a job as fast as the limits allow."""
    requests = (
        bl.Request(id=place, model=MODEL, messages=({"role": "user", "content": prompt},))
        for place, prompt in enumerate(prompts)
    )
    async for outcome in engine.stream(requests):
        place = int(outcome.request.id)
        if outcome.ok:
            job.answers[place] = outcome.text
        else:
            job.failures[place] = f"{outcome.fault.kind}: {outcome.fault.detail}"
        job.done += 1

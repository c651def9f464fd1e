"""LangChain and brimline, both ways round. Needs `pip install brimline langchain-core`; runs without a key.

1. A runnable as an endpoint: a chain of yours answers a whole file, with limits, retries, a journal and resuming.
2. A chain whose model calls go through the engine: they share its limits with everything else that the engine sends.
"""

import asyncio
import os
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, convert_to_openai_messages
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompt_values import PromptValue
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda

import brimline as bl

MODEL = os.environ.get("MODEL", "sim/echo")
"""`sim/echo` starts the built-in simulator; try `openai/gpt-5-mini` with a key."""


class BrimlineModel(Runnable[PromptValue, AIMessage]):
    """A chat model for chains: every call is a request of the engine."""

    def __init__(self, engine: bl.Engine, model: str, **params: Any) -> None:
        self.engine, self.model, self.params = engine, model, params

    async def ainvoke(
        self,
        input: PromptValue,
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """Send the prompt; a failure is raised, as chains expect it."""
        messages: list[BaseMessage] = input.to_messages()
        prompt = {"messages": convert_to_openai_messages(messages)}
        outcome = await self.engine.ask(self.model, prompt, params={**self.params, **kwargs})
        if not outcome.ok:
            raise RuntimeError(f"{outcome.fault.kind}: {outcome.fault.detail}")
        return AIMessage(content=str(outcome.text))

    def invoke(self, input: PromptValue, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        """Chains over the engine are asynchronous."""
        raise NotImplementedError("use ainvoke or abatch")


async def through_the_engine() -> list[str]:
    """A chain whose model calls keep the engine's limits, however many of them run at once."""
    async with bl.Engine(limits={MODEL: "1200/min"}) as engine:
        prompt = ChatPromptTemplate.from_messages([
            ("system", "Answer briefly."),
            ("user", "What is {thing}?"),
        ])
        chain = prompt | BrimlineModel(engine, MODEL, temperature=0) | StrOutputParser()
        return await chain.abatch([{"thing": thing} for thing in ("a quota", "a permit", "a lane")])


def as_an_endpoint() -> list[Any]:
    """A runnable answers requests; it may be any chain, here it stands for a model of your own."""
    shout = RunnableLambda(lambda text: AIMessage(content=text.upper()))
    outcomes = bl.map(["hello", "good bye"], model="mine/shout", endpoints={"mine": shout})
    return [outcome.text for outcome in outcomes]


if __name__ == "__main__":
    print(*as_an_endpoint(), sep="\n")
    print(*asyncio.run(through_the_engine()), sep="\n")

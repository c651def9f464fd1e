"""A scripted provider in its own process: it speaks the dialects of many, with real limits and a ledger.

It uses nothing of the engine, so that its limits and the engine's can disagree.

    scenario = Scenario.parse('''
        [models."*"]
        latency = "lognormal(0.5s, 0.4)"
        requests = { rate = "600/min", bucket = 10 }
    ''')
    async with simulate(scenario) as simulator:      # in this process
        AsyncOpenAI(base_url=simulator.url, api_key="any")
    run(scenario, port=8000, announce=print)         # blocking, until SIGINT or SIGTERM
"""

from brimline.sim.addresses import Address, addresses
from brimline.sim.chat import conversation_key, count_tokens
from brimline.sim.ledger import Entry, Ledger, Stats, Tally
from brimline.sim.main import run, serve
from brimline.sim.scenario import Scenario
from brimline.sim.server import Simulator, simulate
from brimline.sim.tables import ScenarioError
from brimline.sim.world import Exchange, World

__all__ = [
    "Address",
    "Entry",
    "Exchange",
    "Ledger",
    "Scenario",
    "ScenarioError",
    "Simulator",
    "Stats",
    "Tally",
    "World",
    "addresses",
    "conversation_key",
    "count_tokens",
    "run",
    "serve",
    "simulate",
]

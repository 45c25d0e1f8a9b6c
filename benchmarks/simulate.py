"""How many requests the simulator plays per second of processor time, for each strategy."""

import time
from collections.abc import Sequence

from rich.console import Console

from trimtab.balance import strategies
from trimtab.simulate.contenders import contender
from trimtab.simulate.scenario import Scenario
from trimtab.simulate.simulation import simulate
from trimtab.simulate.validation import fleet

from .contest import Contest, Measure, interleave
from .report import print_contest

SERVERS = 100
CLIENTS = 10
REQUESTS = 40_000
ROUNDS = 7


async def run(console: Console) -> None:
    """100 pods at utilisation 0.8, 10 clients, every strategy."""
    scenario = fleet(SERVERS, 0.8, CLIENTS, REQUESTS)
    contenders = {name: _measure(scenario, name) for name in ("p2c", *sorted(set(strategies()) - {"p2c"}))}
    contest = await interleave(contenders, ROUNDS)
    print_contest(console, f"One simulated request, {SERVERS} pods, {CLIENTS} clients", "µs", contest, baseline="p2c")
    for line in _rates(contest, list(contenders)):
        console.print(line, highlight=False)


def _measure(scenario: Scenario, name: str) -> Measure:
    async def measure() -> float:
        started = time.process_time()
        run = simulate(scenario, contender(name), seed=1)
        return (time.process_time() - started) / len(run.ledger) * 1e6

    return measure


def _rates(contest: Contest, names: Sequence[str]) -> list[str]:
    return [f"{name}: {1e6 / contest.median(name):,.0f} simulated requests per second" for name in names]

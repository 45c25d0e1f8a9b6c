"""What one pick costs, without any call around it."""

import random
import time

from rich.console import Console

from trimtab.balance import Connectivity, Outcome, Request, strategies
from trimtab.balance.balancer import Balancer
from trimtab.model import Assignment, Endpoint, Locality, LocalityEndpoints, Policy

from .contest import Measure, interleave
from .report import print_contest

NODES = 100
PICKS = 20_000
ROUNDS = 30


async def run(console: Console) -> None:
    """Pick and done, over 100 connected nodes, for every strategy."""
    contenders = {name: _measure(name) for name in ("p2c", *sorted(set(strategies()) - {"p2c"}))}
    contest = await interleave(contenders, ROUNDS)
    print_contest(console, f"One pick and its done over {NODES} nodes", "µs", contest, baseline="p2c")


def _measure(strategy: str) -> Measure:
    balancer = _balancer(strategy)
    request, outcome = Request("/shop.Shop/Buy"), Outcome("OK")

    async def measure() -> float:
        started = time.process_time()
        for _ in range(PICKS):
            pick = balancer.pick(request)
            assert pick is not None
            pick.done(outcome)
        return (time.process_time() - started) / PICKS * 1e6

    return measure


def _balancer(strategy: str) -> Balancer:
    endpoints = tuple(Endpoint(f"10.0.0.{i + 1}", 8080) for i in range(NODES))
    balancer = Balancer(Policy(strategy), client_id="bench", rng=random.Random(1), clock=time.monotonic)
    changes = balancer.update(Assignment("bench", (LocalityEndpoints(Locality(), endpoints),)))
    for node in changes.opened:
        balancer.connectivity_changed(node, Connectivity.READY)
    return balancer

"""What one pick costs, without any call around it."""

import random
import time
from collections.abc import Sequence

from rich.console import Console

from trimtab.balance import Connectivity, Outcome, Request, strategies
from trimtab.balance.balancer import Balancer
from trimtab.model import Assignment, Endpoint, Locality, LocalityEndpoints, OutlierDetection, Policy, Shards

from .contest import Measure, interleave
from .report import print_contest

PICKS = 5_000
ROUNDS = 11
IN_FLIGHT_PER_NODE = 2
SHARDS = (10, 1000, 3000)
PER_SHARD = 3


async def run(console: Console) -> None:
    """Pick and done over connected nodes for every strategy, as it comes and with every effect at work."""
    for nodes in (100, 1000):
        for effects in (False, True):
            names = ("p2c", *sorted(set(strategies()) - {"p2c"}))
            contest = await interleave({name: _measure(name, nodes, effects) for name in names}, ROUNDS)
            title = f"One pick and its done over {nodes} nodes, {'every effect on' if effects else 'at rest'}"
            print_contest(console, title, "µs", contest, baseline="p2c")
    contest = await interleave({f"{count} shards": _measure_shards(count) for count in SHARDS}, ROUNDS)
    title = f"One pick and its done in a shard of {PER_SHARD} nodes, the shard named by each call"
    print_contest(console, title, "µs", contest, baseline=f"{SHARDS[0]} shards")


def _measure_shards(count: int) -> Measure:
    """Every call asks for another shard."""
    policy = Policy(max_connections=PER_SHARD * count, shards=Shards())
    balancer = Balancer(policy, client_id="bench", rng=random.Random(1), clock=time.monotonic)
    addresses = [f"10.{i // 62_500}.{i // 250 % 250}.{i % 250 + 1}" for i in range(PER_SHARD * count)]
    labels = [(("shard", str(i // PER_SHARD)),) for i in range(PER_SHARD * count)]
    _assign(balancer, tuple(Endpoint(a, 8080, labels=own) for a, own in zip(addresses, labels, strict=True)))
    requests = [Request("/shop.Shop/Buy", attributes={"shard": str(i % count)}) for i in range(PICKS)]
    return _picks(balancer, requests)


def _measure(strategy: str, nodes: int, effects: bool) -> Measure:
    balancer = _busy(strategy, nodes) if effects else _balancer(Policy(strategy, max_connections=nodes), nodes)
    return _picks(balancer, [Request("/shop.Shop/Buy", attributes={"hash_key": "tenant-7"})] * PICKS)


def _picks(balancer: Balancer, requests: Sequence[Request]) -> Measure:
    outcome = Outcome("OK")

    async def measure() -> float:
        started = time.process_time()
        for request in requests:
            pick = balancer.pick(request)
            assert pick is not None
            pick.done(outcome)
        return (time.process_time() - started) / PICKS * 1e6

    return measure


def _balancer(policy: Policy, nodes: int) -> Balancer:
    endpoints = tuple(Endpoint(f"10.0.{i // 250}.{i % 250 + 1}", 8080, weight=_weight(policy, i)) for i in range(nodes))
    balancer = Balancer(policy, client_id="bench", rng=random.Random(1), clock=time.monotonic)
    _assign(balancer, endpoints[: nodes - nodes // 10])
    _assign(balancer, endpoints)
    return balancer


def _busy(strategy: str, nodes: int) -> Balancer:
    """Weights of 1 to 3, a tenth in slow start, another that failed, outlier detection, calls in flight, latency as load."""
    policy = Policy(
        strategy,
        load="peak_ewma",
        max_connections=nodes,
        slow_start_s=3600,
        outlier_detection=OutlierDetection(),
    )
    balancer = _balancer(policy, nodes)
    request = Request("/shop.Shop/Buy")
    picks = [pick for _ in range(IN_FLIGHT_PER_NODE * nodes) if (pick := balancer.pick(request)) is not None]
    for pick in picks[: nodes // 10]:
        pick.done(Outcome("UNAVAILABLE"))
    return balancer


def _weight(policy: Policy, index: int) -> int:
    return 1 + index % 3 if policy.slow_start_s else 1


def _assign(balancer: Balancer, endpoints: tuple[Endpoint, ...]) -> None:
    changes = balancer.update(Assignment("bench", (LocalityEndpoints(Locality(), endpoints),)))
    for node in changes.opened:
        balancer.connectivity_changed(node, Connectivity.READY)

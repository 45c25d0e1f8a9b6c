"""What one pick costs, without any call around it."""

import random
import time
from collections.abc import Sequence
from dataclasses import replace

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
    for effects in (False, True):
        contest = await interleave(_in_zones(effects), ROUNDS)
        title = f"The same over 99 nodes in three zones, {'every effect on' if effects else 'at rest'}"
        print_contest(console, title, "µs", contest, baseline="zones off")
    contest = await interleave({f"{count} shards": _measure_shards(count) for count in SHARDS}, ROUNDS)
    title = f"One pick and its done in a shard of {PER_SHARD} nodes, the shard named by each call"
    print_contest(console, title, "µs", contest, baseline=f"{SHARDS[0]} shards")


def _in_zones(effects: bool) -> dict[str, Measure]:
    """A third of the nodes in each zone; calls stay in the client's, or half of them leave it, or zones are no matter."""
    weighed = {"at home": (9_998, 1, 1), "half at home": (5_000, 2_500, 2_500)}
    requests = [Request("/shop.Shop/Buy")] * PICKS
    measures = {name: _picks(_zoned(Policy(), effects, weights), requests) for name, weights in weighed.items()}
    return {"zones off": _picks(_zoned(Policy(zone="off"), effects, (1, 1, 1)), requests), **measures}


def _zoned(policy: Policy, effects: bool, weights: Sequence[int]) -> Balancer:
    balancer = _made(_every_effect(policy) if effects else policy)
    groups = tuple(
        LocalityEndpoints(
            Locality("", zone),
            tuple(Endpoint(f"10.{zone}.0.{i + 1}", 8080, weight=_weight(balancer.policy, i)) for i in range(33)),
            weight,
        )
        for zone, weight in zip("012", weights, strict=True)
    )
    _assign_groups(balancer, *(replace(group, endpoints=group.endpoints[:30]) for group in groups))
    _assign_groups(balancer, *groups)
    if effects:
        _set_to_work(balancer, 99)
    return balancer


def _measure_shards(count: int) -> Measure:
    """Every call asks for another shard. Time stands still: what is refreshed once a second is no part of a pick."""
    policy = Policy(max_connections=PER_SHARD * count, shards=Shards())
    balancer = Balancer(policy, client_id="bench", rng=random.Random(1), clock=lambda: 0.0)
    addresses = [f"10.{i // 62_500}.{i // 250 % 250}.{i % 250 + 1}" for i in range(PER_SHARD * count)]
    labels = [(("shard", str(i // PER_SHARD)),) for i in range(PER_SHARD * count)]
    _assign(balancer, tuple(Endpoint(a, 8080, labels=own) for a, own in zip(addresses, labels, strict=True)))
    requests = [Request("/shop.Shop/Buy", attributes={"shard": str(i % count)}) for i in range(PICKS)]
    return _picks(balancer, requests)


def _measure(strategy: str, nodes: int, effects: bool) -> Measure:
    balancer = _busy(strategy, nodes) if effects else ready_balancer(nodes, Policy(strategy, max_connections=nodes))
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


def ready_balancer(nodes: int, policy: Policy | None = None) -> Balancer:
    """A balancer whose nodes are all connected; a tenth of them came later."""
    policy = policy or Policy()
    endpoints = tuple(Endpoint(f"10.0.{i // 250}.{i % 250 + 1}", 8080, weight=_weight(policy, i)) for i in range(nodes))
    balancer = _made(policy)
    _assign(balancer, endpoints[: nodes - nodes // 10])
    _assign(balancer, endpoints)
    return balancer


def _busy(strategy: str, nodes: int) -> Balancer:
    balancer = ready_balancer(nodes, _every_effect(Policy(strategy, max_connections=nodes)))
    _set_to_work(balancer, nodes)
    return balancer


def _every_effect(policy: Policy) -> Policy:
    """Weights of 1 to 3, a tenth in slow start, another that failed, outlier detection, calls in flight, latency as load."""
    return replace(policy, load="peak_ewma", slow_start_s=3600, outlier_detection=OutlierDetection())


def _set_to_work(balancer: Balancer, nodes: int) -> None:
    request = Request("/shop.Shop/Buy")
    picks = [pick for _ in range(IN_FLIGHT_PER_NODE * nodes) if (pick := balancer.pick(request)) is not None]
    for pick in picks[: nodes // 10]:
        pick.done(Outcome("UNAVAILABLE"))


def _weight(policy: Policy, index: int) -> int:
    return 1 + index % 3 if policy.slow_start_s else 1


def _made(policy: Policy) -> Balancer:
    return Balancer(policy, client_id="bench", rng=random.Random(1), clock=time.monotonic)


def _assign(balancer: Balancer, endpoints: tuple[Endpoint, ...]) -> None:
    _assign_groups(balancer, LocalityEndpoints(Locality(), endpoints))


def _assign_groups(balancer: Balancer, *groups: LocalityEndpoints) -> None:
    changes = balancer.update(Assignment("bench", groups, client_zone="0"))
    for node in changes.opened:
        balancer.connectivity_changed(node, Connectivity.READY)

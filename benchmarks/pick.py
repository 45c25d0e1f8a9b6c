"""What one pick costs, without any call around it."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

from rich.console import Console
from rich.table import Table

from trimtab.balance import Connectivity, Outcome, Pick, Request, strategies
from trimtab.balance.balancer import Balancer
from trimtab.model import Assignment, Endpoint, Locality, LocalityEndpoints, OutlierDetection, Policy, Shards

from .contest import Contest, Measure, interleave, quartiles
from .report import print_contest

PICKS = 5_000
ROUNDS = 11
AT_A_TIME = 10
SHARDS = (10, 1000, 3000)
PER_SHARD = 3
KEYLESS = Request("/shop.Shop/Buy")
REQUESTS = [Request("/shop.Shop/Buy", attributes={"hash_key": "tenant-7"})] * PICKS


@dataclass(frozen=True, slots=True)
class State:
    """What a service is like while it is measured."""

    title: str
    effects: bool = False
    """Weights of 1 to 3, a tenth in slow start, another that failed, outlier detection."""
    load: str = "in_flight"
    in_flight_per_node: float = 0.0


STATES = (
    State("at rest"),
    State("every effect on, latency as load", effects=True, load="peak_ewma", in_flight_per_node=2.0),
    # Where some are idle and most are not, many equals are to be told apart from more who are not.
    State("nine calls in flight for ten nodes", in_flight_per_node=0.9),
    State("nine calls in flight for ten nodes, every effect on", effects=True, in_flight_per_node=0.9),
)


async def run(console: Console) -> None:
    """Pick and done over connected nodes for every strategy, as it comes and with every effect at work."""
    names = ("p2c", *sorted(set(strategies()) - {"p2c"}))
    for nodes in (100, 1000):
        for state in STATES:
            balancers = {name: _balancer(name, nodes, state) for name in names}
            whole = {f"{name}, whole": _picks(balancer, REQUESTS) for name, balancer in balancers.items()}
            apart = {f"{name}, pick": _picks_apart(balancer) for name, balancer in balancers.items()}
            contest = await interleave(whole | apart, ROUNDS)
            _print_apart(console, f"Over {nodes} nodes, {state.title}", contest, names)
    for effects in (False, True):
        contest = await interleave(_in_zones(effects), ROUNDS)
        title = f"One pick and its done over 99 nodes in three zones, {'every effect on' if effects else 'at rest'}"
        print_contest(console, title, "µs", contest, baseline="zones off")
    contest = await interleave({f"{count} shards": _measure_shards(count) for count in SHARDS}, ROUNDS)
    title = f"One pick and its done in a shard of {PER_SHARD} nodes, the shard named by each call"
    print_contest(console, title, "µs", contest, baseline=f"{SHARDS[0]} shards")


def _print_apart(console: Console, title: str, contest: Contest, names: Sequence[str]) -> None:
    table = Table(title=f"{title} ({ROUNDS} interleaved rounds, medians)", title_justify="left")
    for column in ("strategy", "one pick, µs", "pick and done, µs", f"ratio to {names[0]}"):
        table.add_column(column, justify="left" if column == "strategy" else "right")
    for name in names:
        _, ratio, _ = quartiles(contest.ratios(f"{name}, whole", f"{names[0]}, whole"))
        pick, whole = (contest.median(f"{name}, {what}") for what in ("pick", "whole"))
        table.add_row(name, f"{pick:.2f}", f"{whole:.2f}", f"{ratio:.3f}")
    console.print(table)


def _in_zones(effects: bool) -> dict[str, Measure]:
    """A third of the nodes in each zone; calls stay in the client's, or half of them leave it, or zones are no matter."""
    weighed = {"at home": (9_998, 1, 1), "half at home": (5_000, 2_500, 2_500)}
    measures = {name: _picks(_zoned(Policy(), effects, weights), REQUESTS) for name, weights in weighed.items()}
    return {"zones off": _picks(_zoned(Policy(zone="off"), effects, (1, 1, 1)), REQUESTS), **measures}


def _zoned(policy: Policy, effects: bool, weights: Sequence[int]) -> Balancer:
    balancer = _made(_every_effect(policy, "peak_ewma") if effects else policy)
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
        _set_to_work(balancer, 9, 198)
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


def _balancer(strategy: str, nodes: int, state: State) -> Balancer:
    policy = Policy(strategy, max_connections=nodes)
    if state.effects:
        policy = _every_effect(policy, state.load)
    balancer = ready_balancer(nodes, policy)
    _set_to_work(balancer, nodes // 10 if state.effects else 0, round(state.in_flight_per_node * nodes))
    return balancer


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


def _picks_apart(balancer: Balancer) -> Measure:
    """Only the picks, of which a few are made before the first is done. What the clock costs is taken off."""
    outcome = Outcome("OK")
    batches = PICKS // AT_A_TIME

    async def measure() -> float:
        spent = 0.0
        for _ in range(batches):
            started = time.process_time()
            picks = [balancer.pick(request) for request in REQUESTS[:AT_A_TIME]]
            spent += time.process_time() - started
            for pick in picks:
                assert pick is not None
                pick.done(outcome)
        return (spent - batches * _clock_s()) / (batches * AT_A_TIME) * 1e6

    return measure


def _clock_s() -> float:
    readings = [time.process_time() for _ in range(1000)]
    return median(after - before for before, after in pairwise(readings))


def ready_balancer(nodes: int, policy: Policy | None = None) -> Balancer:
    """A balancer whose nodes are all connected; a tenth of them came later."""
    policy = policy or Policy()
    endpoints = tuple(Endpoint(f"10.0.{i // 250}.{i % 250 + 1}", 8080, weight=_weight(policy, i)) for i in range(nodes))
    balancer = _made(policy)
    _assign(balancer, endpoints[: nodes - nodes // 10])
    _assign(balancer, endpoints)
    return balancer


def _every_effect(policy: Policy, load: str) -> Policy:
    return replace(policy, load=load, slow_start_s=3600, outlier_detection=OutlierDetection())


def _set_to_work(balancer: Balancer, failing: int, in_flight: int) -> None:
    """So many calls that fail at once, and others that do not end."""
    for pick in _placed(balancer, failing):
        pick.done(Outcome("UNAVAILABLE"))
    _placed(balancer, in_flight)


def _placed(balancer: Balancer, calls: int) -> list[Pick]:
    return [pick for _ in range(calls) if (pick := balancer.pick(KEYLESS)) is not None]


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

"""The demo, with real processes, beside the simulator, in virtual time: the same pods, clients and requests.

`python -m benchmarks agreement` prints the comparison; `python -m benchmarks.agreement docs/agreement.md` writes the page. It takes
nine minutes and needs two processors with nothing else to do.
"""

import asyncio
import random
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from trimtab.balance import Node
from trimtab.demo.client_plan import DEADLINE_S, Sample
from trimtab.demo.outcome import Latency, Outcome, max_over_mean
from trimtab.demo.runner import demonstrate
from trimtab.demo.scenario import SLOWDOWN
from trimtab.demo.scenario import Scenario as DemoScenario
from trimtab.demo.settings import Settings
from trimtab.demo.view import PlainView
from trimtab.demo.workload import WARM_UP_S, WORKERS_PER_POD, Load, arrivals
from trimtab.simulate.arrivals import Sent
from trimtab.simulate.chooser import Contender, Surroundings
from trimtab.simulate.contenders import contender
from trimtab.simulate.contenders.rules import KubeProxy
from trimtab.simulate.event import Slow
from trimtab.simulate.scenario import ClientGroup, PodGroup, Scenario
from trimtab.simulate.simulation import Run, simulate

SCENARIOS: Final = ("steady", "slow-pod")
DURATION_S: Final = 20.0
ROUNDS: Final = 3
"""Real runs of each; the one that the machine disturbed least is compared. Disturbed is whoever sends late, whatever the result."""
PICKS: Final = 9
"""Simulated runs of each, with the same requests and other random numbers for the picks: how much is chance."""
_MORE_S: Final = 0.001
"""How much longer each request takes where it is asked what milliseconds make of the errors."""
_METRICS: Final = ("p50 ms", "p90 ms", "p99 ms", "p99 before ms", "p99 after ms", "requests max/mean", "errors")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One contender in one scenario, both ways."""

    scenario: str
    contender: str
    real: Mapping[str, float]
    simulated: Mapping[str, float]
    """The median of PICKS runs, metric by metric."""
    least: Mapping[str, float]
    most: Mapping[str, float]
    errors_with_more: int
    """Simulated, if each request took _MORE_S longer."""
    late_ms: float
    """How late the generators of the real load were for 1 % of the requests."""
    too_busy: bool
    """So late that the real figures say more of the machine than of the contender."""


async def run(console: Console) -> None:
    """Both scenarios of the demo that the simulator knows as well."""
    comparisons = await compare(console)
    for name in SCENARIOS:
        table = Table(title=f"{name}: real processes, and simulated", title_justify="left")
        for heading in ("contender", *_METRICS):
            table.add_column(heading, justify="left" if heading == "contender" else "right")
        for one in comparisons:
            if one.scenario == name:
                table.add_row(one.contender, *_cells(one))
        console.print(table)
    for sentence in _reading(comparisons):
        console.print(sentence, highlight=False)


async def compare(console: Console, duration_s: float = DURATION_S) -> Sequence[Comparison]:
    """Run the demo, then simulate what it did."""
    compared = []
    for name in SCENARIOS:
        settings = Settings(duration_s=duration_s, scenario=name)
        rounds = [await _demonstrated(settings, console) for _ in range(ROUNDS)]
        for runs in zip(*rounds, strict=True):
            outcome = min(runs, key=lambda run: run.late_s)
            simulated = [_numbers(_simulated(settings, outcome, duration_s, seed)) for seed in range(PICKS)]
            more = _simulated(settings, outcome, duration_s, 0, _MORE_S).errors.total()
            compared.append(
                Comparison(
                    name,
                    outcome.contender,
                    _numbers(outcome),
                    _of_each(statistics.median, simulated),
                    _of_each(min, simulated),
                    _of_each(max, simulated),
                    more,
                    outcome.late_s * 1000,
                    outcome.machine_was_too_busy,
                )
            )
    return compared


async def _demonstrated(settings: Settings, console: Console) -> Sequence[Outcome]:
    """One run of every contender, one after the other."""
    with PlainView(console) as view:
        [outcomes] = await demonstrate(settings, view)
    return outcomes


def _of_each(summary: Callable[[Iterable[float]], float], runs: Sequence[Mapping[str, float]]) -> Mapping[str, float]:
    return {metric: summary([run[metric] for run in runs]) for metric in _METRICS}


def _simulated(settings: Settings, real: Outcome, duration_s: float, seed: int, more_s: float = 0.0) -> Outcome:
    """What the demo did, in virtual time, each request `more_s` longer."""
    load = Load.of(settings.backends, duration_s)
    event_at_s = real.scenario.event_at_s(duration_s)
    scenario = Scenario(
        title=real.scenario.name,
        duration_s=duration_s,
        warm_up_s=WARM_UP_S,
        pods=(PodGroup(name="shop", count=settings.backends, concurrency=WORKERS_PER_POD),),
        clients=(ClientGroup(count=settings.clients, requests_per_s=load.requests_per_s),),
        timeout_s=DEADLINE_S,
        events=tuple(Slow(at_s=event_at_s, first=count, factor=SLOWDOWN) for count in (real.scenario.slowed,) if count),
    )
    sent = arrivals(load, settings.seed, settings.clients, range(settings.clients))
    replay = (Sent(one.at_s + WARM_UP_S, one.client, one.order.demand_s + more_s) for one in sent)
    run = simulate(scenario, _contender(real.contender, settings), seed, replay=replay)
    return _outcome(run, real, event_at_s)


def _outcome(run: Run, real: Outcome, event_at_s: float) -> Outcome:
    ledger = run.ledger
    rows = zip(ledger.started_s, ledger.latency_s, ledger.pod, ledger.status, strict=True)
    measured = [
        (at_s - run.warm_up_s, latency_s, pod, status) for at_s, latency_s, pod, status in rows if at_s >= run.warm_up_s
    ]
    received, before = ({str(pod.index): 0 for pod in run.pods} for _ in range(2))
    for at_s, _, pod, _ in measured:
        received[str(pod)] += 1
        before[str(pod)] += at_s < event_at_s
    samples = [Sample(at_s, latency_s, ledger.statuses[status], 0.0) for at_s, latency_s, _, status in measured]
    return Outcome(real.contender, real.scenario, real.duration_s, samples, received, before, None)


def _contender(name: str, settings: Settings) -> Contender:
    """Who in the simulator stands for a contender of the demo."""
    if name == "kube-proxy":
        return lambda surroundings: _SamePins(surroundings, settings)
    return contender({"round-robin": "headless-dns", "trimtab": "p2c"}[name])


class _SamePins(KubeProxy):
    """Pinned to the pods to which the demo's clients are."""

    def __init__(self, surroundings: Surroundings, settings: Settings) -> None:
        super().__init__(surroundings)
        client = int(surroundings.client_id.rpartition("-")[2])
        draw = random.Random(f"{settings.seed}/connection/{client}")
        self._pod = draw.choice(range(DemoScenario.named(settings.scenario, settings.backends).initial))

    def choose(self) -> Node:
        return self.nodes[self._pod]


def _numbers(outcome: Outcome) -> Mapping[str, float]:
    latency: Latency = outcome.latency
    values = (
        latency.p50_ms,
        latency.p90_ms,
        latency.p99_ms,
        outcome.before.p99_ms,
        outcome.after.p99_ms,
        max_over_mean(outcome.received.values()),
        float(outcome.errors.total()),
    )
    return dict(zip(_METRICS, values, strict=True))


def _cells(one: Comparison) -> Iterator[str]:
    for metric in _METRICS:
        real, simulated = one.real[metric], one.simulated[metric]
        digits = 0 if metric == "errors" else 2 if metric.startswith("requests") else 1
        off = f" ({simulated / real - 1:+.0%})" if real else ""
        yield f"{real:.{digits}f}, {simulated:.{digits}f}{off}"


def _reading(comparisons: Sequence[Comparison]) -> Iterator[str]:
    metrics = [metric for metric in _METRICS if metric != "errors"]
    offs = [(abs(c.simulated[m] / c.real[m] - 1), m, c) for c in comparisons for m in metrics if c.real[m]]
    off, metric, one = max(offs, key=lambda entry: entry[0])
    yield (
        f"The largest disagreement of latencies and request counts is {off:.0%}: {metric} of {one.contender} in {one.scenario}, {one.real[metric]:.1f} with "
        f"processes, {one.simulated[metric]:.1f} simulated, and between {one.least[metric]:.1f} and {one.most[metric]:.1f} with other random numbers for "
        f"the picks."
    )
    yield from _errors(comparisons)
    slower = [one.real["p50 ms"] - one.simulated["p50 ms"] for one in comparisons]
    yield f"A real call takes {min(slower):.1f} to {max(slower):.1f} ms longer than a simulated one at the median: that is gRPC, the event loops and the kernel."
    late_ms = max(one.late_ms for one in comparisons)
    busy = [f"{one.contender} in {one.scenario}" for one in comparisons if one.too_busy]
    yield (
        f"Of {ROUNDS} real runs of each the one is shown whose requests were sent least late: 1 % of them {late_ms:.1f} ms late or more in the worst of "
        "those" + (f". The machine was too busy for the figures of {', '.join(busy)} to mean much." if busy else ".")
    )


def _errors(comparisons: Sequence[Comparison]) -> Iterator[str]:
    failed = [one for one in comparisons if one.real["errors"] or one.simulated["errors"]]
    if not failed:
        return
    counts = [
        f"{one.real['errors']:.0f} with processes and {one.simulated['errors']:.0f} simulated for {one.contender} in {one.scenario}"
        for one in failed
    ]
    yield (
        f"Errors disagree more: {', '.join(counts)}. The deadline of {DEADLINE_S:g} s counts from the sending of a request on "
        "both sides. Whether the queue of an overloaded pod gets there before the load ends is a matter of milliseconds: with "
        f"{_MORE_S * 1000:g} ms more for each request, {', '.join(str(one.errors_with_more) for one in failed)} are simulated. And a "
        "simulated pod finishes what it has begun, even if the client gave up meanwhile; a real one of the demo, on asyncio, stops and takes "
        "the next request, so fewer are lost behind a slow pod."
    )


def page(comparisons: Sequence[Comparison]) -> str:
    """The page in Markdown."""
    return "\n".join(_page(comparisons)) + "\n"


def _page(comparisons: Sequence[Comparison]) -> Iterator[str]:
    yield f"""# The simulator and real processes

The scenarios of `trimtab demo` that the [simulator](simulator.md) knows as well, both ways: {Settings().backends} pods of {WORKERS_PER_POD} workers, {Settings().clients} clients, {DURATION_S:g} s. Real
are the pods' and clients' processes, the gRPC calls over loopback and the control plane; simulated are all of these, with the same
requests at the same moments to the same clients. Made by `make agreement`. Each cell: with processes, simulated (the median of
{PICKS} runs with other random numbers for the picks), and how far the simulation is off. The demo's figures in the README are of runs of {DemoScenario.named(SCENARIOS[0], 1).default_duration_s:g} s, so they are others: a queue that grows is longer after {DURATION_S:g} s."""
    for name in SCENARIOS:
        yield from ("", f"## {name}", "", "| | " + " | ".join(_METRICS) + " |", "|---|" + "--:|" * len(_METRICS))
        for one in comparisons:
            if one.scenario == name:
                yield f"| {one.contender} | " + " | ".join(_cells(one)) + " |"
    yield from ("", "## How far they disagree", "", *(f"- {sentence}" for sentence in _reading(comparisons)))
    yield """- What is left is chance: picks are random, and after the first one that differs two runs go different ways. A queue that is nearly full, such as
  that of a slow pod under round robin, makes much of it."""


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(asyncio.run(compare(Console(stderr=True)))), "utf-8")

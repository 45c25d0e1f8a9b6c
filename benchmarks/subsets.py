"""What parts of a large fleet are worth, and how clients had best come by them: in virtual time, so every machine says the same."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from msgspec import structs
from rich.console import Console
from rich.table import Table

from trimtab.model import Policy, Seat, Subset
from trimtab.simulate.chooser import Contender, Surroundings
from trimtab.simulate.contenders.trimtab import TrimtabChooser
from trimtab.simulate.scenario import Scenario
from trimtab.simulate.simulation import simulate
from trimtab.simulate.statistics import Columns
from trimtab.simulate.validation import fleet

CLIENTS = PODS = 99
REQUESTS = 200_000
UTILISATION = 0.8
SERVICE_TIME_S = 0.001
ZONES = {"zone-a": 33, "zone-b": 33, "zone-c": 33}

SeatOf = Callable[[int], Seat]


async def run(console: Console) -> None:
    """As many clients as pods, at utilisation 0.8, with the client's own code."""
    table = Table(
        "clients", "endpoints each", "mean", "p99", "most loaded pod", title=f"{CLIENTS} clients, {PODS} pods"
    )
    one, zoned = _scenario(), _in_zones(_scenario())
    whole = Policy(subset=Subset(mode="off"))
    rng = random.Random(1)
    places = [rng.random() for _ in range(CLIENTS)]
    for name, scenario, policy, seat in (
        ("round robin over all", one, replace(whole, strategy="round_robin"), None),
        ("all pods", one, whole, None),
        ("parts by seat", one, Policy(), None),
        ("parts by seat, one seat in 32 empty", one, Policy(), lambda i: Seat(i * 33 // 32, CLIENTS)),
        ("parts by rank, client i of n at i/n", one, Policy(), lambda i: Seat(0, CLIENTS, i / CLIENTS)),
        ("parts at random places", one, Policy(), lambda i: Seat(0, CLIENTS, places[i])),
        ("all pods, three zones", zoned, whole, None),
        ("parts by seat, three zones", zoned, Policy(), None),
    ):
        table.add_row(name, *_played(scenario, policy, seat))
        console.print(f"{name}: done", style="dim")
    console.print(table)


def _scenario() -> Scenario:
    return fleet(PODS, UTILISATION, CLIENTS, REQUESTS)


def _in_zones(scenario: Scenario) -> Scenario:
    return structs.replace(
        scenario,
        pods=tuple(structs.replace(group, zones=ZONES) for group in scenario.pods),
        clients=tuple(structs.replace(group, zones=ZONES) for group in scenario.clients),
    )


def _played(scenario: Scenario, policy: Policy, seat: SeatOf | None) -> tuple[str, str, str, str]:
    choosers: list[TrimtabChooser] = []

    def equip(surroundings: Surroundings) -> TrimtabChooser:
        index = len(choosers)
        given = surroundings if seat is None else replace(surroundings, seat=seat(index))
        choosers.append(TrimtabChooser(given, policy))
        return choosers[-1]

    contender: Contender = equip
    run = simulate(scenario, contender, seed=1)
    latency = Columns.of(run.ledger, run.warm_up_s).latency_s / SERVICE_TIME_S
    counts = Counter(run.ledger.pod)
    sizes = sorted({chooser.balancer.part.endpoints for chooser in choosers})
    return (
        "–".join(map(str, sizes)),
        f"{np.mean(latency):.2f}",
        f"{np.percentile(latency, 99):.1f}",
        f"{max(counts.values()) * PODS / counts.total():.2f} × average",
    )

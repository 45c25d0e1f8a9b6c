"""How far the local shares of two replicas of the control plane differ, with and without telling each other of their clients.

Clients are spread evenly over the zones, and each connects to a replica at random. No sockets: the counting, the messages and
the weights are those of the control plane. Deterministic, unlike a race for time.
"""

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from trimtab.balance.zone_weights import zone_weights
from trimtab.control.census import Census
from trimtab.xds.service_census import decode_census, encode_census

SERVICE = "payments.prod:8080"
ZONES = ("a", "b", "c")
PODS_PER_ZONE = 4
FLEETS = (30, 300)
RUNS = 300
SEED = 1


@dataclass
class Differences:
    """Between local shares in percentage points, one per zone and run."""

    of_each_other: list[float] = field(default_factory=list)
    of_the_truth: list[float] = field(default_factory=list)
    """Of what the clients of both replicas together ask for."""


async def run(console: Console) -> None:
    """Simulate every fleet with and without the exchange."""
    table = Table(
        title=f"Local shares of two replicas, in percentage points ({len(ZONES)} zones, {RUNS} runs, seed {SEED})",
        title_justify="left",
    )
    for column in ("clients", "exchange", "differ: mean", "p99", "most", "off truth: mean", "most"):
        table.add_column(column, justify="right")
    for clients in FLEETS:
        for exchange in (False, True):
            found = simulate(clients, exchange)
            differ, off = found.of_each_other, found.of_the_truth
            p99 = statistics.quantiles(differ, n=100)[98]
            figures = (statistics.mean(differ), p99, max(differ), statistics.mean(off), max(off))
            table.add_row(str(clients), "yes" if exchange else "no", *(f"{figure:.1f}" for figure in figures))
    console.print(table)


def simulate(clients: int, exchange: bool) -> Differences:
    """Many fleets of this size."""
    rng = random.Random(SEED)
    differences = Differences()
    for _ in range(RUNS):
        replicas = (Census("replica-1"), Census("replica-2"))
        for replica in replicas:
            replica.warm()
        for zone in _arrivals(clients, rng):
            rng.choice(replicas).joined(SERVICE, zone)
            if exchange:
                _tell_each_other(*replicas)
        for zone in ZONES:
            one, two = (_local_share(zone, replica) for replica in replicas)
            differences.of_each_other.append(100 * abs(one - two))
            # Zones with as many clients as pods keep all of their calls.
            differences.of_the_truth += [100 * abs(share - 1) for share in (one, two)]
    return differences


def _arrivals(clients: int, rng: random.Random) -> Sequence[str]:
    arriving = [ZONES[index % len(ZONES)] for index in range(clients)]
    rng.shuffle(arriving)
    return arriving


def _tell_each_other(one: Census, two: Census) -> None:
    # Twice: what the second heard may change what it tells.
    for speaker, listener in ((one, two), (two, one)) * 2:
        told = speaker.told(SERVICE)
        listener.heard(speaker.replica, SERVICE, told and decode_census(encode_census(told).body)[1])


def _local_share(zone: str, replica: Census) -> float:
    weights = zone_weights(zone, dict.fromkeys(ZONES, PODS_PER_ZONE), replica.shares(SERVICE))
    return weights[zone] / sum(weights.values())

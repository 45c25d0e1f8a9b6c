"""The fleets of the validation once more, in a few lines that share nothing with the engine, for hundreds of millions of requests.

`python -m tests.simulate.plain_queues` prints what the validation knows of the cells that theory has no formula for.

Where arrivals are Poisson and service times exponential, a fleet is a Markov chain: its next step is an arrival in `utilisation` of
`1 + utilisation` cases, and otherwise a random server is done with its first request, if it has any. Many fleets take their steps
side by side in one array.
"""

import sys
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trimtab.simulate.statistics import Interval, interval
from trimtab.simulate.theory import found
from trimtab.simulate.validation import CELLS, Cell

PARTS: Final = 20
"""Independent groups of fleets, for the interval."""
PLACES: Final = 512
"""A queue that is longer is not seen in these fleets."""


def simulate(cell: Cell, requests: float, fleets: int, seed: int = 1) -> tuple[Interval, Interval]:
    """Mean and p99 of the latency of so many requests, in so many fleets."""
    counts = queue_lengths(cell, int(requests / fleets), fleets, np.random.default_rng(seed))
    latencies = [found((1 - np.cumsum(part) / part.sum() + part / part.sum()).tolist()) for part in counts]
    return tuple(interval(np.array([getattr(one, name) for one in latencies])) for name in ("mean", "p99"))  # type: ignore[return-value]


def queue_lengths(cell: Cell, steps_per_fleet: int, fleets: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """How many requests of each part found so many others at the server that they were sent to."""
    servers, clients = cell.servers, cell.clients
    length = np.zeros((fleets, servers), dtype=np.int32)
    begun = np.zeros((fleets, servers), dtype=np.int32)
    in_flight = np.zeros((fleets, clients, servers), dtype=np.int32)
    sender = np.zeros((fleets, servers, PLACES), dtype=np.int16)
    turn = rng.integers(servers, size=(fleets, clients))
    counts = np.zeros((PARTS, PLACES), dtype=np.int64)
    steps = int(steps_per_fleet * (1 + cell.utilisation) / cell.utilisation)
    # From empty servers on: what the first tenth finds does not count.
    for step in range(-steps // 10, steps):
        arrives = rng.random(fleets) * (1 + cell.utilisation) < cell.utilisation
        fleet = np.flatnonzero(arrives)
        client = rng.integers(clients, size=len(fleet))
        server = rng.integers(servers, size=len(fleet))
        if cell.contender == "round_robin":
            server = turn[fleet, client]
            turn[fleet, client] = (server + 1) % servers
        elif cell.contender == "shortest-queue":
            server = np.argmin(length[fleet] + rng.random((len(fleet), servers)), axis=1)
        elif cell.contender in ("p2c", "envoy-least-request"):
            if cell.contender == "p2c":
                other = (server + rng.integers(1, servers, size=len(fleet))) % servers
            else:
                other = rng.integers(servers, size=len(fleet))
            less = in_flight[fleet, client, other] < in_flight[fleet, client, server]
            server = np.where(less, other, server)
        there = length[fleet, server]
        sender[fleet, server, (begun[fleet, server] + there) % PLACES] = client
        length[fleet, server] = there + 1
        in_flight[fleet, client, server] += 1
        if step >= 0:
            np.add.at(counts, (fleet * PARTS // fleets, there), 1)
        fleet = np.flatnonzero(~arrives)
        server = rng.integers(servers, size=len(fleet))
        busy = length[fleet, server] > 0
        fleet, server = fleet[busy], server[busy]
        in_flight[fleet, sender[fleet, server, begun[fleet, server] % PLACES], server] -= 1
        begun[fleet, server] += 1
        length[fleet, server] -= 1
    return counts


def main() -> None:
    """Every cell that theory has no formula for."""
    for cell in CELLS:
        if not cell.theory:
            # What happens together takes longer to even out the busier a fleet is.
            requests = 2e8 if cell.utilisation >= 0.95 and cell.servers == 10 else 3e7
            mean, p99 = simulate(cell, requests, fleets=20_000 // cell.servers)
            sys.stdout.write(
                f"{cell}: {mean.value:.4g} ± {mean.half_width:.2g}, {p99.value:.4g} ± {p99.half_width:.2g}\n"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main()

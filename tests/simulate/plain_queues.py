"""The fleets of the validation once more, in a few lines that share nothing with the engine, for hundreds of millions of requests.

`python -m tests.simulate.plain_queues FILE` writes what the validation knows of the cells that theory has no formula for; with names
of cells after the file, only those, into the lines of the others.

Where arrivals are Poisson and service times exponential, a fleet is a Markov chain: its next step is an arrival in `utilisation` of
`1 + utilisation` cases, and otherwise a random server is done with its first request, if it has any. Many fleets take their steps
side by side in one array. Clients that take turns are simpler still (plain_turns.py).
"""

import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trimtab.simulate.statistics import Interval, interval
from trimtab.simulate.theory import found
from trimtab.simulate.validation import CELLS, NAMES, Cell

from . import plain_turns

PARTS: Final = 50
"""Independent groups of fleets, for the interval."""
PLACES: Final = 512
"""A queue that is longer is not seen in these fleets."""


@dataclass(frozen=True, slots=True)
class Played:
    """What was seen, per part."""

    counts: NDArray[np.int64]
    """How many requests found so many others at the server that they were sent to."""
    balances: NDArray[np.float64]
    """Zero but for chance. What came in less what went out, weighted by 1, N and N² of the N requests in the fleet, because those that
    go out at N are those that came in to get there; and how much longer than others the queues were that had their turn."""


def simulate(cell: Cell, requests: float, fleets: int, seed: int = 1) -> tuple[Interval, Interval]:
    """Mean and p99 of the latency of so many requests, in so many fleets."""
    if cell.contender == "round_robin":
        return plain_turns.simulate(cell, requests, PARTS, seed)
    played = play(cell, int(requests / fleets), fleets, np.random.default_rng(seed))
    total = played.counts.sum(axis=1, keepdims=True)
    at_least = 1 - np.cumsum(played.counts, axis=1) / total + played.counts / total
    # How long queues are in a part that is out of balance tells how long they are in one that is not.
    balances = played.balances / total
    balances = balances / np.abs(balances).max(axis=0)
    slopes = np.linalg.lstsq(np.column_stack([np.ones(PARTS), balances]), at_least, rcond=None)[0][1:]
    latencies = [found(part.tolist()) for part in at_least - balances @ slopes]
    return tuple(interval(np.array([getattr(one, name) for one in latencies])) for name in ("mean", "p99"))  # type: ignore[return-value]


def play(cell: Cell, steps_per_fleet: int, fleets: int, rng: np.random.Generator) -> Played:
    """So many requests for each fleet."""
    servers, clients, part = cell.servers, cell.clients, cell.part or cell.servers
    length = np.zeros((fleets, servers), dtype=np.int32)
    begun = np.zeros((fleets, servers), dtype=np.int32)
    in_flight = np.zeros((fleets, clients, servers), dtype=np.int32)
    sender = np.zeros((fleets, servers, PLACES), dtype=np.int16)
    inside, working = np.zeros(fleets), np.zeros(fleets)
    counts = np.zeros((PARTS, PLACES), dtype=np.int64)
    balances = np.zeros((4, fleets))
    group = np.arange(fleets) * PARTS // fleets
    steps = int(steps_per_fleet * (1 + cell.utilisation) / cell.utilisation)
    # From empty servers on: what the first fifth finds does not count.
    for step in range(-steps // 5, steps):
        if step >= 0:
            grows, falls = cell.utilisation - working / servers, working / servers
            balances[0] += grows
            balances[1] += grows * inside + falls
            balances[2] += grows * inside**2 + falls * (2 * inside - 1)
        arrives = rng.random(fleets) * (1 + cell.utilisation) < cell.utilisation
        fleet = np.flatnonzero(arrives)
        client = rng.integers(clients, size=len(fleet))
        first = client * servers // clients if cell.part else 0
        server = (first + rng.integers(part, size=len(fleet))) % servers
        if cell.contender == "shortest-queue":
            server = np.argmin(length[fleet] + rng.random((len(fleet), servers)), axis=1)
        elif cell.contender == "least_request":
            server = np.argmin(in_flight[fleet, client] + rng.random((len(fleet), servers)), axis=1)
        elif cell.contender in ("p2c", "envoy-least-request"):
            if cell.contender == "p2c":
                other = (first + (server - first + rng.integers(1, part, size=len(fleet))) % part) % servers
            else:
                other = rng.integers(servers, size=len(fleet))
            less = in_flight[fleet, client, other] < in_flight[fleet, client, server]
            server = np.where(less, other, server)
        there = length[fleet, server]
        sender[fleet, server, (begun[fleet, server] + there) % PLACES] = client
        length[fleet, server] = there + 1
        in_flight[fleet, client, server] += 1
        inside[fleet] += 1
        working[fleet] += there == 0
        if step >= 0:
            np.add.at(counts, (group[fleet], there), 1)
        fleet = np.flatnonzero(~arrives)
        server = rng.integers(servers, size=len(fleet))
        there = length[fleet, server]
        if step >= 0:
            balances[3, fleet] += there - inside[fleet] / servers
        busy = there > 0
        fleet, server = fleet[busy], server[busy]
        in_flight[fleet, sender[fleet, server, begun[fleet, server] % PLACES], server] -= 1
        begun[fleet, server] += 1
        length[fleet, server] -= 1
        inside[fleet] -= 1
        working[fleet] -= length[fleet, server] == 0
    return Played(counts, np.stack([np.bincount(group, weights=one) for one in balances], axis=1))


def main(file: Path, wanted: Sequence[str], requests: float = 2e7) -> None:
    """Every cell that theory has no formula for, or those that are wanted."""
    with file.open(encoding="utf-8") as lines:
        rows = {row["fleet"]: row for row in csv.DictReader(lines)}
    cells = [cell for cell in CELLS if not cell.theory]
    for cell in cells:
        if wanted and str(cell) not in wanted:
            continue
        count = requests
        if cell.utilisation > 0.95:
            # What happens together takes longer to even out the busier a fleet is.
            count *= 3
        elif cell.contender == "round_robin":
            # Clients out of step with each other stay so for long; but these requests are cheap.
            count *= 40
        estimates = simulate(cell, count, fleets=max(2 * PARTS, min(20_000 // cell.servers, 500)))
        values = [value for one in estimates for value in (one.value, one.half_width)]
        texts = [f"{value:.{digits}g}" for value, digits in zip(values, (5, 2, 5, 2), strict=True)]
        rows[str(cell)] = {"fleet": str(cell), **dict(zip(NAMES, texts, strict=True)), "requests": f"{count:.0f}"}
        with file.open("w", encoding="utf-8", newline="") as lines:
            writer = csv.DictWriter(lines, ("fleet", *NAMES, "requests"), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows[str(cell)] for cell in cells if str(cell) in rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])

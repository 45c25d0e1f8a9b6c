"""Clients that take the servers in turn, by Lindley's recursion: where a request goes is known before anybody waits, so whole fleets
are a few arrays. Shares nothing with the engine.

How evenly the turns of several clients interleave changes slowly and makes much of a difference, so what is needed is many fleets whose
clients begin anywhere, rather than long ones.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from trimtab.simulate.statistics import Interval, interval
from trimtab.simulate.validation import Cell

SPAN: Final = 4000.0
"""Mean service times that a fleet is looked at."""
EVEN_OUT: Final = 1000.0
"""From empty servers on, before it is."""


def simulate(cell: Cell, requests: float, parts: int, seed: int = 1) -> tuple[Interval, Interval]:
    """Mean and p99 of the latency of so many requests, in fleets that are independent of each other."""
    rng = np.random.default_rng(seed)
    fleets = max(1, round(requests / parts / (SPAN * cell.servers * cell.utilisation)))
    means, p99s = [], []
    for _ in range(parts):
        latency = np.concatenate([play(cell, SPAN, EVEN_OUT, rng) for _ in range(fleets)])
        means.append(latency.mean())
        p99s.append(np.quantile(latency, 0.99))
    return interval(np.array(means)), interval(np.array(p99s))


def play(cell: Cell, span: float, even_out: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """The latencies of one fleet in `span` service times, in no order."""
    rate = cell.servers * cell.utilisation
    count = rng.poisson(rate * (even_out + span))
    arrived = np.sort(rng.random(count)) * (even_out + span)
    sender = rng.integers(cell.clients, size=count, dtype=np.uint16)
    sent = np.bincount(sender, minlength=cell.clients)
    before = np.cumsum(sent) - sent
    turn = np.empty(count, dtype=np.int64)
    turn[np.argsort(sender, kind="stable")] = np.arange(count) - np.repeat(before, sent)
    begins = rng.integers(cell.servers, size=cell.clients)
    server = ((begins[sender] + turn) % cell.servers).astype(np.uint16)
    by_server = np.split(np.argsort(server, kind="stable"), np.cumsum(np.bincount(server, minlength=cell.servers))[:-1])
    latency = np.empty(count)
    for rows in by_server:
        demand = rng.exponential(1.0, len(rows))
        # What a request finds is what the one before it found and brought, less what was done in between.
        walk = np.concatenate(([0.0], np.cumsum(demand[:-1] - np.diff(arrived[rows]))))
        latency[rows] = walk - np.minimum.accumulate(walk) + demand
    return latency[arrived >= even_out]

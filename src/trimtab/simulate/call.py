"""One request on its way."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..balance import Pick, Request
    from .client import Client


class Call:
    """A request from the moment its client sent it. Travels through timeline and pods as the event's argument."""

    __slots__ = ("client", "delay_s", "demand_s", "ended", "pick", "request", "started_s", "status")

    def __init__(self, client: "Client", request: "Request", started_s: float, demand_s: float, pick: "Pick") -> None:
        self.client = client
        self.request = request
        self.started_s = started_s
        self.demand_s = demand_s
        """How long a pod of speed 1 works on it."""
        self.pick = pick
        self.delay_s = 0.0
        """How long the network takes, one way."""
        self.status = "OK"
        self.ended = False
        """The client has its answer or no longer waits for one."""

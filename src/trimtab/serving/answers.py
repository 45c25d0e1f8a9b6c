"""What the pod answers about itself: grpc.health.v1 (grpc/doc/health-checking.md) and load reports out of band (gRFC A51)."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from ..errors import ProtocolError
from ..xds.health import ServingStatus, encode_health_response, parse_health_request
from ..xds.orca import encode_load_report, parse_report_interval_s
from .health import Health, Phase
from .load import Load

MIN_INTERVAL_S = 0.1
"""The most often a caller may have reports. gRPC's weighted_round_robin recomputes weights no more often (gRFC A58)."""
DEFAULT_INTERVAL_S = 10.0
"""For callers who name none: the default of weighted_round_robin (gRFC A58)."""


class Answers:
    """Encoded answers, whatever kind of server sends them. Raises ProtocolError for a request that is none."""

    def __init__(self, health: Health, load: Load) -> None:
        self._health = health
        self._load = load

    def check(self, request: bytes) -> bytes | None:
        """The status of a service; None: there is no such service."""
        status = self._health.status(parse_health_request(request))
        return None if status is ServingStatus.SERVICE_UNKNOWN else encode_health_response(status)

    def watch(self, request: bytes) -> AsyncGenerator[bytes, None]:
        """The status of a service whenever it changes, until the pod stops."""
        return self._watch(parse_health_request(request))

    async def _watch(self, service: str) -> AsyncGenerator[bytes, None]:
        async with contextlib.aclosing(self._health.watch(service)) as statuses:
            async for status in statuses:
                yield encode_health_response(status)

    def reports(self, request: bytes) -> AsyncGenerator[bytes, None]:
        """A load report at once and then as often as asked for, until the pod stops."""
        return self._reports(max(MIN_INTERVAL_S, parse_report_interval_s(request) or DEFAULT_INTERVAL_S))

    async def _reports(self, interval_s: float) -> AsyncGenerator[bytes, None]:
        while self._health.phase is not Phase.STOPPED:
            yield encode_load_report(self._load.report())
            try:
                await asyncio.wait_for(self._health.reached(Phase.STOPPED), interval_s)
            except TimeoutError:
                continue


def refused(error: ProtocolError) -> str:
    """What to tell a caller whose request is none."""
    return f"the request is not what this method takes: {error}"

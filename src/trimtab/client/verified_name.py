"""A hint at what TLS may have against endpoints.

gRPC's API does not say why a connection failed. Its calls do, when nothing else is left to call, but not which name the certificate
was verified against, nor how to say another one.
"""

import logging
from collections.abc import Callable

from ..balance import Connectivity
from ..model import Endpoint
from .connection_options import ConnectionOptions

logger = logging.getLogger(__name__)

Report = Callable[[Connectivity], object]


class VerifiedName:
    """Warns once, and only until a first connection of the channel stands: the name is the same for all."""

    def __init__(self, service: str, common: ConnectionOptions) -> None:
        self._service = service
        self._name = common.verified_name
        self._settled = self._name is None

    def hearing(self, endpoint: Endpoint, report: Report) -> Report:
        """What passes the states of the connection to `endpoint` on to `report`."""

        def heard(state: Connectivity) -> None:
            if not self._settled and state in (Connectivity.READY, Connectivity.TRANSIENT_FAILURE):
                self._settled = True
                if state is Connectivity.TRANSIENT_FAILURE:
                    self._warn(endpoint)
            report(state)

        return heard if not self._settled else report

    def _warn(self, endpoint: Endpoint) -> None:
        logger.warning(
            "%s: %s cannot be connected to. Its certificate has to be for %s; if it is for another name, give the channel that "
            "one as authority= (or as the option grpc.ssl_target_name_override)",
            self._service,
            endpoint.authority,
            self._name,
        )

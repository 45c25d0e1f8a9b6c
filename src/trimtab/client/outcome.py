"""gRPC's status codes as outcomes of calls."""

import grpc

from ..balance import Outcome

OUTCOMES = {code: Outcome(code.name) for code in grpc.StatusCode}
OK = OUTCOMES[grpc.StatusCode.OK]
CANCELLED = OUTCOMES[grpc.StatusCode.CANCELLED]
UNKNOWN = OUTCOMES[grpc.StatusCode.UNKNOWN]

"""gRPC's status codes as outcomes of calls."""

import grpc

from ..balance import Outcome

OUTCOMES = {code: Outcome(code.name) for code in grpc.StatusCode}
OK = OUTCOMES[grpc.StatusCode.OK]
CANCELLED = OUTCOMES[grpc.StatusCode.CANCELLED]
UNKNOWN = OUTCOMES[grpc.StatusCode.UNKNOWN]
_SUCCESS = grpc.StatusCode.OK


def outcome_of(code: grpc.StatusCode | None) -> Outcome:
    """A status code as an outcome. Success goes first: looking up an enum's member costs a call."""
    return OK if code is _SUCCESS else OUTCOMES.get(code, UNKNOWN)  # type: ignore[arg-type]  # None is nobody's key

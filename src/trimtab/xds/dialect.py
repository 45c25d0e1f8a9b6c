"""Which kind of client asks: the kinds disagree about how a cluster says that its localities have weights."""

import enum


class Dialect(enum.Enum):
    """How a Cluster has to be written for a client to accept and honour it."""

    GRPC = "grpc"
    ENVOY = "envoy"

    @classmethod
    def of(cls, user_agent: str) -> "Dialect":
        """The dialect of a client by its `node.user_agent_name`."""
        return cls.ENVOY if user_agent.lower().startswith("envoy") else cls.GRPC

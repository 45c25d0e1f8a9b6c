"""On which Node a client runs, for Services that keep calls on it."""

from typing import Protocol

from ..xds.discovery import ClientNode
from .client_zone import NODE_NAME, POD_IP


class Addresses(Protocol):
    """Whoever knows on which Node the endpoint with an address is; an empty string where it does not."""

    def node_of_address(self, address: str) -> str: ...


def client_node(node: ClientNode, addresses: Addresses) -> str:
    """The name of the Kubernetes Node a client says it is on, or that its Pod is on; empty: unknown."""
    return node.metadata.get(NODE_NAME, "") or addresses.node_of_address(node.metadata.get(POD_IP, ""))

"""In which zone a client runs. Clients need not know it: they say on which Node they run, or which address they have."""

from typing import Protocol

from ..xds.discovery import ClientNode

NODE_NAME = "NODE_NAME"
"""Key of the node metadata that names the Kubernetes Node a client runs on (downward API: `spec.nodeName`)."""
POD_IP = "POD_IP"
"""Key of the node metadata that holds the address of a client's Pod (downward API: `status.podIP`)."""


class Places(Protocol):
    """Whoever knows where Nodes and Pods are; an empty string where it does not."""

    def zone_of_node(self, name: str) -> str: ...

    def zone_of_address(self, address: str) -> str: ...


def client_zone(node: ClientNode, places: Places) -> str:
    """The zone of a client; empty: unknown.

    What the cluster says of its Node or Pod goes before what the client says of itself, which somebody had to configure.
    """
    return (
        places.zone_of_node(node.metadata.get(NODE_NAME, ""))
        or places.zone_of_address(node.metadata.get(POD_IP, ""))
        or node.locality.zone
    )

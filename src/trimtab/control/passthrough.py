"""A service that its policy turned back to plain DNS, as each kind of client is told (docs/adr/0041).

Our own client reads it in the policy. Stock gRPC and Envoy get a cluster that they resolve themselves, as for an ExternalName; the
endpoints are served as ever, for whoever asks for them, and for the way back.
"""

from dataclasses import replace

from ..model import Policy
from ..xds.cluster import DnsTarget
from .join import ServicePort
from .subsets import Subset


def told_policy(port: ServicePort) -> Policy:
    """The policy of a service port, with what DNS is to be asked for where that matters."""
    policy = port.policy
    return replace(policy, dns=str(port.ref)) if policy.mode == "passthrough" and not policy.dns else policy


def dns_target(port: ServicePort, subset: Subset | None) -> DnsTarget | None:
    """What clients without our library find by DNS themselves; None: they follow the endpoints."""
    if port.external is not None:
        return port.external
    policy = told_policy(port)
    if policy.mode != "passthrough":
        return None
    if subset is not None and (policy.shards is None or policy.shards.unmatched != "any"):
        # DNS knows all endpoints or none; a call for one shard must not go to another.
        return None
    host, _, number = policy.dns.rpartition(":")
    return DnsTarget(host.strip("[]"), int(number))

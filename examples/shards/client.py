"""Calls to a sharded service.

    trimtab serve --manifests examples/shards
    python examples/shards/client.py 127.0.0.1:18000 7

It prints what the channel knows, so nobody has to serve at the addresses in payments.yaml.
"""

import sys

import grpc

import trimtab


def main(control_plane: str, shard: str) -> None:
    """Call a shard once, and say where the call could go."""
    with trimtab.channel("xds:///payments.prod:8080", control_plane=control_plane) as channel:
        pay = channel.unary_unary("/shop.Payments/Pay")
        try:
            pay(b"", metadata=(("x-shard", shard),), timeout=5)
        except grpc.RpcError as error:
            print(error)
        explanation = channel.explain()
        print(f"from {explanation.where}; {explanation.part}")
        for state in explanation:
            print(state.address, f"shard {state.shard}", f"priority {state.priority}", state.origin, state.connectivity)


if __name__ == "__main__":
    main(*sys.argv[1:3])

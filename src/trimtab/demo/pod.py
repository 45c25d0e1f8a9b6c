"""A pod, as the manifests describe it, and addresses for as many as are wanted."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Final

ZONES: Final = ("zone-a", "zone-b", "zone-c")
_ATTEMPTS: Final = 20


@dataclass(frozen=True, slots=True)
class Pod:
    """Where one backend listens and how the cluster calls it."""

    name: str
    address: str
    port: int
    zone: str

    @property
    def authority(self) -> str:
        return f"{self.address}:{self.port}"


@contextmanager
def reserved_pods(count: int) -> Iterator[tuple[Pod, ...]]:
    """Pods with addresses that stay free for them until the end of the block.

    Every pod gets a loopback address of its own and all the same port, as in a cluster; where loopback has only one
    address (macOS), they share that and differ by port. The addresses stay bound here without listening, and servers
    bind them again beside that with SO_REUSEPORT, as gRPC servers do.
    """
    with ExitStack() as held:
        sockets = _one_port(count, held) or [held.enter_context(_bound("127.0.0.1", 0)) for _ in range(count)]
        yield tuple(_pod(i, *bound.getsockname()) for i, bound in enumerate(sockets))


def _pod(index: int, address: str, port: int) -> Pod:
    return Pod(f"shop-{index + 1}", address, port, ZONES[index % len(ZONES)])


def _one_port(count: int, held: ExitStack) -> Sequence[socket.socket]:
    addresses = [f"127.0.0.{2 + i}" for i in range(count)]
    for _ in range(_ATTEMPTS):
        with ExitStack() as attempt, suppress(OSError):
            first = attempt.enter_context(_bound(addresses[0], 0))
            port = first.getsockname()[1]
            others = [attempt.enter_context(_bound(address, port)) for address in addresses[1:]]
            held.push(attempt.pop_all())
            return [first, *others]
    return []


def _bound(address: str, port: int) -> socket.socket:
    bound = socket.socket()
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind((address, port))
    except OSError:
        bound.close()
        raise
    return bound

"""How much of what happened in the cluster is served, so that a client that has seen more is not rolled back (docs/adr/0026)."""

import asyncio
from collections.abc import Callable

PATIENCE_S = 2.0
"""How long a replica gets to hear by itself what a client has seen, before everything is listed to find out."""


class Progress:
    """Resource versions of EndpointSlices: up to which all is served, and which the newest change has that is.

    They are comparable since Kubernetes 1.35 (KEP-5504). Where they are not, or there is no API server, nobody waits.
    """

    def __init__(self, ask_for_look: Callable[[], object] | None = None) -> None:
        """`ask_for_look` is to have everything listed; None: there are no versions to compare."""
        self._ask_for_look = ask_for_look
        self._reached: int | None = None if ask_for_look is None else 0
        self._waiting: dict[asyncio.Future[None], int] = {}
        self._doubting: set[asyncio.Future[None]] = set()
        self.newest = 0
        """The version of the newest change that is served: what clients have seen by now. 0: not known."""

    def advance(self, reached: int | None, newest: int) -> None:
        """All up to `reached` is served, the newest change of it being `newest`. None: versions are no numbers."""
        self._reached, self.newest = reached, newest
        for waiter, version in list(self._waiting.items()):
            if not waiter.done() and (reached is None or version <= reached):
                waiter.set_result(None)

    @property
    def doubted(self) -> bool:
        """Whether somebody waits for a look."""
        return bool(self._doubting)

    def looking(self) -> Callable[[], None]:
        """A look at everything begins; call what is returned once what it found is served.

        Whoever claims to have seen more than an API server has at a later time speaks of another one, or of this one before it
        was restored from a backup.
        """
        answered, self._doubting = self._doubting, set()

        def looked() -> None:
            for waiter in answered:
                if not waiter.done():
                    waiter.set_result(None)

        return looked

    def has_reached(self, version: int) -> bool:
        """Whether what has this version is served."""
        return self._reached is None or version <= self._reached

    async def reach(self, version: int) -> None:
        """Return once what has this version is served, or once the API server has said that there is no such thing."""
        if self.has_reached(version) or self._ask_for_look is None:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[waiter] = version
        try:
            await asyncio.wait([waiter], timeout=PATIENCE_S)
            if not waiter.done():
                self._doubting.add(waiter)
                self._ask_for_look()
                await waiter
        finally:
            del self._waiting[waiter]
            self._doubting.discard(waiter)

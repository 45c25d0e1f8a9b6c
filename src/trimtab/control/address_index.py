"""Endpoints by their address, over all slices. A Pod's address says where it runs, whatever service it belongs to."""

from .kubernetes import EndpointSlice, SliceEndpoint


class AddressIndex:
    """Kept along with the slices: what asks for an address must not search them all."""

    def __init__(self) -> None:
        # In how many slices an address is, and the endpoint that was added last.
        self._known: dict[str, tuple[int, SliceEndpoint]] = {}

    def add(self, part: EndpointSlice) -> None:
        """A slice is there."""
        for endpoint in part.endpoints or ():
            count, _ = self._known.get(endpoint.addresses[0], (0, None))
            self._known[endpoint.addresses[0]] = count + 1, endpoint

    def remove(self, part: EndpointSlice) -> None:
        """A slice that was added is gone."""
        for endpoint in part.endpoints or ():
            count, latest = self._known[endpoint.addresses[0]]
            if count == 1:
                del self._known[endpoint.addresses[0]]
            else:
                self._known[endpoint.addresses[0]] = count - 1, latest

    def get(self, address: str) -> SliceEndpoint | None:
        """The endpoint that has an address; None: no slice lists it."""
        return self._known.get(address, (0, None))[1]

    def __len__(self) -> int:
        return len(self._known)

"""What should be served for what a pretended API server holds, written down as plainly as possible."""

import random

from tests.control.kube.fake_store import FakeStore
from tests.control.kube.json_objects import Json, endpoint, endpoint_slice
from trimtab.control.catalog import Catalog

Served = dict[str, set[tuple[str, str]]]
"""Per service: addresses, and how each is."""


def truth(store: FakeStore) -> Served:
    """Walks over everything there is. An endpoint that several slices name is as the newest of them says."""
    expected: Served = {}
    slices = sorted(store.objects["endpointslices"].values(), key=lambda item: int(item["metadata"]["resourceVersion"]))
    for namespace, name in store.objects["services"]:
        pods: dict[str, tuple[str, Json]] = {}
        for item in slices:
            labels = item["metadata"]["labels"]
            if (item["metadata"]["namespace"], labels["kubernetes.io/service-name"]) == (namespace, name):
                for found in item["endpoints"]:
                    pods.pop(found["targetRef"]["uid"], None)
                    pods[found["targetRef"]["uid"]] = (found["addresses"][0], found["conditions"])
        by_address = {address: how for address, how in ((a, _health(c)) for a, c in pods.values()) if how}
        expected[f"{name}.{namespace}:8080"] = set(by_address.items())
    return expected


def _health(conditions: Json) -> str:
    if conditions["ready"]:
        return "healthy"
    return "draining" if conditions["terminating"] and conditions["serving"] else ""


def served(catalog: Catalog) -> Served:
    """What a catalog serves."""
    return {
        str(port.ref): {(found.address, found.health.value) for _, found in port.assignment.endpoints()}
        for port in catalog.service_ports()
    }


STATES = (
    {"ready": True, "serving": True, "terminating": False},
    {"ready": False, "serving": False, "terminating": False},
    {"ready": False, "serving": True, "terminating": True},
    {"ready": False, "serving": False, "terminating": True},
)


def pod(number: int, state: int = 0) -> Json:
    return endpoint(f"10.{number >> 8 & 255}.{number & 255}.1", pod=f"p{number}") | {"conditions": STATES[state]}


class Deployment:
    """A service whose Pods come, go, fall ill and move between slices, as controllers do it. Some Pods stay as they are."""

    def __init__(self, name: str, first_pod: int, rng: random.Random) -> None:
        self.name = name
        self._rng = rng
        self._next = first_pod + 3
        self.steady = [first_pod, first_pod + 1, first_pod + 2]
        self._slices: dict[int, dict[int, int]] = {0: dict.fromkeys(self.steady, 0), 1: {}}

    def slices(self) -> list[Json]:
        return [self._render(index) for index in self._slices]

    def step(self) -> list[Json]:
        """One thing happens; the slices that change, in any order."""
        index = self._rng.choice(list(self._slices))
        pods = self._slices[index]
        others = [number for number in pods if number not in self.steady]
        match self._rng.randrange(4):
            case 0 if len(pods) < 12:
                pods[self._next] = self._rng.randrange(2)
                self._next += 1
            case 1 if others:
                del pods[self._rng.choice(others)]
            case 2 if others:
                pods[self._rng.choice(others)] = self._rng.randrange(len(STATES))
            case _ if pods:
                return self._move(index)
        return [self._render(index)]

    def _move(self, index: int) -> list[Json]:
        number = self._rng.choice(list(self._slices[index]))
        self._slices[1 - index][number] = self._slices[index].pop(number)
        changed = [self._render(0), self._render(1)]
        self._rng.shuffle(changed)
        return changed

    def _render(self, index: int) -> Json:
        pods = [pod(number, state) for number, state in self._slices[index].items()]
        return endpoint_slice(*pods, name=f"{self.name}-{index}", of=self.name)

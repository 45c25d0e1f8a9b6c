"""What would be served from manifests, without serving it: the same catalog, gate and codecs, and no sockets."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import ManifestError, ServiceNotFound
from ..model import ServiceRef
from ..xds.json_form import resource_json
from ..xds.resource import Audience, Resource
from ..xds.resource_type import CLUSTERS, ENDPOINTS, LISTENERS, SHORT_NAMES
from ..xds.version import combined_version
from .catalog import Catalog
from .census import Census
from .endpoints_report import EndpointsReport, endpoints_report
from .gate import Refused, gate
from .manifest_set import ManifestSet
from .manifest_source import is_manifest
from .manifests import Parsed, Problem, parse
from .policy_defaults import PolicyDefaults
from .resource_store import ResourceStore

_TYPE_URLS = {short: type_url for type_url, short in SHORT_NAMES.items()}
TYPES = tuple(SHORT_NAMES[type_url] for type_url in (LISTENERS, CLUSTERS, ENDPOINTS))
"""Short names of what can be translated, in the order in which a client asks for them."""


def read_manifests(path: Path) -> dict[str, Parsed]:
    """The manifests of a folder, or a single one. Raises ManifestError if there is nothing of that name."""
    try:
        files = sorted(filter(is_manifest, path.iterdir())) if path.is_dir() else [path]
        return {file.name: _parse(file.name, file.read_bytes()) for file in files}
    except OSError as error:
        raise ManifestError(f"cannot read {error.filename}: {error.strerror}") from error


def _parse(name: str, data: bytes) -> Parsed:
    try:
        return parse(name, data.decode())
    except UnicodeDecodeError as error:
        return Parsed(problems=(Problem(name, f"not UTF-8 at byte {error.start}"),), unreadable=True)


class Offline:
    """A control plane's state as of one moment that nobody is connected to."""

    def __init__(
        self, files: Mapping[str, Parsed], clients: Mapping[str, int], defaults: PolicyDefaults | None = None
    ) -> None:
        """`clients` says how many clients each service has in each zone; empty: not known."""
        self._manifests = ManifestSet()
        self._catalog = Catalog(defaults=defaults)
        self._census = Census()
        self._store = ResourceStore(self._catalog, self._census)
        changes = self._manifests.update(files)
        self._store.apply(self._catalog.apply(changes.upserts, changes.deletes))
        for name in self.services:
            for zone, count in clients.items():
                for _ in range(count):
                    self._census.joined(name, zone)
        self._census.warm()

    @property
    def services(self) -> Sequence[str]:
        """Every service port, by the name a wildcard subscription gets it by."""
        return sorted(self._store.all_names(CLUSTERS))

    def problems(self) -> Iterator[str]:
        """What cannot be used as it is."""
        yield from map(str, self._manifests.problems)
        yield from self._catalog.problems.values()
        yield from (f"{ref}: {why}" for ref, why in self._store.fallbacks.problems.items())
        for ref, why in self._store.refused.items():
            yield f"{ref}: endpoints refused: {why}"

    def notes(self) -> Iterable[str]:
        """What is used as it is, and maybe not what was meant."""
        return self._catalog.notes.values()

    def repairs(self) -> Iterator[str]:
        """What had to be done to endpoints before they could be published."""
        for port in self._catalog.service_ports():
            verdict = gate(port.assignment)
            yield from () if isinstance(verdict, Refused) else (f"{port.ref}: {repair}" for repair in verdict.repairs)

    def endpoints(self, name: str, namespace: str) -> EndpointsReport:
        """What there is to say about one service port. Raises TargetError, and ServiceNotFound if there is none."""
        port = self._catalog.get(ServiceRef.parse(name).within(namespace).whole)
        if port is None:
            raise ServiceNotFound(self._store.why_missing(name, Audience(namespace=namespace)))
        return endpoints_report(port, "", self._catalog, self._store, self._census, ServiceRef.parse(name).subset)

    def response(self, short_type: str, names: Iterable[str], audience: Audience) -> dict[str, Any]:
        """A DiscoveryResponse in JSON with the resources of these names. Raises ServiceNotFound.

        A service may be without one of a type: Envoys are sent no listener, and who goes by DNS has no endpoints.
        """
        type_url = _TYPE_URLS[short_type]
        found = {name: self._resource(type_url, name, audience) for name in names}
        resources = {name: resource for name, resource in found.items() if resource is not None}
        return {
            "version_info": combined_version((name, resource.version) for name, resource in resources.items()),
            "type_url": type_url,
            "resources": [resource_json(type_url, name, resource.body) for name, resource in resources.items()],
        }

    def _resource(self, type_url: str, name: str, audience: Audience) -> Resource | None:
        if self._store.canonical(name, audience) is None:
            raise ServiceNotFound(self._store.why_missing(name, audience))
        return self._store.get(type_url, name, audience)

"""The options of `trimtab simulate --from-cluster`: a fleet that runs, and the load it has."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import yaml
from cyclopts import Parameter

from ..control.endpoints_report import EndpointsReport
from ..control.inspection import ServiceReport
from ..control.offline import Offline, read_manifests
from ..errors import ScenarioError, ServeError
from ..model import Health
from ..simulate.event import AnyEvent
from ..simulate.export import read
from ..simulate.observed import RunningPod, observed
from ..simulate.own_fleet import Given, RealFleet, scenario_of
from ..simulate.scenario import Scenario
from .admin_client import ask
from .listen_address import ListenAddress


@dataclass(frozen=True, kw_only=True)
class FleetOptions:
    """A fleet that runs, in the place of a scenario."""

    from_cluster: str | None = None
    """Simulate a service that runs: the control plane's admin port, HOST:PORT or a URL, or a folder of manifests."""
    service: str | None = None
    """Which service, by any form of its name: payments.prod:8080, payments.prod. Needed if there is more than one."""
    namespace: str = "default"
    """Where a bare service name is looked up."""
    qps: Path | None = None
    """What was measured of requests per second and pod: CSV, or the answer to a Prometheus range query."""
    latency: Path | None = None
    """The same of the mean latency per pod: a CSV column latency_ms or latency_s, which may be in the same file, or Prometheus's seconds."""
    requests_per_s: float | None = None
    """Of all clients together, in the place of what was measured or beside its course over time."""
    service_time_ms: float | None = None
    """How long a pod works on a request on average, in the place of what was measured."""
    sigma: float = 0.8
    """How unequal requests are: sigma of a lognormal distribution; 0: all alike."""
    concurrency: int | None = None
    """How many requests a pod works on at a time."""
    clients: int | None = None
    """How many client pods there are, in the place of what the control plane counts."""
    workers: int = 1
    """Processes per client pod; each balances for itself."""
    duration_s: float = 60.0
    """How long to simulate. The time that was measured is played in it, faster or slower."""
    event: Annotated[tuple[str, ...], Parameter(negative=())] = ()
    """Something that happens, as in a scenario: '{do: roll, at_s: 10, every_s: 2}'. May be repeated."""
    save: Path | None = None
    """Write the scenario into this file, to be edited and simulated by its name."""

    def scenario(self) -> tuple[str, Scenario]:
        """Its name, and the scenario. Raises ScenarioError, ServeError, TargetError, ManifestError, AdminError or ServiceNotFound."""
        assert self.from_cluster is not None
        self._check()
        fleet = self._fleet(self.from_cluster)
        qps = [] if self.qps is None else read(self.qps, "qps")
        latency = [] if self.latency is None else read(self.latency, "latency")
        given = Given(
            duration_s=self.duration_s,
            requests_per_s=self.requests_per_s,
            service_time_ms=self.service_time_ms,
            sigma=self.sigma,
            concurrency=self.concurrency,
            clients=self.clients,
            workers=self.workers,
            events=tuple(map(_event, self.event)),
        )
        scenario = scenario_of(fleet, observed(fleet.pods, qps, latency), given)
        if self.save is not None:
            _write(scenario, self.save)
        return fleet.service, scenario

    @property
    def given(self) -> list[str]:
        """Options that make sense only with --from-cluster."""
        plain = FleetOptions()
        return [
            "--" + name.replace("_", "-")
            for name in self.__dataclass_fields__
            if name != "from_cluster" and getattr(self, name) != getattr(plain, name)
        ]

    def _check(self) -> None:
        for name in ("requests_per_s", "service_time_ms", "duration_s", "concurrency", "clients", "workers"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ScenarioError(f"--{name.replace('_', '-')}: expected a number above 0, got {value:g}")
        if not 0 <= self.sigma <= 4:
            raise ScenarioError(f"--sigma: expected a number from 0 to 4, got {self.sigma:g}")

    def _fleet(self, source: str) -> RealFleet:
        if Path(source).exists():
            offline = Offline(read_manifests(Path(source)), {})
            service = self._service([name for name in offline.services if ":" in name], source)
            return _real_fleet(offline.endpoints(service, self.namespace), f"manifests in {source}")
        address = _admin(source)
        known = ask(address, "/debug/services", list[ServiceReport], option="--from-cluster")
        service = self._service([one.service for one in known], source)
        query = {"service": service, "zone": "", "namespace": self.namespace}
        report = ask(address, "/debug/endpoints", EndpointsReport, option="--from-cluster", **query)
        return _real_fleet(report, f"the control plane at {address}")

    def _service(self, known: list[str], source: str) -> str:
        if self.service is not None:
            return self.service
        if len(known) == 1:
            return known[0]
        if not known:
            raise ScenarioError(f"--from-cluster: {source} knows no service")
        raise ScenarioError(f"which service? Give --service with one of {', '.join(known)}")


def _admin(source: str) -> ListenAddress:
    bare = source.removeprefix("http://").rstrip("/")
    try:
        return ListenAddress.parse(bare, "--from-cluster")
    except ServeError as error:
        raise ScenarioError(
            f"--from-cluster: {source!r} is neither a file or folder that exists nor the admin port of a control plane, "
            "HOST:PORT or http://HOST:PORT"
        ) from error


def _real_fleet(report: EndpointsReport, source: str) -> RealFleet:
    first = min((group.priority for group in report.localities), default=0)
    pods = [
        RunningPod(
            name=endpoint.pod or endpoint.address, address=endpoint.address, zone=group.zone, weight=endpoint.weight
        )
        for group in report.localities
        if group.priority == first
        for endpoint in group.endpoints
        if endpoint.health == Health.HEALTHY.value
    ]
    return RealFleet(report.service, source, pods, report.clients, report.policy)


def _event(text: str) -> AnyEvent:
    try:
        return msgspec.convert(yaml.safe_load(text), AnyEvent)  # type: ignore[no-any-return]  # a union is no type
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise ScenarioError(f"--event: {text!r}: {error}") from error


def _write(scenario: Scenario, file: Path) -> None:
    plain = msgspec.to_builtins(scenario)
    try:
        file.write_text(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120), "utf-8")
    except OSError as error:
        raise ScenarioError(f"--save: cannot write {file}: {error.strerror}") from error

"""Which source of truth the options of `trimtab serve` mean."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

from ..control.kube.access import AccessSource, Load, in_cluster
from ..control.kube.kinds import ALWAYS, PODS
from ..control.kube.kubeconfig import Kubeconfig, default_files
from ..control.kube.state_dir import StateDir
from ..control.kube.watch_source import Scope, WatchSource
from ..control.kube.withdrawal_guard import GuardSettings
from ..control.manifest_source import ManifestSource
from ..control.source import Source
from ..errors import ManifestError, ServeError

STATE_MAX_AGE_S = 3600.0


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """The options that say where the truth is, as they were given."""

    manifests: Path | None
    kubeconfig: str | None
    context: str | None
    namespaces: tuple[str, ...]
    selector: str
    watch_pods: bool
    state_dir: Path | None
    state_max_age_s: float | None
    withdrawal_share: float | None
    withdrawal_services: int | None
    withdrawal_hold_s: float | None

    def source(self) -> Source:
        """The one source they mean. Raises ServeError, ManifestError or ClusterError."""
        if self.manifests is None:
            return self._cluster()
        self._only_for_a_cluster()
        if self.manifests.is_file():
            raise ManifestError(f"--manifests: {self.manifests} is a file; name the folder that holds it")
        if not self.manifests.is_dir():
            raise ManifestError(f"--manifests: there is no folder {self.manifests}; create it, or name one that exists")
        return ManifestSource(self.manifests)

    def _only_for_a_cluster(self) -> None:
        another_source = "give one source of truth"
        cluster_only = "it is for a cluster, and a folder of manifests is served as it is; leave it out"
        on_disk = "it keeps what an API server said, and manifests are on disk already; leave it out"
        given = {
            "--kubeconfig": (self.kubeconfig, another_source),
            "--context": (self.context, another_source),
            "--namespace": (self.namespaces, cluster_only),
            "--selector": (self.selector, cluster_only),
            "--watch-pods": (self.watch_pods, "Pods in the folder are read anyway; leave it out"),
            "--state-dir": (self.state_dir, on_disk),
            "--state-max-age": (self.state_max_age_s is not None, on_disk),
            "--withdrawal-share": (self.withdrawal_share is not None, cluster_only),
            "--withdrawal-services": (self.withdrawal_services is not None, cluster_only),
            "--withdrawal-hold": (self.withdrawal_hold_s is not None, cluster_only),
        }
        for option, (value, why) in given.items():
            if value:
                raise ServeError(f"--manifests and {option} exclude each other: {why}")

    def _cluster(self) -> Source:
        guard, state_dir = self._guard(), self._state_dir()
        name, load = self._access()
        return WatchSource(
            name,
            AccessSource(load),
            Scope(self.namespaces, self.selector, kinds=(*ALWAYS, PODS) if self.watch_pods else ALWAYS),
            guard=guard,
            state_dir=state_dir,
        )

    def _guard(self) -> GuardSettings:
        default = GuardSettings()
        share = default.share if self.withdrawal_share is None else self.withdrawal_share
        services = default.least_services if self.withdrawal_services is None else self.withdrawal_services
        hold_s = default.second_look_after_s if self.withdrawal_hold_s is None else self.withdrawal_hold_s
        if not 0 < share <= 1:
            raise ServeError(f"--withdrawal-share: expected a number above 0 and up to 1, got {share}")
        if services < 1:
            raise ServeError(f"--withdrawal-services: expected a number of 1 or more, got {services}")
        if not 0 <= hold_s < math.inf:
            raise ServeError(f"--withdrawal-hold: expected a number of seconds, 0 or more, got {hold_s}")
        return GuardSettings(share, least_services=services, second_look_after_s=hold_s)

    def _state_dir(self) -> StateDir | None:
        max_age_s = STATE_MAX_AGE_S if self.state_max_age_s is None else self.state_max_age_s
        if not max_age_s > 0:
            raise ServeError(f"--state-max-age: expected a number of seconds above 0, got {max_age_s}")
        if self.state_dir is not None:
            return StateDir(self.state_dir, max_age_s)
        if self.state_max_age_s is not None:
            raise ServeError("--state-max-age says how old the state in --state-dir may be: give that too")
        return None

    def _access(self) -> tuple[str, Load]:
        # A Pod is in its own cluster, whatever else its environment names.
        elsewhere = bool(os.environ.get("KUBECONFIG")) and "KUBERNETES_SERVICE_HOST" not in os.environ
        if self.kubeconfig is None and self.context is None and not elsewhere:
            return "in-cluster", in_cluster(os.environ)
        files = [Path(part) for part in (self.kubeconfig or "").split(os.pathsep) if part]
        kubeconfig = Kubeconfig(files or default_files(os.environ), self.context)
        kubeconfig.load(False)
        return kubeconfig.name, kubeconfig.load

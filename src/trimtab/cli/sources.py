"""Which source of truth the options of `trimtab serve` mean."""

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
    state_max_age_s: float
    withdrawal_share: float

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
        given = {
            "--kubeconfig": self.kubeconfig,
            "--context": self.context,
            "--namespace": self.namespaces,
            "--selector": self.selector,
            "--watch-pods": self.watch_pods,
            "--state-dir": self.state_dir,
        }
        for option, value in given.items():
            if value:
                raise ServeError(f"--manifests and {option} exclude each other: give one source of truth")

    def _cluster(self) -> Source:
        if not 0 < self.withdrawal_share <= 1:
            raise ServeError(f"--withdrawal-share: expected a number above 0 and up to 1, got {self.withdrawal_share}")
        name, load = self._access()
        state_dir = None if self.state_dir is None else StateDir(self.state_dir, self.state_max_age_s)
        return WatchSource(
            name,
            AccessSource(load),
            Scope(self.namespaces, self.selector, kinds=(*ALWAYS, PODS) if self.watch_pods else ALWAYS),
            guard=GuardSettings(share=self.withdrawal_share),
            state_dir=state_dir,
        )

    def _access(self) -> tuple[str, Load]:
        if self.kubeconfig is None and self.context is None:
            return "in-cluster", in_cluster(os.environ)
        files = [Path(part) for part in (self.kubeconfig or "").split(os.pathsep) if part]
        kubeconfig = Kubeconfig(files or default_files(os.environ), self.context)
        kubeconfig.load(False)
        return kubeconfig.name, kubeconfig.load

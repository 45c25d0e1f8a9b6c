"""`trimtab serve`."""

import math
import sys
from pathlib import Path
from typing import Annotated, NoReturn

from cyclopts import Parameter

from ..control.control_plane import CENSUS_WARM_UP_S, Settings, run
from ..errors import ServeError, TargetError, TrimtabError
from ..model import ServiceRef
from .config import config_file
from .listen_address import ListenAddress
from .logs import Level, configure
from .sources import SourceOptions
from .tls import Tls


def serve(
    *,
    manifests: Path | None = None,
    kubeconfig: str | None = None,
    context: str | None = None,
    namespace: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    selector: str = "",
    watch_pods: Annotated[bool, Parameter(negative="")] = False,
    config: Path | None = None,
    state_dir: Path | None = None,
    state_max_age: float | None = None,
    withdrawal_share: float | None = None,
    withdrawal_services: int | None = None,
    withdrawal_hold: float | None = None,
    listen: str = "127.0.0.1:18000",
    admin: str = "127.0.0.1:8080",
    peers: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    peer_service: str | None = None,
    census_warm_up: float = CENSUS_WARM_UP_S,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    tls_client_ca: Path | None = None,
    log_level: Level = "info",
) -> None:
    """Serve the endpoints of a Kubernetes cluster, or of a folder of its manifests, over xDS.

    Without --manifests, --kubeconfig and --context it serves the cluster in which it runs; outside of a Pod, that of $KUBECONFIG.

    Parameters
    ----------
    manifests
        Folder of YAML or JSON files with Services, EndpointSlices and Nodes. It is watched for changes.
    kubeconfig
        File with access to a cluster, or several separated as in $KUBECONFIG, which is the default outside of a Pod.
    context
        Context of the kubeconfig; its current one by default. Given alone, the files are those that kubectl would read.
    namespace
        Serve this namespace only; may be given several times.
    selector
        Serve only Services with these labels, written as for kubectl.
    watch_pods
        Follow Pods too: for subsets by Pod label, and so that slow start goes by when a Pod said it became ready. It takes a
        permission more, and memory for every Pod.
    config
        File with policy defaults for all services and for those of a namespace. It is taken up anew when it changes.
    state_dir
        Folder for the last known state, to start from while the API server is away.
    state_max_age
        How old that state may be, in seconds; 3600 by default.
    withdrawal_share
        If more than this share of the endpoints of more than this share of the services vanish at once, they are kept until
        a second look confirms it; 0.5 by default. 1 turns this off.
    withdrawal_services
        Of how many services at least that must be true; 2 by default, so that a cluster of one service can scale it to zero.
    withdrawal_hold
        Seconds before the second look; 5 by default.
    listen
        Where xDS clients connect, HOST:PORT. Port 0 takes any that is free.
    admin
        Where /healthz, /readyz, /metrics and /debug are, and `trimtab status` asks, HOST:PORT.
    peers
        Other replicas of this control plane, HOST:PORT each. They tell each other in which zones their clients are, and since when
        endpoints are ready.
    peer_service
        The service whose endpoints are the replicas, in place of a list: `trimtab.trimtab-system:18000`.
    census_warm_up
        Seconds that clients get to connect to a control plane that has just started. Until they are over, clients go by the
        capacity of the zones, or by what other replicas know.
    tls_cert
        PEM file with the certificate of the xDS port; clients then speak TLS. It is taken up anew when it changes.
    tls_key
        PEM file with its private key.
    tls_client_ca
        PEM file with the authorities of clients' certificates: whoever has none from them is refused. Replicas need it to
        trust each other.
    log_level
        What to log, to stderr: people's text on a terminal, JSON anywhere else.
    """
    configure(log_level)
    try:
        xds, http = ListenAddress.parse(listen, "--listen"), ListenAddress.parse(admin, "--admin")
        listed = tuple(str(ListenAddress.parse(peer, "--peers")) for peer in peers)
        service = None if peer_service is None else _in_namespace(peer_service)
        if not 0 <= census_warm_up < math.inf:
            raise ServeError(f"--census-warm-up: expected a number of seconds, 0 or more, got {census_warm_up}")
        source = SourceOptions(
            manifests,
            kubeconfig,
            context,
            namespace,
            selector,
            watch_pods,
            state_dir,
            state_max_age,
            withdrawal_share,
            withdrawal_services,
            withdrawal_hold,
        ).source()
        defaults = None if config is None else config_file(config)
        certificates = Tls(tls_cert, tls_key, tls_client_ca).certificates(replicas=bool(listed or service))
    except TrimtabError as error:
        _fail(error, code=2)
    try:
        run(
            Settings(
                source,
                xds.host,
                xds.port,
                http.host,
                http.port,
                peers=listed,
                peer_service=service,
                census_warm_up_s=census_warm_up,
                certificates=certificates,
                policy_defaults=defaults,
            )
        )
    except TrimtabError as error:
        _fail(error, code=1)


def _in_namespace(peer_service: str) -> ServiceRef:
    ref = ServiceRef.parse(peer_service)
    if ref.namespace is None:
        raise TargetError(f"--peer-service: {peer_service!r} has no namespace; write {ref.name}.NAMESPACE:PORT")
    return ref


def _fail(error: Exception, code: int) -> NoReturn:
    sys.stderr.write(f"trimtab serve: {error}\n")
    raise SystemExit(code)

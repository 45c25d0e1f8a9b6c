"""`trimtab serve`."""

import sys
from pathlib import Path
from typing import NoReturn

from ..control.control_plane import Settings, run
from ..errors import ManifestError, ServeError
from .listen_address import ListenAddress
from .logs import Level, configure


def serve(
    *,
    manifests: Path,
    listen: str = "127.0.0.1:18000",
    admin: str = "127.0.0.1:8080",
    log_level: Level = "info",
) -> None:
    """Serve the endpoints in a folder of Kubernetes manifests over xDS.

    Parameters
    ----------
    manifests
        Folder of YAML or JSON files with Services, EndpointSlices and Nodes. It is watched for changes.
    listen
        Where xDS clients connect, HOST:PORT. Port 0 takes any that is free.
    admin
        Where /healthz, /readyz and /metrics are, HOST:PORT.
    log_level
        What to log, to stderr: people's text on a terminal, JSON anywhere else.
    """
    try:
        xds, http = ListenAddress.parse(listen, "--listen"), ListenAddress.parse(admin, "--admin")
        if not manifests.is_dir():
            raise ManifestError(f"--manifests: there is no folder {manifests}; create it, or name one that exists")
    except (ServeError, ManifestError) as error:
        _fail(error, code=2)
    configure(log_level)
    try:
        run(Settings(manifests, xds.host, xds.port, http.host, http.port))
    except (ServeError, ManifestError) as error:
        _fail(error, code=1)


def _fail(error: Exception, code: int) -> NoReturn:
    sys.stderr.write(f"trimtab serve: {error}\n")
    raise SystemExit(code)

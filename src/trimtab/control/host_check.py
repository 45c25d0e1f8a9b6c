"""Which Host headers the admin port answers to.

A page in somebody's browser may point a name of its own at 127.0.0.1 and read what is there: DNS rebinding. Such a request
carries the attacker's name as its Host; so only hosts that nobody outside can name are answered.
"""

from collections.abc import Callable
from ipaddress import ip_address

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

_CLUSTER_DOMAINS = (".svc", ".svc.cluster.local")
"""Names inside a Kubernetes cluster, by which Prometheus may scrape; no public name ends so."""
_OPEN = frozenset({"/healthz", "/readyz"})
"""Say nothing that is worth a secret, and probes may carry any Host."""


def is_own_host(header: str, listening_on: str) -> bool:
    """Whether a Host header is an address, localhost, a name in the cluster, or the name that was listened on."""
    host = _host(header).lower().removesuffix(".")
    if host in ("", "localhost", listening_on.lower()) or host.endswith(_CLUSTER_DOMAINS):
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def host_check(listening_on: Callable[[], str]) -> Middleware:
    """A middleware that answers 403 to any other host."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        header = request.headers.get("Host", "")
        if request.path not in _OPEN and not is_own_host(header, listening_on()):
            text = (
                f"not served under the name {_host(header)!r}; use an IP address, localhost or a name in the cluster\n"
            )
            return web.Response(status=403, text=text)
        return await handler(request)

    return check


def _host(header: str) -> str:
    """Without port and brackets."""
    if header.startswith("["):
        address, _, rest = header[1:].partition("]")
        return address if not rest or rest.startswith(":") else header
    return header.partition(":")[0]

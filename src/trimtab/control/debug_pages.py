"""`/debug/…` on the admin port: the inspection as JSON, read-only."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from aiohttp import web

from ..errors import ServiceNotFound, TargetError
from .inspection import Inspection

INDEX = {
    "/debug/status": "who is connected, and what is wrong; service= and namespace= for those who follow one",
    "/debug/clients": "who is connected; the same",
    "/debug/services": "every service port",
    "/debug/endpoints": "what clients are told about one, and why; service=, namespace=, and zone= for where they are",
    "/metrics": "for Prometheus",
    "/healthz": "whether the process answers",
    "/readyz": "whether it serves; if not, why",
}


def debug_pages(inspection: Inspection) -> Sequence[web.RouteDef]:
    """The routes that the admin server adds."""
    return (
        *(web.get(path, _page(lambda _: INDEX)) for path in ("/", "/debug", "/debug/")),
        web.get("/debug/status", _page(lambda request: inspection.status(*_service(request)))),
        web.get("/debug/clients", _page(lambda request: inspection.clients(*_service(request)))),
        web.get("/debug/services", _page(lambda _: inspection.services())),
        web.get("/debug/endpoints", _page(lambda request: _endpoints(inspection, request))),
    )


def _endpoints(inspection: Inspection, request: web.Request) -> object:
    service, namespace = _service(request)
    if not service:
        raise TargetError(
            "say which service, such as payments.prod:8080; `trimtab endpoints` alone and /debug/services list them"
        )
    return inspection.endpoints(service, request.query.get("zone", ""), namespace)


def _service(request: web.Request) -> tuple[str, str]:
    """Its name, empty if none was given, and the namespace in which a bare one is looked up."""
    return request.query.get("service", ""), request.query.get("namespace") or "default"


def _page(answer: Callable[[web.Request], object]) -> Any:
    async def handle(request: web.Request) -> web.Response:
        try:
            return _json(answer(request))
        except TargetError as error:
            return _json({"error": str(error)}, status=400)
        except ServiceNotFound as error:
            return _json({"error": str(error)}, status=404)

    return handle


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json", status=status)

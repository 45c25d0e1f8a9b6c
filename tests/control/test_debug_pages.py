"""The inspection over HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.control.objects import endpoint, endpoint_slice, service
from trimtab.control.admin import AdminServer
from trimtab.control.catalog import Catalog
from trimtab.control.census import Census
from trimtab.control.debug_pages import INDEX, debug_pages
from trimtab.control.inspection import Inspection
from trimtab.control.metrics import Metrics
from trimtab.control.resource_store import ResourceStore
from trimtab.control.session import Session
from trimtab.model import ServiceRef
from trimtab.xds.discovery import ClientNode, DiscoveryRequest
from trimtab.xds.resource import Audience
from trimtab.xds.resource_type import ENDPOINTS
from trimtab.xds.sotw import StateOfTheWorld

PAYMENTS = "payments.prod:8080"
_LOCAL: Any = {"internal_traffic_policy": "Local"}


class Inside:
    """A control plane without xDS port or source, and its debug pages."""

    def __init__(self) -> None:
        self.catalog, self.census = Catalog(), Census()
        self.store = ResourceStore(self.catalog, self.census)
        self.sessions: set[Session] = set()
        self.problems: list[str] = []
        self.changed_at = 0.0
        inspection = Inspection(
            self.catalog,
            self.store,
            self.census,
            self.sessions,
            not_ready=lambda: None,
            source_problems=lambda: self.problems,
            last_change_at=lambda: self.changed_at,
        )
        self.server = AdminServer(Metrics(), lambda: None, debug_pages(inspection))
        self.url = ""
        changes = self.catalog.apply([service(), endpoint_slice(endpoint("10.0.0.1"))], ())
        self.store.apply(changes)

    def connect(self, *names: str) -> Session:
        session = Session("ipv4:10.0.0.9:1", StateOfTheWorld(), self.store, self.census, Metrics(), only=None)
        session.receive(DiscoveryRequest(ENDPOINTS, names or (PAYMENTS,), node=ClientNode(id="payer-1")).serialize())
        self.sessions.add(session)
        return session

    async def get(self, path: str, **headers: str) -> tuple[int, Any]:
        async with aiohttp.ClientSession() as http, http.get(self.url + path, headers=headers) as response:
            plain = response.content_type != "application/json"
            return response.status, await (response.text() if plain else response.json())


@pytest.fixture
async def inside() -> AsyncIterator[Inside]:
    running = Inside()
    running.url = f"http://127.0.0.1:{await running.server.start('127.0.0.1', 0)}"
    yield running
    await running.server.stop()


async def test_clients_are_there_while_they_are_connected(inside: Inside) -> None:
    assert await inside.get("/debug/clients") == (200, [])
    session = inside.connect()
    _, (client,) = await inside.get("/debug/clients")
    assert (client["node"], client["types"]["eds"]["state"], client["types"]["eds"]["names"]) == (
        "payer-1",
        "waiting",
        1,
    )
    assert client["types"]["cds"] == {"state": "never asked"}
    inside.sessions.discard(session)
    assert await inside.get("/debug/clients") == (200, [])


async def test_services_are_listed_once_each_with_who_follows_them(inside: Inside) -> None:
    inside.connect()
    _, (found,) = await inside.get("/debug/services")
    assert (found["service"], found["healthy"], found["draining"]) == (PAYMENTS, 1, 0)
    assert (found["zones"], found["clients"]) == ({"": 1}, {"": 1})


async def test_endpoints_are_found_by_any_form_of_the_name(inside: Inside) -> None:
    for query in ("service=payments.prod", "service=payments:grpc&namespace=prod", f"service=xds:///{PAYMENTS}"):
        status, report = await inside.get(f"/debug/endpoints?{query}")
        assert (status, report["service"]) == (200, PAYMENTS)
        assert report["localities"][0]["endpoints"][0]["address"] == "10.0.0.1:9090"


async def test_one_may_ask_about_a_subset_and_who_follows_it(inside: Inside) -> None:
    inside.connect()
    inside.connect(f"{PAYMENTS}/shard=7")
    status, report = await inside.get("/debug/endpoints?service=payments.prod/shard%3D7")
    assert (status, report["service"], report["localities"]) == (200, f"{PAYMENTS}/shard=7", [])
    assert len((await inside.get("/debug/clients?service=payments.prod"))[1]) == 2
    assert len((await inside.get("/debug/clients?service=payments.prod/shard%3D7"))[1]) == 1
    assert (await inside.get("/debug/clients?service=payments.prod/shard%3D8"))[1] == []


async def test_a_service_that_is_not_there_is_not_found_and_a_hint_given(inside: Inside) -> None:
    status, answer = await inside.get("/debug/endpoints?service=paymets.prod")
    assert (status, answer) == (404, {"error": "there is no service paymets in namespace prod"})


async def test_whoever_looks_around_finds_the_pages(inside: Inside) -> None:
    for path in ("/", "/debug", "/debug/"):
        status, index = await inside.get(path)
        assert (status, index) == (200, INDEX)
    for path in INDEX:
        # That one wants to know of which service.
        assert (await inside.get(path))[0] == (400 if path == "/debug/endpoints" else 200)


@pytest.mark.parametrize("query", ["", "?service=", "?service=http://x"])
async def test_a_question_that_makes_no_sense_is_said_to_be_one(inside: Inside, query: str) -> None:
    status, answer = await inside.get(f"/debug/endpoints{query}")
    assert status == 400
    assert answer["error"]


async def test_problems_are_in_the_status(inside: Inside) -> None:
    inside.problems.append("cluster.yaml: not YAML")
    broken = endpoint_slice(endpoint("pay.example"))
    wrong = service(name="orders", policy="strategi: p2c")
    half = endpoint_slice(endpoint("10.0.0.9"), endpoint("pod-9"), name="carts-1", of="carts")
    inside.store.apply(inside.catalog.apply([broken, wrong, service(name="carts"), half], ()))
    _, status = await inside.get("/debug/status")
    problems = status["problems"]
    assert problems["source"] == ["cluster.yaml: not YAML"]
    assert problems["repaired_assignments"] == {"carts.prod:8080": ["dropped pod-9:9090: not an IP address"]}
    assert problems["refused_assignments"][PAYMENTS].startswith("all 1 endpoints are invalid")
    assert "did you mean strategy?" in problems["rejected_policies"]["orders.prod"]


async def test_the_age_of_the_last_change_is_unknown_before_the_first(inside: Inside) -> None:
    assert (await inside.get("/debug/status"))[1]["last_change_age_s"] is None
    inside.changed_at = 1.0
    assert (await inside.get("/debug/status"))[1]["last_change_age_s"] > 1e9


@pytest.mark.parametrize("path", ["/debug/status", "/debug/clients", "/debug/services", "/debug/endpoints", "/metrics"])
async def test_a_foreign_host_is_told_nothing(inside: Inside, path: str) -> None:
    status, text = await inside.get(path, Host="evil.example:8080")
    assert status == 403
    assert "'evil.example'" in text
    assert PAYMENTS not in text


async def test_probes_are_answered_whatever_host_they_name(inside: Inside) -> None:
    assert (await inside.get("/healthz", Host="probe.example"))[0] == 200
    assert (await inside.get("/readyz", Host="probe.example"))[0] == 200


async def test_nothing_can_be_changed(inside: Inside) -> None:
    async with aiohttp.ClientSession() as http:
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            async with http.request(method, f"{inside.url}/debug/status") as response:
                assert response.status == 405


async def test_a_browser_is_told_to_keep_nothing_and_to_load_nothing_from_elsewhere(inside: Inside) -> None:
    async with aiohttp.ClientSession() as http, http.get(f"{inside.url}/debug/status") as response:
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Content-Security-Policy"] == "default-src 'self'"
        assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_look_at_one_service_takes_none_at_what_else_its_clients_follow(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside.store.apply(inside.catalog.apply([service(name="orders"), service(name="local", **_LOCAL)], ()))
    inside.connect(PAYMENTS, "orders.prod", "local.prod:grpc")
    looked_at: list[str] = []
    canonical = inside.store.canonical

    def noted(name: str, audience: Audience) -> ServiceRef | None:
        looked_at.append(name)
        return canonical(name, audience)

    monkeypatch.setattr(inside.store, "canonical", noted)
    _, (client,) = await inside.get("/debug/clients?service=orders.prod")
    assert (client["node"], looked_at) == ("payer-1", ["orders.prod"])
    looked_at.clear()
    _, seen = await inside.get("/debug/status")
    assert (seen["problems"]["unplaced_clients"], looked_at) == ({"local.prod:8080": ["payer-1"]}, ["local.prod:grpc"])

"""docs/operating.md lists the metrics that a running control plane has, in their own words."""

import re
from collections.abc import Iterable
from pathlib import Path

import aiohttp
import pytest
import trustme
from prometheus_client import CollectorRegistry, generate_latest

from tests.certificates import Secret
from tests.cli.serving import serving
from tests.control.test_manifests import SERVICE, SLICE
from tests.control.xds_client import XdsClient
from trimtab.control.certificates import CertificateFiles, Certificates
from trimtab.control.kube.access import Access, AccessSource
from trimtab.control.kube.watch_source import Scope, WatchSource
from trimtab.control.metrics import Metrics
from trimtab.control.policy_defaults_file import PolicyDefaultsFile
from trimtab.control.source import Metric

DOCS = Path(__file__).parents[2] / "docs" / "operating.md"
HEAD = "| metric | type | meaning |\n|---|---|---|\n"


@pytest.fixture
async def exposition(tmp_path: Path) -> str:
    """What Prometheus scrapes from a control plane that has served a client."""
    (tmp_path / "cluster.yaml").write_text(SERVICE + "---" + SLICE)
    with serving(tmp_path) as running:
        async with XdsClient(running.xds, "payments.prod:8080") as client:
            await client.response()
            async with aiohttp.ClientSession() as http, http.get(f"http://{running.admin}/metrics") as response:
                return await response.text()


def rows(exposition: str) -> list[str]:
    """A row for each metric (Prometheus, "Exposition formats")."""
    comments = [line.split(" ", 3)[1:] for line in exposition.splitlines() if line.startswith("# ")]
    meaning = {name: text for kind, name, text in comments if kind == "HELP"}
    types = {name: text for kind, name, text in comments if kind == "TYPE"}
    # When a counter began is kept beside it, and nobody asks for it.
    return [
        f"| `{name}` | {types[name]} | {meaning[name]} |" for name in sorted(meaning) if not name.endswith("_created")
    ]


def scraped(observed: Iterable[Metric]) -> str:
    """What Prometheus would scrape of these."""
    metrics = Metrics()
    # Without those that every control plane has.
    metrics.registry = CollectorRegistry()
    for metric in observed:
        metrics.observe(*metric)
    return generate_latest(metrics.registry).decode()


def test_the_table_of_metrics_is_what_is_there(exposition: str) -> None:
    table = HEAD + "\n".join(rows(exposition)) + "\n"
    assert table in DOCS.read_text(), f"docs/operating.md should have this table:\n\n{table}"


async def test_so_is_the_table_of_what_a_kubernetes_api_adds() -> None:
    def unused(refused: bool) -> Access:
        raise AssertionError("nobody is asked")

    source = WatchSource("here", AccessSource(unused), Scope())
    table = HEAD + "\n".join(rows(scraped(source.metrics()))) + "\n"
    assert table in DOCS.read_text(), f"docs/operating.md should have this table:\n\n{table}"


def test_so_are_the_tables_of_what_options_add(tmp_path: Path) -> None:
    secret = Secret(tmp_path, trustme.CA(), "127.0.0.1")
    parts = (Certificates(CertificateFiles(secret.certificate, secret.key)), PolicyDefaultsFile(tmp_path / "none"))
    for part in parts:
        table = HEAD + "\n".join(rows(scraped(part.metrics()))) + "\n"
        assert table in DOCS.read_text(), f"docs/operating.md should have this table:\n\n{table}"


def test_nothing_is_counted_per_pod_or_client(exposition: str) -> None:
    labels = set(re.findall(r'[{,](\w+)="', exposition))
    assert labels == {"type", "le"}

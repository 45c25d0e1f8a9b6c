"""`trimtab simulate --from-cluster`: a running control plane, a folder of manifests, and exports of what was measured."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import Ended, run
from tests.cli.serving import Serving, serving
from tests.control.test_manifests import SERVICE, SLICE
from tests.ports import HeldPort
from trimtab.demo.manifests import write_manifests
from trimtab.demo.pod import ZONES, Pod

LOAD = ("--requests-per-s", "300", "--service-time-ms", "20", "--duration-s", "2", "--seeds", "1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("fleet")
    pods = [Pod(f"shop-{number}", f"10.0.0.{number}", 9090, ZONES[number % 3]) for number in range(1, 7)]
    write_manifests(folder, pods, policy={"slow_start_s": 5})
    return folder


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Serving]:
    with serving(folder) as control_plane:
        yield control_plane


async def simulate(source: object, *more: str) -> Ended:
    return await run("simulate", "--from-cluster", str(source), *more)


async def test_a_control_plane_is_asked_for_pods_and_policy(running: Serving, folder: Path) -> None:
    by_url = (await simulate(f"http://{running.admin}", *LOAD, "--json")).json
    assert by_url["scenario"] == "shop.demo:50051"
    assert by_url["about"].startswith(f"6 pods, according to the control plane at {running.admin}.")
    assert [contender["name"] for contender in by_url["contenders"]][-2:] == ["p2c", "as configured"]
    assert all(len(contender["runs"][0]["requests_per_pod"]) == 6 for contender in by_url["contenders"])
    by_files = (await simulate(folder, *LOAD, "--service", "shop.demo", "--json")).json
    assert by_files["contenders"] == by_url["contenders"]


async def test_measured_load_and_events_are_played_and_saved(folder: Path, tmp_path: Path) -> None:
    measured = tmp_path / "measured.csv"
    rows = [
        f"{at},shop-{pod},{20 + at / 10},{60 if pod == 1 else 20}" for at in range(0, 300, 30) for pod in range(1, 7)
    ]
    measured.write_text("\n".join(["time,pod,requests_per_s,latency_ms", *rows]))
    saved = tmp_path / "mine.yaml"
    options = ["--qps", str(measured), "--latency", str(measured), "--duration-s", "3", "--seeds", "1", "--json"]
    ended = await simulate(
        folder, *options, "--event", "{do: slow, at_s: 1, first: 1, factor: 4}", "--save", str(saved)
    )
    assert [event["what"] for event in ended.json["events"]][:1] == ["4× slower"]
    assert "300 s of measured load, played in 3 s" in ended.json["about"]
    again = await run("simulate", str(saved), "--seeds", "1", "--json")
    assert again.json["contenders"] == ended.json["contenders"]


async def test_a_prometheus_export_is_read(folder: Path, tmp_path: Path) -> None:
    result = [{"metric": {"pod": f"shop-{pod}"}, "values": [[0, "10"], [15, "30"]]} for pod in range(1, 7)]
    measured = tmp_path / "qps.json"
    measured.write_text(json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}))
    ended = await simulate(
        folder, "--qps", str(measured), "--service-time-ms", "5", "--duration-s", "2", "--seeds", "1"
    )
    assert ended.code == 0, ended.stderr
    assert "120.0 requests per second on average" in " ".join(ended.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--from-cluster", "nowhere"), 2, "'nowhere' is neither a file or folder that exists nor the admin port"),
        (("--from-cluster", "FOLDER"), 2, "how much load? Give --requests-per-s, or --qps"),
        (("--from-cluster", "FOLDER", "--service", "web.prod"), 1, "there is no service"),
        (("--from-cluster", "FOLDER", *LOAD, "--event", "{do: dance}"), 2, "--event: '{do: dance}': "),
        (("--from-cluster", "FOLDER", *LOAD, "--event", "{do: slow, at_s: 1}"), 2, "missing required field `factor`"),
        (("--from-cluster", "FOLDER", *LOAD, "--workers", "0"), 2, "--workers: expected a number above 0, got 0"),
        (("--from-cluster", "FOLDER", *LOAD, "--qps", "no.csv"), 2, "no.csv: cannot be read: No such file"),
        (("--from-cluster", "FOLDER", *LOAD, "--save", "/nowhere/x.yaml"), 2, "--save: cannot write /nowhere/x.yaml"),
        (("slow-pod", "--from-cluster", "FOLDER"), 2, "--from-cluster and slow-pod: which of them?"),
        (("slow-pod", "--clients", "3"), 2, "--clients: only together with --from-cluster"),
    ],
)
async def test_a_mistake_is_said_in_a_line(folder: Path, arguments: tuple[str, ...], code: int, message: str) -> None:
    ended = await run("simulate", *(str(folder) if argument == "FOLDER" else argument for argument in arguments))
    assert ended.code == code, ended.stderr
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


async def test_with_several_services_one_has_to_be_named(tmp_path: Path) -> None:
    (tmp_path / "cluster.yaml").write_text(f"{SERVICE}---{SLICE}---{SERVICE.replace('payments', 'orders')}")
    ended = await simulate(tmp_path, *LOAD)
    assert ended.code == 2
    assert "which service? Give --service with one of orders.prod:8080, payments.prod:8080" in ended.stderr


async def test_a_control_plane_that_does_not_answer_is_said_in_a_line() -> None:
    with HeldPort() as unused:
        address = unused.address
        ended = await run("simulate", "--from-cluster", address, *LOAD)
    assert ended.code == 1
    assert f"no control plane answers at {address}: Connection refused; " in ended.stderr
    assert "--from-cluster says where to ask" in ended.stderr
    assert ended.stderr.count("\n") == 1

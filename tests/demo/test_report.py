from io import StringIO

from rich.console import Console

from trimtab.demo.report import bars, json_report, table

from .outcomes import outcome


def printed(*outcomes_of_one_scenario: object) -> str:
    console = Console(file=StringIO(), width=160)
    console.print(*outcomes_of_one_scenario)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_the_json_object_has_the_promised_shape() -> None:
    report = json_report(3, [[outcome(received=(20, 10, 10, 0), codes={"OK": 38, "UNAVAILABLE": 2})]])
    assert report == {
        "seed": 3,
        "scenarios": [
            {
                "name": "steady",
                "contenders": [
                    {
                        "name": "trimtab",
                        "requests": 40,
                        "errors": 2,
                        "per_endpoint": {
                            "127.0.0.2:50051": 20,
                            "127.0.0.3:50051": 10,
                            "127.0.0.4:50051": 10,
                            "127.0.0.5:50051": 0,
                        },
                        "max_over_mean": 2.0,
                        "p50_ms": 100.0,
                        "p90_ms": 100.0,
                        "p99_ms": 100.0,
                        "new_endpoint_first_request_s": None,
                    }
                ],
            }
        ],
    }


def test_a_bar_is_as_high_as_its_pods_share_of_the_tallest() -> None:
    assert bars([0, 1, 50, 100], tallest=100) == "·▁▅█"


def test_the_table_tells_when_the_new_pods_served_or_that_they_never_did() -> None:
    never, soon = (
        outcome("kube-proxy", scenario="scale-up"),
        outcome(scenario="scale-up", new_endpoint_first_request_s=0.25),
    )
    text = printed(table([never, soon]))
    assert "never" in text
    assert "0.25 s" in text


def test_the_table_shows_both_halves_only_where_something_happens_between_them() -> None:
    assert "p99 before" in printed(table([outcome(scenario="slow-pod")]))
    assert "p99 before" not in printed(table([outcome(scenario="steady")]))


def test_the_table_names_the_codes_of_failed_requests() -> None:
    assert "2 UNAVAILABLE" in printed(table([outcome(codes={"OK": 1, "UNAVAILABLE": 2})]))


def test_where_pods_are_replaced_both_halves_are_reported() -> None:
    roll = outcome("warm-up+slow-start", scenario="cold-start", latency_after_s=0.15, replaced=4)
    [entry] = json_report(1, [[roll]])["scenarios"][0]["contenders"]
    assert (entry["p99_before_ms"], entry["p99_during_ms"]) == (100.0, 150.0)


def test_how_many_pods_were_replaced_is_said_beside_how_many_there_are() -> None:
    roll = outcome("warm-up+slow-start", scenario="cold-start", replaced=3)
    [entry] = json_report(1, [[roll]])["scenarios"][0]["contenders"]
    assert (entry["replaced"], entry["to_replace"]) == (3, 4)
    assert "3 of 4" in printed(table([roll]))

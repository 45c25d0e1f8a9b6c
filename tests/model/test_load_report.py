import pytest

from trimtab.model import LoadReport


def test_the_weight_is_throughput_over_utilisation() -> None:
    assert LoadReport(application_utilization=0.5, requests_per_s=100).weight() == 200


def test_errors_count_as_utilisation() -> None:
    report = LoadReport(application_utilization=0.5, requests_per_s=100, errors_per_s=50)
    assert report.weight() == 100
    assert report.weight(error_penalty=0) == 200


def test_cpu_is_what_counts_when_the_application_says_nothing() -> None:
    assert LoadReport(cpu_utilization=0.5, requests_per_s=100).weight() == 200
    assert LoadReport(application_utilization=1.0, cpu_utilization=0.5, requests_per_s=100).weight() == 100


@pytest.mark.parametrize(
    "report",
    [
        LoadReport(),
        LoadReport(application_utilization=0.5),
        LoadReport(requests_per_s=100),
        LoadReport(application_utilization=-1, requests_per_s=100),
        LoadReport(application_utilization=float("nan"), requests_per_s=100),
        LoadReport(application_utilization=0.5, requests_per_s=float("inf")),
    ],
)
def test_a_report_that_says_too_little_gives_no_weight(report: LoadReport) -> None:
    assert report.weight() is None

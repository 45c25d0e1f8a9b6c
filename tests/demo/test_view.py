from io import StringIO

from rich.console import Console

from trimtab.demo.client_plan import Sample
from trimtab.demo.scenario import Scenario
from trimtab.demo.view import PlainView, Progress, picture

from .outcomes import outcome


def progress(elapsed_s: float) -> Progress:
    samples = [Sample(0.0, 0.120, "OK", 0.0)]
    return Progress(
        Scenario.named("slow-pod", 2), "trimtab", elapsed_s, 8.0, {"127.0.0.2:5": 3, "127.0.0.3:5": 9}, samples
    )


def test_the_phase_follows_the_clock() -> None:
    assert progress(-0.5).phase == "warming up"
    assert progress(1.0).phase == "1 of 8 s"
    assert progress(5.0).phase == "5 of 8 s · one pod becomes 5× slower"
    assert progress(9.0).phase == "waiting for the last answers"


def test_the_picture_shows_every_pod_its_requests_and_the_latency_so_far() -> None:
    out = StringIO()
    Console(file=out, width=100).print(picture(progress(1.0)))
    for part in ("trimtab", "127.0.0.2:5", "127.0.0.3:5", "9", "p99 120 ms"):
        assert part in out.getvalue()


def test_without_a_terminal_there_is_a_line_at_the_end_of_each_contender() -> None:
    out = StringIO()
    view = PlainView(Console(file=out, width=100))
    view.end(outcome())
    assert out.getvalue() == "steady: trimtab: 40 requests, 0 errors, p99 100 ms\n"

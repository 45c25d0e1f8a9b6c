"""Load reports against the real messages."""

import pytest

from tests.xds.envoy_messages import orca_load_report_pb2, orca_pb2
from trimtab.errors import ProtocolError
from trimtab.model import LoadReport
from trimtab.xds.orca import (
    ORCA_SERVICE,
    decode_load_report,
    encode_load_report,
    parse_report_interval_s,
)

REPORT = LoadReport(0.5, 0.25, 0.75, 120.5, 1.5, {"gpu": 0.9}, {"tokens": 700}, {"queue_depth": 3})


def test_a_report_is_the_real_message() -> None:
    real = orca_load_report_pb2.OrcaLoadReport.FromString(encode_load_report(REPORT))
    assert (real.application_utilization, real.cpu_utilization, real.mem_utilization) == (0.5, 0.25, 0.75)
    assert (real.rps_fractional, real.eps) == (120.5, 1.5)
    assert dict(real.utilization) == {"gpu": 0.9}
    assert dict(real.request_cost) == {"tokens": 700}
    assert dict(real.named_metrics) == {"queue_depth": 3}
    assert decode_load_report(real.SerializeToString()) == REPORT


def test_the_real_request_for_reports_is_read() -> None:
    real = orca_pb2.OrcaLoadReportRequest()
    real.report_interval.FromMilliseconds(2500)
    assert parse_report_interval_s(real.SerializeToString()) == 2.5
    assert parse_report_interval_s(b"") == 0.0
    assert orca_pb2.DESCRIPTOR.services_by_name["OpenRcaService"].full_name == ORCA_SERVICE


def test_garbage_is_a_protocol_error() -> None:
    for decode in (decode_load_report, parse_report_interval_s):
        with pytest.raises(ProtocolError):
            decode(b"\xff\xff")

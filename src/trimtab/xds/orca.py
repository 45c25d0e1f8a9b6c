"""Load reports on the wire: Open Request Cost Aggregation (gRFC A51)."""

from collections.abc import Mapping

from ..model import LoadReport
from . import messages
from .discovery import parse

ORCA_SERVICE = "xds.service.orca.v3.OpenRcaService"
TRAILER = "endpoint-load-metrics-bin"
"""The trailing metadata that carries a call's report (gRFC A51)."""
VISIBLE_TRAILER = "trimtab-load-bin"
"""The same report where Python can read it: gRPC's core keeps TRAILER from applications. Sent to those who ask."""
ASK = ("trimtab-load", "1")
"""The request metadata that asks for VISIBLE_TRAILER."""


def encode_load_report(report: LoadReport) -> bytes:
    """An OrcaLoadReport."""
    message = messages.OrcaLoadReport(
        application_utilization=report.application_utilization,
        cpu_utilization=report.cpu_utilization,
        mem_utilization=report.memory_utilization,
        rps_fractional=report.requests_per_s,
        eps=report.errors_per_s,
        utilization=report.utilization,
        request_cost=report.request_cost,
        named_metrics=report.named_metrics,
    )
    return bytes(message.SerializeToString())


def decode_load_report(data: bytes) -> LoadReport:
    """The report in an OrcaLoadReport. Raises ProtocolError."""
    message = parse(messages.OrcaLoadReport, data)
    return LoadReport(
        application_utilization=message.application_utilization,
        cpu_utilization=message.cpu_utilization,
        memory_utilization=message.mem_utilization,
        requests_per_s=message.rps_fractional,
        errors_per_s=message.eps,
        utilization=_numbers(message.utilization),
        request_cost=_numbers(message.request_cost),
        named_metrics=_numbers(message.named_metrics),
    )


def _numbers(field: Mapping[str, float]) -> Mapping[str, float]:
    return dict(field)


def parse_report_interval_s(data: bytes) -> float:
    """How often an OrcaLoadReportRequest asks for a report; 0: it leaves that to the server. Raises ProtocolError."""
    interval = parse(messages.OrcaLoadReportRequest, data).report_interval
    return max(0.0, float(interval.seconds) + float(interval.nanos) / 1e9)

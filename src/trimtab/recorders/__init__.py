"""Recorders for metrics libraries: `trimtab.recorders.prometheus` and `trimtab.recorders.opentelemetry`.

Names are gRPC's where the meaning is the same (gRFC A66), ours for the rest. No label names a pod: their number has no bound.
"""

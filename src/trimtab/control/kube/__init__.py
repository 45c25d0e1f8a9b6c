"""Kubernetes as the source of truth: list and watch, what to make of losing it, and what to keep for a bad day."""

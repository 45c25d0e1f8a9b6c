"""What is terminating and still serves, where nothing else is ready."""

from dataclasses import replace

from ..model import Assignment, Health, LocalityEndpoints


def last_resort(assignment: Assignment) -> Assignment:
    """The assignment; if none of its endpoints is healthy, with those that are draining as if they were.

    kube-proxy falls back to them too (KEP-1669). gRPC passes over DRAINING, whatever else there is (gRFC A27), and would have
    nowhere to go.
    """
    states = {endpoint.health for _, endpoint in assignment.endpoints()}
    if Health.HEALTHY in states or Health.DRAINING not in states:
        return assignment
    return replace(assignment, localities=tuple(map(_promoted, assignment.localities)))


def _promoted(group: LocalityEndpoints) -> LocalityEndpoints:
    draining = [endpoint.health is Health.DRAINING for endpoint in group.endpoints]
    endpoints = tuple(
        replace(endpoint, health=Health.HEALTHY) if serves else endpoint
        for endpoint, serves in zip(group.endpoints, draining, strict=True)
    )
    return replace(group, endpoints=endpoints, weight=max(1, sum(draining)))

"""Type URLs and method names of xDS v3."""

_PREFIX = "type.googleapis.com/"

CLUSTERS = _PREFIX + "envoy.config.cluster.v3.Cluster"
ENDPOINTS = _PREFIX + "envoy.config.endpoint.v3.ClusterLoadAssignment"
LISTENERS = _PREFIX + "envoy.config.listener.v3.Listener"
CENSUS = _PREFIX + "trimtab.control.v1.ServiceCensus"
"""What replicas of the control plane tell each other of their clients."""
READINESS = _PREFIX + "trimtab.control.v1.ServiceReadiness"
"""What replicas of the control plane tell each other of since when endpoints are ready."""
SEATS = _PREFIX + "trimtab.control.v1.Seat"
"""What Trimtab's clients are told of their place among the clients of a service."""

PUSH_ORDER = (CLUSTERS, ENDPOINTS, LISTENERS)
"""What refers to others goes after what it refers to (xDS "Eventual consistency considerations")."""

COMPLETE_STATE = frozenset({CLUSTERS, LISTENERS})
"""Types of which a state-of-the-world response holds all that is subscribed, and absence means removal."""

WILDCARD = "*"

SHORT_NAMES = {
    CLUSTERS: "cds",
    ENDPOINTS: "eds",
    LISTENERS: "lds",
    CENSUS: "census",
    READINESS: "readiness",
    SEATS: "seats",
}
"""What people call them, in metrics and tables."""

ADS_SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"
STREAM_AGGREGATED_RESOURCES = "StreamAggregatedResources"
DELTA_AGGREGATED_RESOURCES = "DeltaAggregatedResources"

EDS_SERVICE = "envoy.service.endpoint.v3.EndpointDiscoveryService"
STREAM_ENDPOINTS = "StreamEndpoints"
DELTA_ENDPOINTS = "DeltaEndpoints"

"""Type URLs and method names of xDS v3."""

ENDPOINTS = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"

ADS_SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"
STREAM_AGGREGATED_RESOURCES = "StreamAggregatedResources"

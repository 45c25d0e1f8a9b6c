"""`trimtab demo`: what balancing per connection and per request do to the same load, on real gRPC between real processes.

Pods are processes with a few workers and a queue each, clients are spread over a few processes, and the control plane is
`trimtab serve` over a folder of manifests. Every contender gets the same requests at the same moments.
"""

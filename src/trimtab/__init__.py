"""Client-side load balancing for Kubernetes."""

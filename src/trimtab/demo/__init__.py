"""The demonstration: the same load through kube-proxy's connection pinning, round robin and Trimtab, on real processes."""

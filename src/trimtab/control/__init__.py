"""The control plane: sources ▸ catalog ▸ resources ▸ streams ▸ server; admin and metrics beside them."""

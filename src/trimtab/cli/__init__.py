"""The commands, thin."""

import sys
from importlib import metadata

MISSING = "the trimtab command needs more than the client library: pip install 'trimtab[control]'"

_COMMANDS = {
    "serve": ("serve:serve", "Serve a cluster's endpoints over xDS: the control plane."),
    "status": ("status:status", "Show who is connected to a control plane, and what is wrong."),
    "endpoints": ("endpoints:endpoints", "Show which endpoints of a service clients are told about, and why."),
    "translate": ("translate:translate", "Print the xDS that would be served from manifests."),
    "bootstrap": ("bootstrap:app", "Print the bootstrap of stock gRPC or of Envoy."),
    "demo": ("demo:demo", "Show on this machine what balancing per request changes."),
    "simulate": ("simulate:simulate", "Play a scenario in virtual time."),
}


def main() -> None:
    """Run the command line; exits with 0 for success, 1 for a failure while running, 2 for a mistake in the call."""
    try:
        from cyclopts import App
    except ImportError:
        sys.exit(MISSING)
    app = App(
        name="trimtab",
        help="Client-side load balancing for Kubernetes.",
        version=metadata.version("trimtab"),
    )
    # By name, so that `--help` does not import a control plane.
    for name, (command, what) in _COMMANDS.items():
        app.command(f"trimtab.cli.{command}", name=name, help=what)
    app()

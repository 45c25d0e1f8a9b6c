"""The commands, thin."""

import sys
from importlib import metadata

MISSING = "the trimtab command needs more than the client library: pip install 'trimtab[control]'"


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
    app.command("trimtab.cli.serve:serve", name="serve")
    app.command("trimtab.cli.status:status", name="status")
    app.command("trimtab.cli.endpoints:endpoints", name="endpoints")
    app.command("trimtab.cli.translate:translate", name="translate")
    app.command("trimtab.cli.demo:demo", name="demo")
    app.command("trimtab.cli.simulate:simulate", name="simulate")
    app.command("trimtab.cli.bootstrap:app", name="bootstrap")
    app()

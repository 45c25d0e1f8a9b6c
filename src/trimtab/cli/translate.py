"""`trimtab translate`."""

import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import structlog
from cyclopts import Parameter
from rich.console import Console

from ..control.offline import TYPES, Offline, read_manifests
from ..errors import ManifestError, ServeError, ServiceNotFound
from ..xds.dialect import Dialect
from ..xds.resource import Audience
from .config import config_file
from .output import fail


def translate(
    *services: str,
    file: Annotated[Path | None, Parameter(name=["--file", "-f", "--manifests"], show_default=False)] = None,
    config: Path | None = None,
    types: Annotated[tuple[Literal["lds", "cds", "eds"], ...], Parameter(name="--type", negative=())] = (),
    client: Literal["grpc", "envoy"] = "grpc",
    zone: str = "",
    clients_in: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    namespace: str = "default",
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> None:
    """Print the xDS that would be served from manifests, without serving it: for each type a DiscoveryResponse in JSON.

    Exits with 1 if anything in the manifests cannot be used; the rest is printed all the same.

    Parameters
    ----------
    services
        Only these, by any form of their names; without any, all there are.
    file
        Folder of manifests, or a single one; /dev/stdin reads what is piped in. It has to be given.
    config
        File with policy defaults, as `trimtab serve` takes it.
    types
        Only resources of this type; may be repeated.
    client
        For which kind of client: the kinds want their clusters written differently.
    zone
        For clients of this zone; without it, for those whose zone is unknown.
    clients_in
        How many clients there are in a zone, as ZONE=COUNT; may be repeated. Without it zones weigh what they can take.
    namespace
        Where a bare service name is looked up.
    as_json
        Print in one line.
    """
    # What goes wrong is said below, once.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        defaults = None if config is None else config_file(config)
        census = dict(map(_zone_count, clients_in))
        offline = Offline(
            read_manifests(_given(file, services)), census, None if defaults is None else defaults.defaults
        )
    except (ManifestError, ServeError, ValueError) as error:
        fail("translate", error, code=2)
    audience = Audience(namespace, Dialect(client), zone)
    names = services or tuple(offline.services)
    try:
        responses = {short: offline.response(short, names, audience) for short in types or TYPES}
    except ServiceNotFound as error:
        fail("translate", error, code=1)
    _print(json.dumps(responses, indent=None if as_json else 2))
    sys.exit(_complain([*([defaults.problem] if defaults and defaults.problem else []), *offline.problems()], offline))


def _given(file: Path | None, services: Sequence[str]) -> Path:
    """The manifests. Raises ManifestError if none are given."""
    if file is not None:
        return file
    for name in services:
        if Path(name).exists():
            raise ManifestError(f"{name} is a file or folder, not a service; name it with -f {name}")
    raise ManifestError("name a folder of manifests, or a file, with -f")


def _zone_count(text: str) -> tuple[str, int]:
    zone, equals, count = text.rpartition("=")
    if not equals or not zone or not (count.isascii() and count.isdigit()):
        raise ValueError(f"--clients-in: expected ZONE=COUNT such as eu-a=12, got {text!r}")
    return zone, int(count)


def _print(text: str) -> None:
    console = Console()
    if console.is_terminal:
        console.print_json(text, indent=2)
    else:
        sys.stdout.write(text + "\n")


def _complain(problems: Sequence[str], offline: Offline) -> int:
    for repair in offline.repairs():
        sys.stderr.write(f"trimtab translate: repaired: {repair}\n")
    for note in offline.notes():
        sys.stderr.write(f"trimtab translate: note: {note}\n")
    for problem in problems:
        sys.stderr.write(f"trimtab translate: {problem}\n")
    return 1 if problems else 0

"""Whether, where and for how long what the control plane said is kept on disk. Nothing is kept unless somebody asks for it."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import BootstrapError

FOLDER_VARIABLE = "TRIMTAB_STATE_DIR"
MAX_AGE_VARIABLE = "TRIMTAB_STATE_MAX_AGE_S"
MAX_AGE_S = 3600.0
"""Addresses of Pods are reused: what was true yesterday may be somebody else's today."""


@dataclass(frozen=True, slots=True)
class Keep:
    """A folder that outlives this process, and how old what is in it may be to be of use."""

    folder: str
    max_age_s: float = MAX_AGE_S


def keep_from(document: object, where: str, environ: Mapping[str, str]) -> Keep | None:
    """What the bootstrap's field `trimtab` says, else the environment; None: keep nothing. Raises BootstrapError."""
    if document is None:
        folder, age, where = environ.get(FOLDER_VARIABLE), environ.get(MAX_AGE_VARIABLE), MAX_AGE_VARIABLE
    elif isinstance(document, Mapping):
        folder, age, where = document.get("state_dir"), document.get("state_max_age_s"), f"{where}.state_max_age_s"
    else:
        raise BootstrapError(f"{where}: expected a JSON object, got {document!r}")
    if not folder:
        return None
    if not isinstance(folder, str):
        raise BootstrapError(f"{where}.state_dir: expected the name of a folder, got {folder!r}")
    return Keep(folder, MAX_AGE_S if age is None else _seconds(age, where))


def _seconds(value: object, where: str) -> float:
    try:
        seconds = float(value) if isinstance(value, str | int | float) else 0.0
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise BootstrapError(f"{where}: expected a number of seconds above 0, got {value!r}")
    return seconds

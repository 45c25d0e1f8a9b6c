"""The file behind --config."""

from pathlib import Path

from ..control.policy_defaults_file import PolicyDefaultsFile
from ..errors import ServeError


def config_file(path: Path) -> PolicyDefaultsFile:
    """The file, to be followed. Raises ServeError if there is none; a mistake inside is said and keeps nobody from serving."""
    if not path.is_file():
        raise ServeError(f"--config: there is no file {path}; create it, or name one that exists")
    return PolicyDefaultsFile(path)

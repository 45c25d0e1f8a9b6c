"""`docs/clients.md` names tests that are there."""

import re

from tests.e2e.process import ROOT

_NAME = re.compile(r"`([a-z0-9]+(?:_[a-z0-9]+){2,})`")
_FILE = re.compile(r"`((?:tests/\w+/)?test_\w+\.py)`")


def test_every_test_in_the_matrix_exists() -> None:
    page = (ROOT / "docs" / "clients.md").read_text()
    files = {ROOT / (name if "/" in name else f"tests/e2e/{name}") for name in _FILE.findall(page)}
    source = "".join(file.read_text() for file in files)
    names = set(_NAME.findall(page))
    assert len(names) > 10
    assert not {name for name in names if f"def test_{name}(" not in source}

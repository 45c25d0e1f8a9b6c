import logging
import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trimtab.client.assignment_store import AssignmentStore, Kept, read_kept
from trimtab.client.bootstrap import Bootstrap
from trimtab.client.keep import Keep, keep_from
from trimtab.errors import BootstrapError

NAME = "shop.prod:8080"
SERVERS = [{"server_uri": "127.0.0.1:18000", "channel_creds": [{"type": "insecure"}]}]


def bootstrap(**node: object) -> Bootstrap:
    document: dict[str, object] = {"xds_servers": SERVERS, "node": dict[str, object](id="n", **node)}
    return Bootstrap.parse(document, "test", {})


def store(folder: Path, max_age_s: float = 3600.0, **node: object) -> AssignmentStore:
    return AssignmentStore(Keep(str(folder), max_age_s), bootstrap(**node))


def kept(age_s: float = 0.0, assignment: bytes = b"endpoints\n") -> Kept:
    return Kept(time.time() - age_s, "v1", assignment, b"policy")


def only(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def test_what_was_saved_last_is_loaded(tmp_path: Path) -> None:
    first, last = kept(), kept(assignment=b"other")
    store(tmp_path).save(NAME, first)
    store(tmp_path).save(NAME, last)
    assert store(tmp_path).load(NAME) == last
    assert only(tmp_path).stat().st_mode & 0o077 == 0


def test_services_and_places_are_kept_apart(tmp_path: Path) -> None:
    store(tmp_path).save(NAME, kept())
    assert store(tmp_path).load("shop.prod") is None
    assert store(tmp_path, metadata={"NAMESPACE": "lab"}).load(NAME) is None
    assert store(tmp_path, locality={"zone": "a"}).load(NAME) is None


def test_what_is_forgotten_is_gone(tmp_path: Path) -> None:
    store(tmp_path).save(NAME, kept())
    store(tmp_path).forget(NAME)
    store(tmp_path).forget(NAME)
    assert store(tmp_path).load(NAME) is None


@pytest.mark.parametrize("age_s", [61.0, -3600.0])
def test_what_is_too_old_or_from_the_future_is_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, age_s: float
) -> None:
    store(tmp_path).save(NAME, kept(age_s))
    with caplog.at_level(logging.WARNING):
        assert store(tmp_path, max_age_s=60.0).load(NAME) is None
    assert "at most 60 s are allowed" in caplog.text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(place=st.integers(0, 10_000), flip=st.integers(1, 255), cut=st.booleans())
def test_a_damaged_file_is_never_used(tmp_path: Path, place: int, flip: int, cut: bool) -> None:
    intact = kept()
    store(tmp_path).save(NAME, intact)
    path = only(tmp_path)
    data = bytearray(path.read_bytes())
    place %= len(data)
    if cut:
        del data[place:]
    else:
        data[place] ^= flip
    path.write_bytes(data)
    assert store(tmp_path).load(NAME) is None


def test_a_format_to_come_is_not_guessed_at(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store(tmp_path).save(NAME, kept())
    path = only(tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"format":1', b'"format":2'))
    assert store(tmp_path).load(NAME) is None
    assert "it has format 2, expected 1" in caplog.text


def test_what_nobody_will_use_is_swept_away(tmp_path: Path) -> None:
    swept = store(tmp_path)
    swept.save("old.prod", kept())
    old, draft, strange = only(tmp_path), tmp_path / ".draft.x", tmp_path / "strange"
    for path in (draft, strange):
        path.write_text("")
    swept.save(NAME, kept())
    for path in (old, draft, strange):
        os.utime(path, (0, 0))
    swept.sweep()
    assert not old.exists()
    assert not draft.exists()
    assert strange.exists()
    assert swept.load(NAME) is not None


def test_what_is_no_resource_is_not_used() -> None:
    assert read_kept(kept(assignment=b"\xff\xff"), "") == ()


def test_a_folder_that_cannot_be_written_to_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    broken = store(tmp_path / "file")
    with caplog.at_level(logging.WARNING):
        broken.save(NAME, kept())
        broken.save(NAME, kept())
    assert caplog.text.count("what the control plane says cannot be kept") == 1


def test_where_to_keep_it_is_said_in_the_environment_or_the_bootstrap() -> None:
    environ = {"TRIMTAB_STATE_DIR": "/var/cache/a", "TRIMTAB_STATE_MAX_AGE_S": "60"}
    assert Bootstrap.of_address("127.0.0.1:18000", "test", environ).keep == Keep("/var/cache/a", 60.0)
    written = {"xds_servers": SERVERS, "trimtab": {"state_dir": "/var/cache/b"}}
    assert Bootstrap.parse(written, "test", environ).keep == Keep("/var/cache/b", 3600.0)
    assert bootstrap().keep is None


@pytest.mark.parametrize(
    ("document", "environ", "says"),
    [
        ("x", {}, "where: expected a JSON object, got 'x'"),
        ({"state_dir": 7}, {}, "state_dir: expected the name of a folder, got 7"),
        (
            {"state_dir": "x", "state_max_age_s": -1},
            {},
            "state_max_age_s: expected a number of seconds above 0, got -1",
        ),
        (
            None,
            {"TRIMTAB_STATE_DIR": "x", "TRIMTAB_STATE_MAX_AGE_S": "1h"},
            "TRIMTAB_STATE_MAX_AGE_S: expected a number",
        ),
    ],
)
def test_a_mistake_about_it_is_named(document: object, environ: dict[str, str], says: str) -> None:
    with pytest.raises(BootstrapError) as caught:
        keep_from(document, "where", environ)
    assert says in str(caught.value)

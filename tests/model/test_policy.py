import pytest

from trimtab.errors import PolicyError
from trimtab.model import Policy


def test_the_default_is_power_of_two_choices_over_a_hundred_connections() -> None:
    assert Policy() == Policy(strategy="p2c", max_connections=100)


@pytest.mark.parametrize(
    ("fields", "field"), [({"strategy": ""}, "policy.strategy"), ({"max_connections": 0}, "policy.max_connections")]
)
def test_a_field_out_of_range_is_refused_by_name(fields: dict[str, object], field: str) -> None:
    with pytest.raises(PolicyError, match=field):
        Policy(**fields)  # type: ignore[arg-type]

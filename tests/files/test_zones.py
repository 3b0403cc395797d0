"""Zones by name, and what to write instead of a wrong one."""

from zoneinfo import ZoneInfo

import pytest

from tokens_forge.core.errors import ConfigError
from tokens_forge.files.zones import zone


def test_a_zone_has_its_name() -> None:
    """An IANA name gives that zone."""
    assert ZoneInfo("Europe/Berlin") == zone("Europe/Berlin")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Berlin", "`Berlin` is no time zone. Did you mean `Europe/Berlin`?"),
        ("New York", "`New York` is no time zone. Did you mean `America/New_York`?"),
        ("europe/berlin", "`europe/berlin` is no time zone. Did you mean `Europe/Berlin`?"),
        ("Europe", "`Europe` is no time zone. Write one such as `Europe/Berlin` or `UTC`."),
        ("../etc/passwd", "`../etc/passwd` is no time zone. Write one such as `Europe/Berlin` or `UTC`."),
        ("/etc/passwd", "`/etc/passwd` is no time zone. Write one such as `Europe/Berlin` or `UTC`."),
        ("", "`` is no time zone. Write one such as `Europe/Berlin` or `UTC`."),
    ],
)
def test_a_wrong_name_gets_the_nearest(name: str, expected: str) -> None:
    """A city alone, a folder of the database, or a path: each says what to write."""
    with pytest.raises(ConfigError) as raised:
        zone(name)
    assert expected == str(raised.value)

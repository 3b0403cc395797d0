"""Time zones by name, from the machine's zone database or the packaged one.

Periods and windows are reckoned in a zone that is loaded here once; `core` gets the zone as a value and never looks
one up.
"""

import difflib
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from tokens_forge.core.config import Report
from tokens_forge.core.errors import ConfigError, Problem
from tokens_forge.core.windows import Calendar


def zone(name: str) -> ZoneInfo:
    """Return the zone with an IANA name such as ``Europe/Berlin``.

    Raises ConfigError for a name that is none, with the nearest one there is.
    """
    try:
        return ZoneInfo(name)
    # A name that leads out of the database is a ValueError, one that names a folder of it an OSError.
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        what = f"`{name}` is no time zone.{_nearest(name)}"
        raise ConfigError((Problem(where="", what=what),)) from error


def calendar(report: Report) -> Calendar:
    """Return where the days and weeks of `[report]` begin. Raises ConfigError as `zone` does."""
    return Calendar(zone=zone(report.timezone), week_start=report.week_start)


def _nearest(name: str) -> str:
    """Return the nearest name, by the whole and by the city alone, as most people write that."""
    known = {key.lower(): zone_name for zone_name in sorted(available_timezones()) for key in _ways_to_say(zone_name)}
    near = difflib.get_close_matches(name.lower().replace(" ", "_"), known, n=1, cutoff=0.75)
    return f" Did you mean `{known[near[0]]}`?" if near else " Write one such as `Europe/Berlin` or `UTC`."


def _ways_to_say(zone_name: str) -> tuple[str, str]:
    return zone_name.rpartition("/")[2], zone_name

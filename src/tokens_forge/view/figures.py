"""How figures and foreign texts look on a screen: amounts with their unit, durations, counts, bars.

Amounts are shown as they were recorded, never converted or shortened. Text from outside becomes `rich.text.Text` with
its control characters visible, so that it is never markup and never moves a cursor.
"""

from decimal import Decimal

from rich.text import Text

from tokens_forge.core.book import FREE_UNIT
from tokens_forge.core.money import text
from tokens_forge.core.visible import visible

NONE = "-"
"""What stands where there is nothing to show."""

_FULL = "█"
_PARTS = " ▏▎▍▌▋▊▉"


def shown(outside: str, style: str = "") -> Text:
    """Return a text from a client, a config or an upstream, safe to print."""
    return Text(visible(outside), style=style)


def amount(value: Decimal | str | None, unit: str) -> str:
    """Return an amount with its unit, ``-`` for one that is not known. A free balance's is ``free``."""
    if value is None or value == "":
        return NONE
    written = value if isinstance(value, str) else text(value)
    if unit == FREE_UNIT:
        return FREE_UNIT if Decimal(written) == 0 else visible(written)
    return visible(f"{written} {unit}")


def about(value: Decimal | None, unit: str) -> str:
    """Return a figure that was divided (a rate of burning) with its unit, to three significant digits."""
    if value is None:
        return NONE
    rounded = Decimal(f"{value:.3g}")
    return amount(rounded, unit) if rounded == value else f"~ {amount(rounded, unit)}"


def duration(ms: float) -> str:
    """Return a duration in ms as people read it: ``212 ms``, ``1.834 s``, ``2 min 5 s``."""
    whole = round(ms)
    if whole < 1000:  # noqa: PLR2004 - ms in a second
        return f"{whole} ms"
    if whole < 120_000:  # noqa: PLR2004 - from two minutes on, parts of a second say nothing
        return f"{whole / 1000:.3f} s"
    minutes, seconds = divmod(whole // 1000, 60)
    return f"{minutes} min {seconds} s"


def count(number: int) -> str:
    """Return a count with its thousands apart."""
    return f"{number:,}"


def bar(part: Decimal, whole: Decimal, width: int) -> str:
    """Return a bar of at most `width` cells for `part` of `whole`; empty when there is nothing to compare."""
    if whole <= 0 or part <= 0:
        return ""
    eighths = max(1, int(part * width * 8 / whole))
    full, rest = divmod(eighths, 8)
    return (_FULL * full + _PARTS[rest]).rstrip()

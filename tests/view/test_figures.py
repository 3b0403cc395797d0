"""Figures on a screen: exact, with their unit, and nothing from outside is obeyed."""

from decimal import Decimal

from tokens_forge.view.figures import amount, bar, count, duration, shown


def test_amounts_are_exact_and_carry_their_unit() -> None:
    """No digit is dropped; what is not known is `-` and never 0."""
    assert amount(Decimal("0.000783098592"), "USD") == "0.000783098592 USD"
    assert amount("12.50", "CNY") == "12.50 CNY"
    assert (amount(None, "USD"), amount("", "USD")) == ("-", "-")
    assert amount("0", "free") == "free"
    assert amount("2", "free") == "2"


def test_durations() -> None:
    """Durations are in the unit that reads best."""
    assert [duration(ms) for ms in (0, 211.6, 1834.0, 125_400.0)] == ["0 ms", "212 ms", "1.834 s", "2 min 5 s"]


def test_counts_have_their_thousands_apart() -> None:
    """Large counts can be read."""
    assert count(1234567) == "1,234,567"


def test_bars() -> None:
    """A bar is as long as its part; the smallest part shows, nothing shows for nothing."""
    assert bar(Decimal(1), Decimal(2), 10) == "█████"
    assert bar(Decimal(1), Decimal(1000), 10) == "▏"
    assert [bar(Decimal(part), Decimal(whole), 10) for part, whole in ((0, 1), (-1, 1), (1, 0))] == ["", "", ""]


def test_foreign_texts_are_no_markup() -> None:
    """Markup stays text, and control characters are visible."""
    assert shown("[red]x[/red]\x1b[31m").plain == "[red]x[/red]\\x1b[31m"

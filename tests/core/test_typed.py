"""Amounts as people write them: what each means, and what is asked because it may mean two things."""

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens_forge.core.currencies import CURRENCIES, SIGNS, UNDECIDED, WORDS
from tokens_forge.core.errors import MoneyError
from tokens_forge.core.money import Amount, is_unit, read_amount, text
from tokens_forge.core.typed import kept_form, near_unit, read_typed, read_typed_unit, unasked


@pytest.mark.parametrize(
    ("written", "unit", "known", "meant"),
    [
        ("10 usd", "", (), "10 USD"),
        ("10 Usd", "", (), "10 USD"),
        ("5.00usd", "", (), "5 USD"),
        ("USD 5", "", (), "5 USD"),
        ("usd5", "", (), "5 USD"),
        ("$10", "", (), "10 USD"),
        ("10$", "", (), "10 USD"),
        ("$ 10", "", (), "10 USD"),
        ("-$5", "", (), "-5 USD"),
        ("$-5", "", (), "-5 USD"),
        ("\u22125 USD", "", (), "-5 USD"),
        ("\u20135 USD", "", (), "-5 USD"),
        ("+5 USD", "", (), "5 USD"),
        ("USD$5", "", (), "5 USD"),
        ("CAD$5", "USD", (), "5 CAD"),
        ("5 cad$", "", (), "5 CAD"),
        ("Rs. 500", "", (), "500 INR"),
        ("Rs.500", "", (), "500 INR"),
        ("500 Rs", "", (), "500 INR"),
        ("Rs. 500", "PKR", (), "500 PKR"),
        ("500块", "", (), "500 CNY"),
        ("500人民币", "", (), "500 CNY"),
        ("500元", "", (), "500 CNY"),
        # A point before three digits is one of decimals where nothing else can be meant.
        ("0.500 EUR", "", (), "0.5 EUR"),
        ("10.1230 EUR", "", (), "10.123 EUR"),
        ("1234.567 EUR", "", (), "1234.567 EUR"),
        ("1,234.567 EUR", "", (), "1234.567 EUR"),
        ("5.000 RELAY$", "", (), "5 RELAY$"),
        ("40.125%", "percent", (), "40.125 percent"),
        ("US$10", "", (), "10 USD"),
        ("$10 CAD", "", (), "10 CAD"),
        ("$10 RELAY$", "", (), "10 RELAY$"),
        ("USD 10 USD", "", (), "10 USD"),
        ("€5", "", (), "5 EUR"),
        ("£3", "", (), "3 GBP"),
        ("10 euros", "", (), "10 EUR"),
        ("10 dollars", "", (), "10 USD"),
        ("5,000 CNY", "", (), "5000 CNY"),
        ("1,234,567.89 USD", "", (), "1234567.89 USD"),
        ("5_000 USD", "", (), "5000 USD"),
        ("5 000 USD", "", (), "5000 USD"),
        ("1\u202f234\u00a0USD", "", (), "1234 USD"),
        ("1'234.50 CHF", "", (), "1234.5 CHF"),
        ("1\u2019234 CHF", "", (), "1234 CHF"),
        (".5 USD", "", (), "0.5 USD"),
        ("\uff15\uff10\uff10\u3000\uff23\uff2e\uff39", "", (), "500 CNY"),
        ("\u200b5 USD\ufeff", "", (), "5 USD"),
        # What the unit that is expected decides.
        ("5", "USD", (), "5 USD"),
        ("-5", "CNY", (), "-5 CNY"),
        ("￥500", "CNY", (), "500 CNY"),
        ("¥500", "JPY", (), "500 JPY"),
        ("¥500", "RMB", (), "500 RMB"),
        ("RMB 500", "CNY", (), "500 CNY"),
        ("500元", "CNY", (), "500 CNY"),
        ("500 yuan", "CNY", (), "500 CNY"),
        ("$10", "CAD", (), "10 CAD"),
        ("$10", "RELAY$", (), "10 RELAY$"),
        ("$10", "EUR", (), "10 USD"),
        ("$10", "usd", (), "10 usd"),
        ("10 USD", "usd", (), "10 usd"),
        ("5 relay$", "RELAY$", (), "5 RELAY$"),
        ("40%", "percent", (), "40 percent"),
        ("1 request", "requests", (), "1 requests"),
        ("5 Tokens", "", (), "5 tokens"),
        # What the config's units decide.
        ("¥500", "", ("CNY", "USD"), "500 CNY"),
        ("10 credits", "credits", (), "10 credits"),
        ("10 credits", "", ("credits",), "10 credits"),
        ("10 Credits", "", ("credits",), "10 credits"),
        ("$10", "", ("usd", "CNY"), "10 usd"),
        ("10 Usd", "", ("usd", "USD"), "10 USD"),
        # A unit of one's own, as ever.
        (" -8.13RELAY$ ", "", (), "-8.13 RELAY$"),
        ("5 X1", "", (), "5 X1"),
    ],
)
def test_what_a_person_means(written: str, unit: str, known: tuple[str, ...], meant: str) -> None:
    """Codes in any case, signs on either side, thousands parted by groups of three, one's own units."""
    assert meant == str(read_typed(written, unit, known))


@pytest.mark.parametrize(
    ("written", "unit", "known", "why"),
    [
        ("¥500", "", (), "`¥` may be CNY or JPY; write which, such as `5.00 CNY`"),
        ("￥500", "USD", (), "`¥` may be CNY or JPY"),
        ("¥500", "", ("CNY", "JPY"), "`¥` may be CNY or JPY"),
        ("10 usdd", "USD", (), "`usdd` is not a unit that is known here. Did you mean `USD`?"),
        ("10 credit", "credits", (), "`credit` is not a unit that is known here. Did you mean `credits`?"),
        ("10 credits", "", (), "`credits` is not a unit that is known here. Write the code of a currency"),
        ("10 usd", "", ("uSd", "usD"), ""),
        ("5,00 EUR", "", (), "is it 5.00 or 500?"),
        ("€2,9", "", (), "is it 2.9 or 29?"),
        ("1.234,56", "EUR", (), "is it 1234.56 or 123456?"),
        ("1.127,54 €", "", (), "is it 1127.54 or 112754?"),
        ("1.000.000 EUR", "", (), "is it 1000.000 or 1000000?"),
        ("0,075 USD", "", (), "is it 0.075 or 75?"),
        ("1,00,000 INR", "", (), "is it 100.000 or 100000?"),
        ("1,234 567 USD", "", (), "is it 1234.567 or 1234567?"),
        ("5 00 USD", "", (), "is it 5.00 or 500?"),
        ("€5 USD", "", (), "`€5 USD` names two units, `€` and `USD`: write one of them"),
        ("5.000 EUR", "", (), "is it 5.000 or 5000? Write `5.0000` for the first, and `5,000` for the second"),
        ("€-10.123", "", (), "is it 10.123 or 10123?"),
        ("10.123", "eur", (), "is it 10.123 or 10123?"),
        ("US5", "", (), "`US` is not a unit that is known here."),
        ("R10", "", (), "`R` is not a unit that is known here."),
        ("5\u201310 USD", "", (), "is no amount"),
        ("5 EUR EUR", "", (), "is no amount"),
        ("5", "", (), "`5` is no amount: write a number and a unit, such as `5.00 USD`"),
        ("", "USD", (), "`` is no amount"),
        ("USD", "USD", (), "is no amount"),
        ("five", "USD", (), "is no amount"),
        (". USD", "", (), "is no amount"),
        ("5 USD!", "", (), "is no amount"),
        ("--5 USD", "", (), "is no amount"),
        ("-$-5", "", (), "is no amount"),
        ("1e3 USD", "", (), "is no amount"),
        ("10k USD", "", (), "is no amount"),
        ("10² USD", "", (), "is no amount"),
        ("\u0665 USD", "", (), "is no amount"),
        ("1" * 21 + " USD", "", (), "is too large: an amount has at most 20 digits before the point"),
        ("." + "1" * 25 + " USD", "", (), "is too exact: an amount has at most 24 digits after the point"),
        ("1" * 101, "USD", (), "is no amount"),
    ],
)
def test_what_is_never_guessed(written: str, unit: str, known: tuple[str, ...], why: str) -> None:
    """An unknown lower-case word is no currency; a comma that may part decimals is asked, never read as thousands."""
    if not why:
        assert "10 USD" == str(read_typed(written, unit, known))
        return
    with pytest.raises(MoneyError) as caught:
        read_typed(written, unit, known)
    assert why in str(caught.value)


@given(
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=6),
    st.sampled_from(["USD", "CNY", "RELAY$", "X1", "requests", "percent"]),
)
def test_what_the_ledger_writes_is_read_as_it_is(value: Decimal, unit: str) -> None:
    """Every amount in the ledger's form means itself, also where thousands are parted."""
    amount = Amount(value=value, unit=unit)
    if unit in CURRENCIES and re.fullmatch(r"-?[1-9]\d{0,2}\.\d{3}", text(value)):
        amount = Amount(value=value * 1000, unit=unit)  # the other may be asked
    value = amount.value
    assert amount == read_typed(str(amount)) == read_typed(f"{value:,f} {unit}") == read_typed(f"{value:f}", unit)
    assert str(amount) == kept_form(str(amount))


@given(st.text(max_size=30))
def test_any_text_is_an_amount_or_said_to_be_none(written: str) -> None:
    """Whatever is written, what is kept of it is read back as the same by the ledger's own reader."""
    try:
        amount = read_typed(written, "USD")
    except MoneyError:
        return
    assert amount == read_amount(kept_form(written, "USD"))


@pytest.mark.parametrize(
    ("written", "kept"), [("5.00 USD", "5.00 USD"), ("$5.00", "5.00 USD"), ("5 usd", "5 USD"), ("5", "5 CNY")]
)
def test_what_is_kept(written: str, kept: str) -> None:
    """What has the ledger's form stays as it is written, so that no config changes by being read."""
    assert kept == kept_form(written, "CNY")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("1.019 EUR", "1.0190 EUR"),
        ("-1.019 EUR", "-1.0190 EUR"),
        ("0.019 EUR", "0.019 EUR"),
        ("1.019 USD", "1.019 USD"),
    ],
)
def test_what_we_write_is_not_asked_about(written: str, expected: str) -> None:
    """A figure of the ledger in a command that is shown, and the sum of a cap that is raised."""
    assert expected == unasked(written)
    assert read_amount(written) == read_typed(expected)


def test_a_unit_alone() -> None:
    """An option that names a unit is read alike."""
    assert ["CNY", "USD", "RELAY$", "credits"] == [
        read_typed_unit(word, known)
        for word, known in (("cny", ()), (" $", ()), ("RELAY$", ()), ("credits", ("credits",)))
    ]
    with pytest.raises(MoneyError, match="`cnyy` is not a unit"):
        read_typed_unit("cnyy")


@pytest.mark.parametrize(
    ("word", "near"),
    [
        *(("usd", "USD"), ("usdd", "USD"), ("$", "USD"), ("euro", "EUR"), ("rmb", "CNY"), ("€", "EUR")),
        *(("USD", ""), ("credits", ""), ("¥", ""), ("RELAY$", ""), ("RMB", ""), ("points", "")),
    ],
)
def test_what_is_nearly_a_currency(word: str, near: str) -> None:
    """A code in another case, a sign, a slip; not a unit of one's own."""
    assert near == near_unit(word)


def test_the_tables_agree() -> None:
    """Every sign stands for currencies of the list, and every word for a sign."""
    assert {code for codes in SIGNS.values() for code in codes} <= CURRENCIES
    assert set(WORDS.values()) <= SIGNS.keys() >= UNDECIDED
    assert 155 == len(CURRENCIES)
    assert all(is_unit(code) and len(code) == 3 for code in CURRENCIES)


@pytest.mark.parametrize("written", ["\u202e5 USD", "5 US\u202eD", "\u202e€5 USD", "\u202e5.000 EUR"])
def test_a_message_holds_no_control(written: str) -> None:
    """What turns the direction of a text is told as its escape."""
    with pytest.raises(MoneyError) as raised:
        read_typed(written)
    assert "\u202e" not in str(raised.value)
    assert r"\u202e" in str(raised.value)

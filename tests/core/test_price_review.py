"""Which prices want a look, with the figures."""

from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec
from builders import LIST, RELAY, card, config

from tokens_forge.core.candidates import candidate
from tokens_forge.core.config import Config, Model, Price, Rate, Report, Route, Settle, Sheet
from tokens_forge.core.price_review import Noted, catalogue_noted, named, review, reviewed
from tokens_forge.core.prices import RateCard

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
DAY = date(2026, 11, 1)
PRICED = {"input": "10", "output": "50"}
IN_CNY = Report(fx={"CNY": (Rate(valid_from=date(2026, 1, 1), rate=Decimal(10)),)})


def sheet(day: date = DAY, **changes: object) -> Sheet:
    """Return a sheet of the relay, by default at its list price."""
    plain = {"valid_from": day, "unit": "CNY", "input": Decimal(10), "output": Decimal(50)}
    return Sheet(**{**plain, **changes})  # pyright: ignore[reportArgumentType] - a builder's changes


def relay(conf: Config | None = None, **changes: object) -> Config:
    """Return a config, the bench's by default, with changes to its relay."""
    conf = conf or config(report=IN_CNY)
    changed = msgspec.structs.replace(conf.route["relay"], **changes)
    return msgspec.structs.replace(conf, route={**conf.route, "relay": changed})


def notes(
    conf: Config, *cards: RateCard, name: str = RELAY, checked: date | None = None, listed: bool = True
) -> list[Noted]:
    """Return what is said of one candidate's price."""
    checks = {"m": checked} if checked else {}
    pair = (cards, (card(name, LIST),) if listed else ())
    row = reviewed(conf, candidate(conf, name), pair, checks)
    return list(review(conf, (row,), at=NOW, older_than=90))


def own(**rates: str) -> RateCard:
    """Return the relay's own card in CNY per Mtok."""
    return card(RELAY, {**PRICED, **rates}, unit="CNY", valid_from=DAY)


def test_a_price_like_the_list_is_not_worth_a_word() -> None:
    """In force, told this month, near the list."""
    assert [] == notes(relay(prices={"m": (sheet(),)}), own())


def test_a_missing_price_says_what_comes_of_it_and_what_sets_it() -> None:
    """CASES 12: no card where money pays, or none for what every call uses; a pool needs none."""
    line = "tf prices set relay m --input … --output … --unit CNY"
    refused = [("missing", "no price is known today, so a call is refused", line)]
    assert refused == [(note.kind, note.what, note.line) for note in notes(config())]
    allowed = notes(config(settle=Settle(unpriced="zero")))
    assert "no price is known today, so a call is charged nothing and listed as unpriced" == allowed[0].what
    half = notes(config(), card(RELAY, {"input": "1"}))
    assert "no rate for output (test), so a call is refused" == half[0].what
    assert [] == notes(config(), name="plan/m")
    assert [] == notes(config(), card(RELAY, {}, terms="reported"))


def test_an_old_sheet_is_one_that_nobody_said_again() -> None:
    """A sheet ages from its day or from the last time that somebody said it still holds."""
    old = relay(prices={"m": (sheet(date(2026, 1, 1)),)})
    found = notes(old, own())
    what = "nobody has said since 2026-01-01, 327 days ago, that it still costs this"
    assert [("old", what, 327)] == [(note.kind, note.what, note.days) for note in found]
    assert [] == notes(old, own(), checked=date(2026, 10, 1))
    assert 90 < notes(old, own(), checked=date(2026, 8, 1))[0].days
    exactly = relay(prices={"m": (sheet(date(2026, 8, 26)),)})
    assert [] == notes(exactly, own())


def test_a_sheet_that_is_not_in_force_yet_is_told() -> None:
    """With its day, rates and unit; alone it is no price for today."""
    found = notes(relay(prices={"m": (sheet(date(2027, 1, 1)),)}))
    assert ["missing", "future"] == [note.kind for note in found]
    assert ("2027-01-01", "from 2027-01-01 on it costs input 10, output 50 CNY per mtok") == (
        found[1].valid_from,
        found[1].what,
    )


def test_a_rate_far_from_the_list_is_told_with_both_figures() -> None:
    """Ten times off either way, converted by the report's rate of the day."""
    sheets = relay(prices={"m": (sheet(),)})
    dear = notes(sheets, own(input="100"))
    what = "input at 100 CNY per mtok is 10 times the list price, 1 USD per mtok at 10 CNY for one USD"
    assert [("far", what, "10")] == [(note.kind, note.what, note.factor) for note in dear]
    assert ["output at 5 CNY per mtok is 1/10 of the list price, 5 USD per mtok at 10 CNY for one USD"] == [
        note.what for note in notes(sheets, own(output="5"))
    ]
    assert [] == notes(sheets, own(input="99", output="5.1"))
    assert "is next to nothing of the list price" in notes(sheets, own(input="0.000000000001"))[0].what


def test_what_has_nothing_to_be_compared_with_is_left_alone() -> None:
    """No list, a rate of nothing, a class that the list has not, a share of the list, an unknown exchange."""
    sheets = relay(prices={"m": (sheet(),)})
    assert [] == notes(sheets, own(input="100"), listed=False)
    assert [] == notes(sheets, own(input="0", searches="9"))
    assert [] == notes(relay(), own(input="100"))
    assert [] == notes(relay(config(), prices={"m": (sheet(),)}, price="list"), own(input="100"))
    free = notes(sheets, card(RELAY, {}, terms="free"))
    assert [] == free


def test_the_routes_own_exchange_will_do() -> None:
    """Without a report's rate, the route says what one USD is there; a sheet in USD needs none."""
    own_fx = relay(config(), prices={"m": (sheet(),)}, price=Price(list=Decimal(1), fx=Decimal(10)))
    assert "at 10 CNY for one USD" in notes(own_fx, own(input="100"))[0].what
    in_usd = card(RELAY, {"input": "20", "output": "5"}, fx=Decimal(10), valid_from=DAY)
    assert ["input at 20 USD per mtok is 20 times the list price, 1 USD per mtok"] == [
        note.what for note in notes(relay(prices={"m": (sheet(),)}), in_usd)
    ]


def test_counts_are_compared_by_one() -> None:
    """A rate of a count is for one, whatever a rate of tokens buys."""
    sheets = relay(prices={"m": (sheet(),)})
    mine = card(RELAY, {**PRICED, "searches": "0.1"}, unit="CNY", per="ktok")
    listed = card(RELAY, {"searches": "0.01"})
    row = reviewed(sheets, candidate(sheets, RELAY), ((mine,), (listed,)), {})
    assert [] == list(review(sheets, (row,), at=NOW, older_than=90))


def test_the_catalogue_is_as_old_as_its_newest_price() -> None:
    """It states no day of its own: what it does not know yet can't be seen in it."""
    found = list(catalogue_noted("genai-prices 0", date(2026, 1, 1), today=NOW.date(), older_than=90))
    assert [("old", "", 327)] == [(note.kind, note.candidate, note.days) for note in found]
    assert "genai-prices 0 knows no price that began after 2026-01-01, 327 days ago" in found[0].what
    assert [] == list(catalogue_noted("genai-prices 0", date(2026, 10, 1), today=NOW.date(), older_than=90))
    assert [] == list(catalogue_noted("genai-prices 0", None, today=NOW.date(), older_than=90))


def test_the_named_candidates() -> None:
    """What routes, sheets and models name, each once: no pattern, no sheet for what is not served."""

    def route(serves: tuple[str, ...] | dict[str, str], *sheets: str) -> Route:
        prices: dict[str, tuple[Sheet, ...]] = dict.fromkeys(sheets, ())
        return Route(route_class="direct", upstream="openai", balance="credit", serves=serves, prices=prices)

    conf = config(
        route={
            "a": route(("m", "x-*"), "x-1", "y"),
            "b": route({"five": "m5", "six": "m6"}, "five", "gone"),
        },
        model={"smart": Model(routes=("a/x-2", "b/five", "a/unserved")), "m": Model(routes=("a",))},
    )
    assert ["a/m", "a/x-1", "b/m5", "b/m6", "a/x-2"] == [found.name for found in named(conf)]


def test_what_is_charged_by_a_guess_is_told() -> None:
    """A sibling's price and a card that may not hold make every charge an estimate."""
    conf = relay(prices={"m": (sheet(),)})
    sibling = msgspec.structs.replace(own(), id="openai/gpt-6.1-sol", sibling_of="m")
    assert notes(conf, sibling) == [
        Noted(
            kind="guessed",
            candidate=RELAY,
            what="the list does not know it, so a call is charged as openai/gpt-6.1-sol, as an estimate",
            line="tf prices set relay m --input … --output … --unit CNY",
        )
    ]
    (unsure,) = notes(conf, msgspec.structs.replace(own(), uncertain="the holidays of 2027"))
    assert (unsure.kind, unsure.line) == ("guessed", "")
    assert unsure.what.startswith("nobody knows yet the holidays of 2027, so a call is charged at the most")


def test_a_list_that_was_given_when_the_program_had_another_is_told() -> None:
    """After an update of tf, its own list may be the newer one."""
    (note,) = catalogue_noted(
        "genai-prices data of 2026-11-01, f", None, today=NOW.date(), older_than=90, outdated=True
    )
    assert note.kind == "old"
    assert "`tf prices update --forget`" in note.what

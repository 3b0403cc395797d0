"""Bills checked by hand: a native usage object, a rate card, and what it must cost, line by line.

The rows are in `bills/*.toml`, the cards in `bills/cards.toml` and `bills/premium_cards.toml` and, as a user writes
them, in `bills/routes.toml`. A row says its arithmetic as one would type it into a pocket calculator, a line of the
charge each: ``CLASS QUANTITY * RATE [* SHARE] [* EXCHANGE] [/ PER] = AMOUNT``. The first test checks these with
fractions alone, so that a row is right before any code of ours is asked; the others ask it.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from builders import RELAY, Bench, agreed, finished, listed

from tokens_forge.core.config import Config, Settle
from tokens_forge.core.entries import ChargeLine, Settled
from tokens_forge.core.flags import TIER_UNPRICED
from tokens_forge.core.money import text
from tokens_forge.core.prices import Cards, Days, RateCard, Service, Tier, card_at, cost, price
from tokens_forge.core.usage import CACHE_COUNTED, GUESSES, Dialect, Iteration
from tokens_forge.files.config_file import read_text
from tokens_forge.files.price_catalog import Catalog, route_cards
from tokens_forge.wire.usage_objects import UsageRead, read_usage

BILLS = Path(__file__).parent / "bills"
FILES = ("openai", "anthropic", "gemini", "others", "relays", "odd", "replayed", "premiums")
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)

CHECKED = "0.2.3"
"""The version of genai-prices whose figures the cards are."""

RULES = frozenset(range(1, 12)) | {14, 61, 62, 63}
"""The rules of CASES that are about what a usage costs; each has a bill."""


class Beside(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is billed beside a row's usage in the same reply."""

    kind: str
    model: str = ""
    usage: dict[str, int]
    sure: bool = True
    card: str
    lines: tuple[str, ...]
    charge: str


class Bill(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row."""

    name: str
    cases: tuple[int, ...]
    """The rules of CASES that it shows."""
    dialect: Dialect | Literal["ours"]
    """In whose words `native` is; ``ours`` where the usage is given as it is."""
    native: str | tuple[str, ...] = ()
    """The usage object, or those of a stream's events."""
    usage: dict[str, int]
    flags: tuple[str, ...] = ()
    iterations: tuple[Beside, ...] = ()
    """What is billed beside it, at cards of its own."""
    answered_by: str = ""
    geo: str = ""
    """Where the reply says that it was computed."""
    tier_in_usage: str = ""
    """The tier of service that the usage object names."""
    reported_cost: str = ""
    upstream_cost: str = ""
    card: str
    share: str = "1"
    fx: str = "1"
    terms: Literal["rates", "reported"] = "rates"
    service: str = ""
    """The tier of service that was served, where something else names it."""
    at: datetime = NOON
    tier: str = "base"
    """As the ledger names it."""
    lines: tuple[str, ...]
    charge: str
    unpriced: tuple[str, ...] = ()
    guesses: tuple[str, ...] = ()
    """What was priced at a rate that nobody states for it: the charge is an estimate."""
    settled: str = ""
    """What is settled, where the upstream's own cost governs."""
    at_hold: bool = False
    """Whether the hold becomes the charge, as nothing is known of the usage."""
    source: str
    """Where the usage object or the rule is from, and when it was read; or why it was constructed.

    ``GP`` is as in `cards.toml`; ``recalled``: known from the provider's documentation, which was not read again.
    """

    @property
    def served(self) -> str:
        """The tier of service, whoever named it."""
        return self.service or self.tier_in_usage

    @property
    def written(self) -> tuple[ChargeLine, ...]:
        """The lines as the ledger has them."""
        return tuple(line.written for line in lines_of(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a row, by its own arithmetic."""

    usage_class: str
    quantity: int
    rate: Fraction
    per: int
    amount: str

    @property
    def written(self) -> ChargeLine:
        """The line as the ledger has it."""
        return ChargeLine(
            usage_class=self.usage_class, quantity=self.quantity, rate=decimals(self.rate), amount=self.amount
        )


class OwnRates(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tier of a card."""

    rates: dict[str, Decimal]
    above: int = 0
    long: tuple["OwnRates", ...] = ()

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """Its tiers of long context."""
        return tuple(Tier(above=own.above, rates=own.rates) for own in self.long)


class Card(OwnRates, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A card in `cards.toml` or `premium_cards.toml`."""

    unit: str = "USD"
    per: str = "mtok"
    valid_from: date | None = msgspec.field(name="from", default=None)
    begins: date | None = None
    hours: tuple[time, time] | None = None
    days: Days | None = None
    uncertain: str = ""
    service: dict[str, OwnRates] = {}
    sibling_of: str = ""
    guessed: dict[str, str] = {}
    factors: dict[str, Decimal] = {}
    geo: dict[str, Decimal] = {}
    via: str = ""
    """The endpoint's address, where the place has a price."""
    source: str

    def rate_card(self, name: str) -> RateCard:
        """Return it as ours."""
        return RateCard(
            id=name,
            source=self.source,
            unit=self.unit,
            per=self.per,
            rates=self.rates,
            valid_from=self.valid_from,
            begins=self.begins,
            hours=self.hours,
            days=self.days,
            uncertain=self.uncertain,
            tiers=self.tiers,
            service={word: Service(rates=own.rates, tiers=own.tiers) for word, own in self.service.items()},
            sibling_of=self.sibling_of,
            guessed=self.guessed,
            factors=self.factors,
            geo=self.geo,
        )


_LINE = re.compile(
    r"(?P<class>\w+)(?: (?P<count>\d+)(?P<rest>(?: \* [\d.]+)+)(?: / 1e(?P<power>[36]))?)? = (?P<amount>\S+)"
)


def bills() -> Iterator[Bill]:
    """Yield every row."""
    for name in FILES:
        table = tomllib.loads((BILLS / f"{name}.toml").read_text())
        yield from msgspec.convert(table["bill"], list[Bill])


def lines_of(bill: Bill | Beside) -> Iterator[Line]:
    """Yield a row's lines; the one that rounds is of one at its own amount, as in the ledger."""
    for line in bill.lines:
        found = _LINE.fullmatch(line)
        assert found, line
        amount = found["amount"]
        if found["count"] is None:
            yield Line(usage_class=found["class"], quantity=1, rate=Fraction(amount), per=1, amount=amount)
            continue
        rate = Fraction(1)
        for factor in found["rest"].split(" * ")[1:]:
            rate *= Fraction(factor)
        per = 10 ** int(found["power"] or 0)
        yield Line(usage_class=found["class"], quantity=int(found["count"]), rate=rate, per=per, amount=amount)


def decimals(value: Fraction) -> str:
    """Return a fraction that ends in base ten as it is written, without zeros at its end."""
    places = 0
    while (value * 10**places).denominator != 1:
        places += 1
        assert places <= 60, "it ends nowhere"
    return text(Decimal(f"{int(value * 10**places)}e-{places}"))


def rounded_by_hand(value: Fraction) -> Fraction:
    """Return a fraction at 12 places, half to even, without a decimal."""
    scaled = value * 10**12
    whole, rest = scaled.numerator // scaled.denominator, scaled - scaled.numerator // scaled.denominator
    up = rest > Fraction(1, 2) or (rest == Fraction(1, 2) and whole % 2 == 1)
    return Fraction(whole + up, 10**12)


def written_cards() -> dict[str, list[Card]]:
    """Return the cards of both files by name."""
    files = [tomllib.loads((BILLS / f"{name}.toml").read_text()) for name in ("cards", "premium_cards")]
    assert not files[0].keys() & files[1].keys(), "a name stands in one of the files"
    return msgspec.convert({**files[0], **files[1]}, dict[str, list[Card]])


def kept_cards() -> dict[str, tuple[RateCard, ...]]:
    """Return the cards as ours, by name."""
    return {name: tuple(card.rate_card(name) for card in cards) for name, cards in written_cards().items()}


def routes() -> Config:
    """Return the config of `routes.toml`."""
    path = BILLS / "routes.toml"
    config, problems = read_text(path, path.read_text())
    assert config is not None, problems
    return config


ALL = tuple(bills())
CARDS = kept_cards()
VIA = {name: cards[0].via for name, cards in written_cards().items()}
ROUTES = routes()
CATALOG = Catalog()

LISTED = tuple(bill for bill in ALL if bill.card in CARDS and not bill.card.startswith("odd/"))
"""The bills by a provider's list price."""

UNLISTED = {
    "openai/whisper-1": "the catalogue sells it by the hour of sound",
    "anthropic/claude-sonnet-4-5: batch in long context": "it knows batches since 2026-10-14, long context until then",
    "google/gemini-3-flash-preview: grounding when it was billed": "some searches are free, so its sum is an estimate",
    "perplexity/sonar: Perplexity: a fee for the request beside the tokens": "some requests cost less: an estimate",
}
"""Cards and bills that the catalogue does not give, and why."""


def title(bill: Bill) -> str:
    """Return the name of a row's tests."""
    return f"{bill.card}: {bill.name}"


every_bill = pytest.mark.parametrize("bill", ALL, ids=title)


def cards_of(bill: Bill) -> tuple[RateCard, ...]:
    """Return the cards that a row is priced by, one of which is in force."""
    route, _, model = bill.card.partition("/")
    cards = CARDS.get(bill.card) or route_cards(ROUTES, route, model, CATALOG)[0]
    if (bill.share, bill.fx, bill.terms) == ("1", "1", "rates"):
        return cards
    changes = {"list_share": Decimal(bill.share), "fx": Decimal(bill.fx), "terms": bill.terms}
    return tuple(msgspec.structs.replace(card, **changes) for card in cards)


def card_of(bill: Bill) -> RateCard:
    """Return the card in force."""
    card = card_at(cards_of(bill), bill.at)
    assert card is not None
    return card


def read(bill: Bill) -> UsageRead:
    """Return what a row's native usage says."""
    assert bill.dialect != "ours"
    usages = (bill.native,) if isinstance(bill.native, str) else bill.native
    return read_usage(bill.dialect, *(one.encode() for one in usages))


@pytest.mark.parametrize(
    "bill",
    [*ALL, *(one for bill in ALL for one in bill.iterations)],
    ids=lambda one: title(one) if isinstance(one, Bill) else f"{one.card}: {one.kind} beside",
)
def test_the_arithmetic_of_a_bill(bill: Bill | Beside) -> None:
    """CASES 5 and 9: by fractions alone: each line is its product, and their sum is rounded once, half to even."""
    lines = tuple(lines_of(bill))
    products = [line for line in lines if line.usage_class != "rounding"]
    for line in products:
        assert line.quantity * line.rate / line.per == Fraction(line.amount), line
    exact = sum((Fraction(line.amount) for line in products), Fraction(0))
    charge = rounded_by_hand(exact)
    assert charge == Fraction(bill.charge)
    rounding = [Fraction(line.amount) for line in lines if line.usage_class == "rounding"]
    assert ([charge - exact] if charge != exact else []) == rounding


@pytest.mark.parametrize("bill", [bill for bill in ALL if bill.dialect != "ours"], ids=title)
def test_the_usage_of_a_bill(bill: Bill) -> None:
    """CASES 1 to 4, 6 and 18: a native usage object becomes these disjoint classes, and what is odd is flagged."""
    told = read(bill)
    assert told.reading is not None
    assert told.reading.usage == bill.usage
    assert told.reading.flags == bill.flags
    assert told.tier_served == bill.tier_in_usage
    assert (told.reported_cost, told.upstream_cost) == tuple(
        Decimal(cost) if cost else None for cost in (bill.reported_cost, bill.upstream_cost)
    )
    assert (told.reading.answered_by, told.reading.geo) == (bill.answered_by, bill.geo)
    assert told.reading.iterations == tuple(
        Iteration(kind=one.kind, model=one.model, usage=one.usage, is_sure=one.sure) for one in bill.iterations
    )
    assert told.reading.dialect == bill.dialect
    assert told.reading.cache_counted == CACHE_COUNTED[told.reading.dialect]


@every_bill
def test_the_charge_of_a_bill(bill: Bill) -> None:
    """CASES 1, 2, 4, 5, 7, 8, 9 and 11: the usage costs this, line by line."""
    charge = price(bill.usage, card_of(bill), service=bill.served, geo=bill.geo)
    assert charge.lines == bill.written
    assert text(charge.amount) == bill.charge
    assert charge.unpriced == bill.unpriced
    assert charge.guesses == bill.guesses
    assert charge.card.tier == bill.tier
    assert (charge.card.list_share, charge.card.unit, charge.card.per) == (
        text(Decimal(bill.share)),
        card_of(bill).unit,
        card_of(bill).per,
    )


@pytest.mark.parametrize("bill", [bill for bill in ALL if bill.iterations], ids=title)
def test_what_is_billed_beside_a_bill(bill: Bill) -> None:
    """CASES 62: what a provider bills beside its top-level counts costs this at its own model's card."""
    for one in bill.iterations:
        (card,) = (card for card in CARDS[one.card] if card is card_at(CARDS[one.card], bill.at))
        charge = price(one.usage, card)
        assert charge.lines == tuple(line.written for line in lines_of(one))
        assert text(charge.amount) == one.charge
    told = read(bill).reading
    assert told is not None
    beside = {f"relay/{one.model}": CARDS[one.card] for one in bill.iterations if one.model}
    stepped_in = {f"relay/{bill.answered_by}": cards_of(bill)} if bill.answered_by else {}
    bench = Bench(terms=agreed(listed(RELAY), Cards(charge={**beside, **stepped_in, RELAY: cards_of(bill)})))
    bench.topup(wallet="10000000000000000 CNY")
    known = replace(finished(), usage=told.usage, iterations=told.iterations, answered_by=told.answered_by)
    entry = bench.end(bench.held(bench.route()), known)
    assert isinstance(entry, Settled)
    assert Fraction(entry.charge) == sum((Fraction(one.charge) for one in bill.iterations), Fraction(bill.charge))
    assert entry.certainty == ("computed" if all(one.sure for one in bill.iterations) else "estimated")


@every_bill
def test_a_bill_settles_at_what_it_is_priced(bill: Bill) -> None:
    """CASES 10 and 14: a hold's cost, a settlement and its ledger line give one figure, whatever model was served.

    The tier of service that was served wins over the one that was asked for (CASES 8); what an upstream reports
    governs only on a route whose price is reported (CASES 15).
    """
    card = card_of(bill)
    tier = tuple(word for word in bill.guesses if word == TIER_UNPRICED)
    assert cost(bill.usage, card, service=bill.served, geo=bill.geo) == (Decimal(bill.charge), (*bill.unpriced, *tier))
    conf = listed(RELAY, settle=Settle(unpriced="zero"))
    bench = Bench(terms=agreed(conf, Cards(charge={RELAY: cards_of(bill)})), now=bill.at)
    bench.topup(wallet="10000000000000000 CNY")
    held = bench.held(bench.route(tier_asked="priority" if bill.served else ""))
    known = replace(
        finished(),
        usage=None if bill.at_hold else bill.usage,
        flags=bill.flags,
        tier_served=bill.served,
        geo=bill.geo,
        model_served="another-model",
        reported_cost=Decimal(bill.reported_cost) if bill.reported_cost else None,
    )
    entry = bench.end(held, known)
    assert isinstance(entry, Settled)
    if bill.at_hold:
        assert (entry.charge, entry.certainty, entry.lines) == (held.hold, "estimated", ())
    elif bill.settled:
        assert (entry.charge, entry.certainty) == (bill.settled, "reported")
    elif card.terms == "free":
        assert (entry.charge, entry.certainty, entry.lines) == ("0", "zero", ())
    else:
        sure = "unpriced" if bill.unpriced else "estimated" if bill.guesses or GUESSES & {*bill.flags} else "computed"
        assert (entry.charge, entry.certainty, entry.lines) == (bill.charge, sure, bill.written)
        assert entry.flags == (*bill.flags, *(f"unpriced_{name}" for name in bill.unpriced), *bill.guesses)
    assert entry.reported_cost == bill.reported_cost


def test_the_bills_are_many_and_each_is_needed() -> None:
    """Each rule about what a usage costs has a bill, each card too; a row has a name of its own and a source."""
    assert len(ALL) >= 130
    assert RULES <= {rule for bill in ALL for rule in bill.cases}
    assert len({title(bill) for bill in ALL}) == len(ALL)
    assert not [bill.name for bill in ALL if not bill.source or not bill.cases]
    assert set() == CARDS.keys() - {bill.card for bill in ALL}
    assert set() == UNLISTED.keys() - {bill.card for bill in LISTED} - {title(bill) for bill in LISTED}


@pytest.mark.skipif(version("genai-prices") != CHECKED, reason="the cards are the figures of that version")
@pytest.mark.parametrize("bill", LISTED, ids=title)
def test_the_catalogue_gives_the_same_bill(bill: Bill) -> None:
    """CASES 10 and 13: the card that a provider's price list leads to bills what the card written here does."""
    # Behind a model's name a card may say where or how it is sold.
    provider, _, model = bill.card.partition(" ")[0].partition("/")
    asked = {"base_url": VIA[bill.card], "provider": "" if VIA[bill.card] else provider, "model": model}
    listed_cards = CATALOG.cards(**asked)
    if card_of(bill).sibling_of:
        assert () == listed_cards
        listed_cards = CATALOG.sibling_cards(**asked)
    card = card_at(listed_cards, bill.at)
    told = None
    if card is not None:
        charged = msgspec.structs.replace(card, list_share=Decimal(bill.share), fx=Decimal(bill.fx))
        charge = price(bill.usage, charged, service=bill.served, geo=bill.geo)
        told = (charge.lines, text(charge.amount), charge.unpriced, charge.guesses, charge.card.tier)
    same = told == (bill.written, bill.charge, bill.unpriced, bill.guesses, bill.tier)
    assert same == (bill.card not in UNLISTED and title(bill) not in UNLISTED), told

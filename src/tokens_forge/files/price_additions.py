"""What providers publish about their prices and the bundled catalogue can't say: tables, each row with its page.

Multiples of a tier of service, fees beside tokens, premiums by region, days on which hours count, cache writes by
lifetime. A row is here only with a page that states its figure; where a page says no more than "discounted", there is
none, and the call is billed at the base rates and says so. Where the catalogue has a figure of its own, that one
counts. `completed` puts the rows on a model's cards; the rows decide nothing about what a usage costs.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from urllib.parse import urlsplit

from msgspec.structs import replace

from tokens_forge.core.money import multiply
from tokens_forge.core.prices import Days, RateCard, Service, Tier
from tokens_forge.core.usage import COUNT_CLASSES

_ANY = ".*"


@dataclass(frozen=True, slots=True, kw_only=True)
class TierMultiple:
    """A tier of service at so many times the standard rates of tokens, or as another tier costs."""

    provider: str
    models: str
    """A pattern that the whole name of the model fits, the upstream's or the catalogue's."""
    tier: str
    multiple: Decimal = Decimal(1)
    classes: tuple[str, ...] = ()
    """What is multiplied; all token classes where none is named. The others stay as they are."""
    like: str = ""
    """The tier that it costs as much as, where the card has that; else the row says nothing."""
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFee:
    """A rate that stands beside the tokens, or of a class that the catalogue has no name for."""

    provider: str
    models: str
    rates: Mapping[str, Decimal]
    """Usage class to rate: of a count for one, of a token class per Mtok, before any tier of service."""
    above: Mapping[int, Mapping[str, Decimal]] = field(default_factory=dict[int, Mapping[str, Decimal]])
    """The same in requests with a total input above so many tokens."""
    why: Mapping[str, str] = field(default_factory=dict[str, str])
    """Classes whose rate may be less, by what decides it and is not told."""
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A premium on every token class, where the endpoint's host is a region's."""

    hosts: str
    """A pattern that the whole host fits."""
    models: str
    factor: Decimal
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Geo:
    """A premium on every token class, where the reply says that it was computed there."""

    provider: str
    models: str
    word: str
    factor: Decimal
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeakDays:
    """The days on which a model's cards with hours hold."""

    provider: str
    models: str
    begins: date
    """The first day of those hours; the catalogue can't say both a day and hours."""
    days: Days
    known_until: date
    """The last day whose holidays are announced."""
    uncertain: str
    """What is not known after it."""
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierPeak:
    """What a model cost in the peak hours before the rates that the catalogue has for them; it keeps no older ones."""

    provider: str
    models: str
    until: datetime
    """In UTC."""
    rates: Mapping[str, Decimal]
    source: str


# ---- Hosts ----------------------------------------------------------------------------------------------------------

HOSTS = (
    (r"[a-z]{2}\.api\.openai\.com", "openai"),
    (r"us\.api\.x\.ai", "x-ai"),
    (r"api\.(eu|us)\.mistral\.ai", "mistral"),
    (r"bedrock-mantle\.[a-z0-9-]+\.api\.aws", "aws"),
    (r"aws-external-anthropic\.[a-z0-9-]+\.api\.aws", "anthropic"),
)
"""Whose endpoint a host is, where the catalogue's own pattern of the provider's address misses it. Sources: the pages
of `REGIONS`; Amazon Bedrock user guide, model cards of OpenAI's models (`bedrock-mantle`); Claude Platform on AWS user
guide, "Data residency" (`aws-external-anthropic`); all read 2026-11."""

# ---- Tiers of service -----------------------------------------------------------------------------------------------

_GEMINI_TIERS = "ai.google.dev/gemini-api/docs/pricing and /optimization (read 2026-11)"

TIERS = (
    TierMultiple(
        provider="groq",
        models=_ANY,
        tier="flex",
        source="console.groq.com/docs/flex-processing: the price of on-demand (read 2026-11)",
    ),
    TierMultiple(
        provider="x-ai",
        models=r"grok-(?!voice|transcribe|imagine).*",
        tier="priority",
        multiple=Decimal(2),
        source="docs.x.ai/developers/pricing: priority at twice the rate, cached tokens too (read 2026-11)",
    ),
    # The page halves the same classes in its Batch and its Flex table; which of them the cache is among differs by
    # model, and the catalogue has that of the batch.
    TierMultiple(provider="google", models=r"gemini-.*", tier="flex", like="batch", source=_GEMINI_TIERS),
    TierMultiple(
        provider="google",
        models=r"gemini-3\.5-flash",
        tier="flex",
        multiple=Decimal("0.5"),
        classes=("input", "output"),
        source=_GEMINI_TIERS,
    ),
    TierMultiple(
        provider="google",
        models=r"gemini-(3\.7-flash|4-(neon|hydrogen))",
        tier="flex",
        multiple=Decimal("0.5"),
        source=_GEMINI_TIERS,
    ),
    # Of other models the page says "75 % to 100 % more", which is no figure.
    TierMultiple(
        provider="google",
        models=r"gemini-(3\.[78]-flash|4-(argon|neon|hydrogen))",
        tier="priority",
        multiple=Decimal("1.8"),
        source=_GEMINI_TIERS,
    ),
)

# ---- Fees and cache writes ------------------------------------------------------------------------------------------

_OPENAI_TOOLS = "developers.openai.com/api/docs/pricing, built-in tools (read 2026-11)"

FEES = (
    ListedFee(
        provider="openai",
        models=r"(gpt-(4\.1|4o|[5-9]|\d\d)|o[134](-|$)|chat).*",
        rates={"searches": Decimal("0.01")},
        source=_OPENAI_TOOLS,
    ),
    # These search in every call (guide "Web search": "always retrieves information from the web") and tell no count.
    ListedFee(
        provider="openai", models=r"gpt-5-search-api.*", rates={"requests": Decimal("0.01")}, source=_OPENAI_TOOLS
    ),
    ListedFee(
        provider="openai",
        models=r"gpt-4o(-mini)?-search-preview.*",
        rates={"requests": Decimal("0.025")},
        source=f"{_OPENAI_TOOLS}: web search preview of models that do not reason",
    ),
    ListedFee(
        provider="openai",
        models=r"gpt-6\.1-terra",
        rates={"cache_write_12h": Decimal("2.5")},
        above={272_000: {"cache_write_12h": Decimal(5)}},
        source="developers.openai.com/api/docs/models/gpt-6.1-terra: 12-hour writes, long context (read 2026-11)",
    ),
    ListedFee(
        provider="x-ai",
        models=r"grok-(?!voice|transcribe|imagine).*",
        rates={"searches": Decimal("0.005")},
        source="docs.x.ai/developers/pricing: web and X search (read 2026-11)",
    ),
    # The catalogue has the dearest of three request fees; the page has low 5, medium 8, high 12 USD for a thousand
    # Sonar requests, and 6, 10, 14 for Sonar Pro and Reasoning Pro.
    ListedFee(
        provider="perplexity",
        models=r"sonar(-pro|-reasoning|-reasoning-pro)?",
        rates={},
        why={"requests": "the fee of the largest search context: the smaller ones cost less"},
        source="docs.perplexity.ai/guides/pricing (read 2026-11)",
    ),
    ListedFee(
        provider="google",
        models=r"gemini-.*",
        rates={},
        why={"searches": "the provider's free searches are not counted here"},
        source="ai.google.dev/gemini-api/docs/pricing: grounding with Google Search (read 2026-11)",
    ),
)

HALF_HOUR_WRITES = ((_ANY, r"(.*[./])?gpt-.*"), ("aws", r".*\.(kimi|glm)-.*"))
"""Providers and models whose one rate for writes to the cache is for 30 minutes (OpenAI, guide "Prompt caching", models
since 5.6; Amazon Bedrock, model cards of OpenAI's, Kimi's and GLM's models; read 2026-11)."""

# ---- Regions --------------------------------------------------------------------------------------------------------

_SINCE_MARCH_2026 = r"gpt-(5\.([4-9]|\d\d)|[6-9]|\d\d)(?!\d).*"
"""GPT-5.4 came out on 2026-03-05, and later ones have a higher number."""

_CLAUDE_SINCE_4_5 = r"claude-[a-z]+-(4-[5-9]|4-\d\d|[5-9]|\d\d)(?!\d).*"
_CLAUDE_SINCE_4_6 = r"claude-[a-z]+-(4-[6-9]|4-\d\d|[5-9]|\d\d)(?!\d).*"
_TENTH_MORE = Decimal("1.1")

REGIONS = (
    Region(
        hosts=r"[a-z]{2}\.api\.openai\.com",
        models=_SINCE_MARCH_2026,
        factor=_TENTH_MORE,
        source="developers.openai.com/api/docs/guides/data-residency: models since 2026-03-05 (read 2026-11)",
    ),
    Region(
        hosts=r"us\.api\.x\.ai",
        models=_ANY,
        factor=_TENTH_MORE,
        source="docs.x.ai/developers/advanced-api-usage/regions: tokens at 1.1 times (read 2026-11)",
    ),
    Region(
        hosts=r"api\.(eu|us)\.mistral\.ai",
        models=_ANY,
        factor=_TENTH_MORE,
        source="docs.mistral.ai/inference/regional-inference: input, output, cached reads, writes (read 2026-11)",
    ),
    Region(
        hosts=r"[a-z0-9-]+-aiplatform\.googleapis\.com|aiplatform\.[a-z]+\.rep\.googleapis\.com",
        models=_CLAUDE_SINCE_4_5,
        factor=_TENTH_MORE,
        source="cloud.google.com/vertex-ai/generative-ai/pricing: regional and multi-region endpoints (read 2026-11)",
    ),
    Region(
        hosts=r"aiplatform\.[a-z]+\.rep\.googleapis\.com",
        models=r"gemini-3\.5-flash-lite",
        factor=_TENTH_MORE,
        source="cloud.google.com/vertex-ai/generative-ai/pricing: multi-region endpoints (read 2026-11)",
    ),
)
"""Amazon Bedrock says its region in the model's name (``us.``, ``global.``), and the catalogue has both prices."""

GEOS = (
    Geo(
        provider="anthropic",
        models=_CLAUDE_SINCE_4_6,
        word="us",
        factor=_TENTH_MORE,
        source="platform.claude.com/docs/en/manage-claude/data-residency: Opus 4.6 and later (read 2026-11)",
    ),
)

# ---- Days -----------------------------------------------------------------------------------------------------------


def _span(first: date, last: date) -> Iterator[date]:
    """Yield the days from the first to the last, both of them."""
    yield from (first + timedelta(days=number) for number in range((last - first).days + 1))


CHINESE_HOLIDAYS = tuple(
    day
    for first, last in (
        (date(2026, 1, 1), date(2026, 1, 3)),  # New Year
        (date(2026, 2, 15), date(2026, 2, 23)),  # Spring Festival
        (date(2026, 4, 4), date(2026, 4, 6)),  # Qingming
        (date(2026, 5, 1), date(2026, 5, 5)),  # Labour Day
        (date(2026, 6, 19), date(2026, 6, 21)),  # Dragon Boat Festival
        (date(2026, 9, 25), date(2026, 9, 27)),  # Mid-Autumn
        (date(2026, 10, 1), date(2026, 10, 7)),  # National Day
    )
    for day in _span(first, last)
)
"""Public holidays of 2026, State Council, notice of 2025-11-04 (gov.cn/zhengce/zhengceku/202511/content_7047091.htm,
read 2026-11). Those of 2027 were not to be had. The weekend days that are worked for them (4 January, 14 and 28
February, 9 May, 20 September, 10 October) stay off-peak at DeepSeek: its page has all weekends so."""

CALENDARS = (
    PeakDays(
        provider="deepseek",
        models=r"deepseek-(flash|v4).*",
        begins=date(2026, 8, 17),
        days=Days(
            utc_offset_h=8,
            weekdays=(1, 2, 3, 4, 5),
            except_days=CHINESE_HOLIDAYS,
            since=date(2026, 8, 23),
        ),
        known_until=date(2026, 12, 31),
        uncertain="whether a weekday is a public holiday in China, on which off-peak rates hold all day",
        source="api-docs.deepseek.com/quick_start/pricing, note 2; weekends since 2026-08-23 (read 2026-11)",
    ),
)


EARLIER_PEAKS = (
    EarlierPeak(
        provider="deepseek",
        models=r"deepseek-v4-flash.*",
        until=datetime(2026, 9, 10, 4, tzinfo=UTC),
        rates={"input": Decimal("0.44"), "cache_read": Decimal("0.014"), "output": Decimal("1.32")},
        source="docs.apiyi.com/en/live/2026-08/deepseek-price-peak-tier.md; until V4.1-Flash (read 2026-11)",
    ),
)


def provider_of_host(host: str) -> str:
    """Return the catalogue's name of the provider whose regional endpoint a host is; empty where none is known."""
    return next((provider for hosts, provider in HOSTS if re.fullmatch(hosts, host)), "")


def completed(
    cards: Iterable[RateCard], *, provider: str, names: tuple[str, ...], base_url: str
) -> tuple[RateCard, ...]:
    """Return the cards of a provider's model with what the tables add to each, for an endpoint at `base_url`.

    `names` are all that the model goes by: the catalogue has ``gpt-4o-mini-search-preview`` under ``gpt-4o-mini``.
    """
    host = urlsplit(base_url).hostname or ""
    regions = {
        f"region {host}": row.factor for row in REGIONS if re.fullmatch(row.hosts, host) and _fits(row.models, names)
    }
    geos = {row.word: row.factor for row in GEOS if row.provider == provider and _fits(row.models, names)}
    found: list[RateCard] = []
    for card in cards:
        fuller = _with_tiers(_with_fees(_with_writes(card, provider, names), provider, names), provider, names)
        found += _on_days(replace(fuller, factors=regions, geo=geos), provider, names)
    return tuple(found)


def _fits(pattern: str, names: Iterable[str]) -> bool:
    return any(re.fullmatch(pattern, name) for name in names)


def _with_writes(card: RateCard, provider: str, names: tuple[str, ...]) -> RateCard:
    """Return the card with its rate for writes under the lifetime that it is for."""
    is_half_hour = any(re.fullmatch(who, provider) and _fits(what, names) for who, what in HALF_HOUR_WRITES)
    if not is_half_hour or "cache_write_5m" not in card.rates:
        return card

    def renamed(rates: Mapping[str, Decimal]) -> dict[str, Decimal]:
        return {"cache_write_30m" if name == "cache_write_5m" else name: rate for name, rate in rates.items()}

    def tiers(of: tuple[Tier, ...]) -> tuple[Tier, ...]:
        return tuple(Tier(above=tier.above, rates=renamed(tier.rates)) for tier in of)

    service = {
        word: replace(own, rates=renamed(own.rates), tiers=tiers(own.tiers)) for word, own in card.service.items()
    }
    return replace(card, rates=renamed(card.rates), tiers=tiers(card.tiers), service=service)


def _with_fees(card: RateCard, provider: str, names: tuple[str, ...]) -> RateCard:
    """Return the card with the rates that it lacks, in every tier, and its source with theirs."""
    for row in FEES:
        if row.provider != provider or not _fits(row.models, names) or not card.rates:
            continue
        lacking = {name: rate for name, rate in row.rates.items() if name not in card.rates}
        # A tier's own rates are whole; a fee is the same in each, and tokens of a class that only the base prices are
        # not known there.
        fees = {name: rate for name, rate in lacking.items() if name in COUNT_CLASSES}
        guessed = {name: why for name, why in row.why.items() if name in card.rates}
        named = ", ".join(lacking)
        card = replace(
            card,
            rates={**card.rates, **lacking},
            tiers=tuple(
                Tier(above=tier.above, rates={**row.above.get(tier.above, {}), **tier.rates}) for tier in card.tiers
            ),
            service={word: replace(own, rates={**own.rates, **fees}) for word, own in card.service.items()},
            guessed={**card.guessed, **guessed},
            source=f"{card.source}, {named} by {row.source}" if named else card.source,
        )
    return card


def _with_tiers(card: RateCard, provider: str, names: tuple[str, ...]) -> RateCard:
    """Return the card with the tiers of service that it lacks."""
    for row in TIERS:
        if row.provider != provider or row.tier in card.service or not _fits(row.models, names):
            continue
        if not row.like:
            own = Service(
                rates=_multiplied(card.rates, row),
                tiers=tuple(Tier(above=tier.above, rates=_multiplied(tier.rates, row)) for tier in card.tiers),
                source=f"{row.tier} by {row.source}",
            )
        elif row.like in card.service:
            own = replace(card.service[row.like], source=f"{row.tier} by {row.source}")
        else:
            continue
        card = replace(card, service={**card.service, row.tier: own})
    return card


def _multiplied(rates: Mapping[str, Decimal], row: TierMultiple) -> dict[str, Decimal]:
    return {
        name: multiply(rate, row.multiple)
        if (name in row.classes if row.classes else name not in COUNT_CLASSES)
        else rate
        for name, rate in rates.items()
    }


def _on_days(card: RateCard, provider: str, names: tuple[str, ...]) -> Iterator[RateCard]:
    """Yield the card for the days whose holidays are known, and for those after them, where it is an upper bound."""
    row = next((one for one in CALENDARS if one.provider == provider and _fits(one.models, names)), None)
    if row is None or card.hours is None:
        yield card
        return
    begins = row.begins
    for one in EARLIER_PEAKS:
        if one.provider == provider and _fits(one.models, names):
            rates = {**card.rates, **one.rates}
            yield replace(
                card, days=row.days, begins=begins, rates=rates, source=f"{card.source}, peak by {one.source}"
            )
            begins = one.until.date()
            if card.hours[0] < one.until.time():
                begins += timedelta(days=1)
    yield replace(card, days=row.days, begins=begins)
    unknown = replace(row.days, except_days=())
    yield replace(card, days=unknown, begins=row.known_until + timedelta(days=1), uncertain=row.uncertain)

"""Newer data of the price catalogue, in the form in which its makers publish it: read, judged and kept on request.

genai-prices publishes its list as JSON (github.com/pydantic/genai-prices, `prices/new_data/v2/data.json`, read
2026-11); the package's own parser reads it. What is kept is the file as it came, with where and when it was had, so
that a card can say so. Nothing here asks a network, and nothing is taken that the user did not give.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec

from tokens_forge.core.errors import ConfigError, Problem
from tokens_forge.core.money import exponent, text
from tokens_forge.core.price_check import RATE_PLACES
from tokens_forge.core.prices import MOST_USD_PER_MTOK
from tokens_forge.core.visible import visible
from tokens_forge.files.catalog_patterns import LONGEST_NAME, MOST_IN_ALL, MOST_WAYS, ways
from tokens_forge.files.paths import read_private, write_private

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, Provider

MOST_BYTES = 32 * 1024 * 1024
"""The largest data file that is read; the published one has about 2.5 MB (2026-11)."""

MOST_MODELS = 50_000
"""Ten times as many as there are."""

LONGEST_PATTERN = 1_000
"""Characters of a regular expression: names that clients make up are matched with it."""

MOST_PER_COUNT = Decimal(1_000_000)
"""USD for what is not sold by the token: a thousand searches, an hour of sound."""

_TOLD = 5
"""Faults that are told; the first ones show what kind of file it is."""


class _Head(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of the kept file; what was taken follows it as it came."""

    origin: str
    taken: date
    beside: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """A catalogue's providers, and what its cards say of where they come from."""

    providers: "list[Provider]"
    source: str
    origin: str = ""
    """The file or address that it came from; empty for what the package brings."""
    taken: date | None = None
    beside: str = ""
    """The version of the package when it was taken."""


def bundled() -> Data:
    """Return the data that the package brings."""
    from genai_prices.data import providers  # noqa: PLC0415 - loading takes a tenth of a second: only who asks pays

    return Data(providers=providers, source=f"genai-prices {version('genai-prices')}")


def data_in_use(path: Path | None) -> Data:
    """Return the data kept in the file `path`, else what the package brings.

    Raises ConfigError, naming the way back, for a file that is no such data.
    """
    if path is None or not path.exists():
        return bundled()
    try:
        kept, _others_may = read_private(path)
        head, _, raw = kept.partition(b"\n")
        told = msgspec.json.decode(head, type=_Head)
        providers = read_data(raw, str(path))
    except OSError as error:
        raise _unusable(path, f"it can't be read ({error.strerror})") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _unusable(path, "this is not what `tf prices update` wrote") from error
    except ConfigError as error:
        raise _unusable(path, error.problems[0].what) from error
    return Data(
        providers=providers,
        source=f"genai-prices data of {told.taken}, {short_origin(told.origin)}",
        origin=told.origin,
        taken=told.taken,
        beside=told.beside,
    )


def keep(path: Path, raw: bytes, *, origin: str, today: date) -> None:
    """Keep data that `read_data` took, with where it came from. Raises ForgeError when it can't be written."""
    head = _Head(origin=visible(origin), taken=today, beside=version("genai-prices"))
    write_private(path, msgspec.json.encode(head) + b"\n" + raw)


def short_origin(origin: str) -> str:
    """Return the last part of a file's path or an address: what a card has room for."""
    return visible(origin.rstrip("/").rpartition("/")[2] or origin)


def read_data(raw: bytes, where: str) -> "list[Provider]":
    """Return the providers in the bytes of a data file. Raises ConfigError with the first faults."""
    # What usage objects look like is ours to read, and the part of the form that changes most.
    listed = [
        {name: value for name, value in provider.items() if name != "extractors"} for provider in _listed(raw, where)
    ]
    import pydantic  # noqa: PLC0415 - it comes with the catalogue's package, which is loaded here anyway
    from genai_prices.types import (  # noqa: PLC0415 - as above
        _providers_from_raw,  # pyright: ignore[reportPrivateUsage] - the one parser of the published form (0.2.3); its public way fetches too
    )

    try:
        providers = _providers_from_raw(listed)
    except pydantic.ValidationError as error:
        told = [
            Problem(where=where, what=visible(f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}"))
            for one in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        raise ConfigError(tuple(told[:_TOLD])) from error
    except (ValueError, TypeError, RecursionError) as error:
        raise ConfigError((Problem(where=where, what=visible(f"this is no price data: {error}")),)) from error
    if faults := [Problem(where=where, what=visible(what)) for what in _faults(listed, providers)]:
        raise ConfigError(tuple(faults[:_TOLD]))
    return providers


def models_of(providers: "list[Provider]") -> "dict[str, ModelInfo]":
    """Return the models of a catalogue by PROVIDER/MODEL."""
    return {f"{provider.id}/{model.id}": model for provider in providers for model in provider.models}


def prices_of(model: "ModelInfo") -> "list[ModelPrice]":
    """Return every price of a model, those of its tiers of service too."""
    given = model.prices if isinstance(model.prices, list) else [model.prices]
    standard = [getattr(one, "prices", one) for one in given]
    return [*cast("list[ModelPrice]", standard), *(variant.prices for variant in model.price_variants or ())]


def _listed(raw: bytes, where: str) -> list[dict[str, Any]]:
    def refused(word: str) -> object:
        raise ValueError(f"{word} is no number")

    if len(raw) > MOST_BYTES:
        what = f"it has {len(raw)} bytes, and a list of prices is not longer than {MOST_BYTES}"
        raise ConfigError((Problem(where=where, what=what),))
    try:
        document = json.loads(raw, parse_float=Decimal, parse_constant=refused)
    except (ValueError, ArithmeticError, RecursionError) as error:
        what = visible(f"this is no JSON that can be read: {error}")
        raise ConfigError((Problem(where=where, what=what),)) from error
    entries = cast("list[object]", document) if isinstance(document, list) else []
    if not entries or not all(isinstance(entry, dict) for entry in entries):
        what = "this is no list of providers: take `prices/new_data/v2/data.json` of genai-prices"
        raise ConfigError((Problem(where=where, what=what),))
    return cast("list[dict[str, Any]]", entries)


def _faults(listed: object, providers: "list[Provider]") -> Iterator[str]:
    """Yield what can't be meant in data of the right form."""
    models = [(provider, model) for provider in providers for model in provider.models]
    if not models:
        yield "no provider in it has a model"
    if len(models) > MOST_MODELS:
        yield f"{len(models)} models are more than {MOST_MODELS}"
    yield from _pattern_faults((*_patterns(listed), *(provider.api_pattern for provider in providers)))
    for provider, model in models:
        name = f"{provider.id}/{model.id}"
        if not name.isprintable() or len(name) > LONGEST_NAME:
            yield f"`{name[:LONGEST_NAME]}` is no model's name"
        for price in prices_of(model):
            yield from (f"{name}: {what}" for what in _rate_faults(vars(price)))


def _pattern_faults(patterns: Iterable[str]) -> Iterator[str]:
    in_all = 0
    for pattern in patterns:
        if len(pattern) > LONGEST_PATTERN:
            yield f"a pattern of {len(pattern)} characters is longer than {LONGEST_PATTERN}"
            continue
        try:
            tried = ways(pattern)
        except ValueError as error:
            yield f"`{pattern}` is no regular expression: {error}"
            continue
        in_all += tried
        if tried > MOST_WAYS:
            yield f"`{pattern}` could search in a name for ever: it repeats what repeats, or leaves too much open"
    if in_all > MOST_IN_ALL:
        yield f"its patterns leave so much open that a name would be searched for {MOST_IN_ALL} ways and more"


def _patterns(value: object) -> Iterator[str]:
    """Yield the regular expressions anywhere in the data."""
    match value:
        case {"regex": str(pattern)}:
            yield pattern
        case dict():
            for part in cast("dict[str, object]", value).values():
                yield from _patterns(part)
        case list():
            for part in cast("list[object]", value):
                yield from _patterns(part)
        case _:
            pass


def _rate_faults(prices: Mapping[str, Any]) -> Iterator[str]:
    for key, value in prices.items():
        if value is None:
            continue
        most = MOST_USD_PER_MTOK if key.endswith("_mtok") else MOST_PER_COUNT
        rates = [value] if isinstance(value, Decimal) else [value.base, *(tier.price for tier in value.tiers)]
        starts = [] if isinstance(value, Decimal) else [tier.start for tier in value.tiers]
        for rate in rates:
            # A NaN answers no to every comparison, so what is right is asked for.
            if not (rate.is_finite() and 0 <= rate <= most):
                yield f"{key} of {rate} USD is no price"
            elif exponent(rate) < 6 - RATE_PLACES:
                yield f"{key} of {text(rate)} USD has more than {RATE_PLACES - 6} digits after the point"
        if any(start < 0 for start in starts):
            yield f"{key} changes at {min(starts)} tokens"


def _unusable(path: Path, what: str) -> ConfigError:
    back = "`tf prices update --forget` goes back to the bundled list"
    return ConfigError((Problem(where=str(path), what=f"{what}; {back}"),))

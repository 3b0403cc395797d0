"""What a client may ask of its own call by headers: only what narrows what the config allows.

`x-tf-route` and `x-tf-class` pin, `x-tf-fallback` says where the call must stay, `x-tf-max-charge` caps it. A name that
is not known is an error, and so is what would widen: a header that nobody heeds would cross where it must not.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import get_args

from tokens_forge.core.book import is_money
from tokens_forge.core.candidates import key_of, match
from tokens_forge.core.config import Boundary, Config, did_you_mean
from tokens_forge.core.config_amounts import units_of
from tokens_forge.core.entries import RouteClass
from tokens_forge.core.errors import MoneyError, RequestError
from tokens_forge.core.money import ZERO, text
from tokens_forge.core.typed import read_typed
from tokens_forge.core.visible import visible

ROUTE, CLASS, FALLBACK, MAX_CHARGE = "x-tf-route", "x-tf-class", "x-tf-fallback", "x-tf-max-charge"

_UNKNOWN = 400
_WIDER = 403
_COUNTS = ("requests", "tokens", "percent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowed:
    """What the headers of a call ask for; empty where they ask for nothing."""

    route: str = ""
    route_class: str = ""
    """Of `RouteClass`."""
    fallback: str = ""
    """Of `Boundary`."""
    max_charge: str = ""
    """An amount, as the ledger writes it."""


NOTHING = Narrowed()


def narrowed(config: Config, key: str, model: str, headers: Mapping[str, str]) -> Narrowed:
    """Return what `headers` (lower-case names to values) ask for a call of `key` for `model`.

    Raises RequestError: 400 for a route, class, word or amount that is none; 403 for what the config does not allow.
    """
    given = headers.keys() & {ROUTE, CLASS, FALLBACK, MAX_CHARGE}
    if not given:
        return NOTHING
    for name in sorted(given):
        if not headers[name]:  # a variable that was not set: who wrote it meant to narrow
            raise RequestError(_UNKNOWN, "empty_header", f"`{name}` is empty: give it a value, or leave it out")
    asked = Narrowed(
        route=headers.get(ROUTE, ""),
        route_class=_one_of(CLASS, headers.get(CLASS, ""), get_args(RouteClass)),
        fallback=_one_of(FALLBACK, headers.get(FALLBACK, ""), get_args(Boundary)),
        max_charge=_amount(config, headers.get(MAX_CHARGE, "")),
    )
    if asked.route and asked.route not in config.route:
        raise _unknown(ROUTE, asked.route, config.route)
    _check_class(config, key, asked)
    _check_candidates(config, model, asked)
    _check_fallback(config, model, asked)
    return asked


def _check_class(config: Config, key: str, asked: Narrowed) -> None:
    """Raise RequestError for a class, pinned by itself or by a route, that the key may not use, or for two classes."""
    of_route = config.route[asked.route].route_class if asked.route else ""
    wanted = asked.route_class or of_route
    if asked.route_class and of_route not in {"", asked.route_class}:
        raise RequestError(
            _UNKNOWN,
            "contradicting_headers",
            f"`{ROUTE}: {asked.route}` is {of_route} and `{CLASS}` says {asked.route_class}: send one of them",
        )
    allowed = key_of(config, key).classes
    if wanted and wanted not in allowed:
        raise _wider(
            f"key `{key}` may not use class `{wanted}`: `[key.{key}] classes` has {', '.join(allowed) or 'none'}"
        )


def _check_candidates(config: Config, model: str, asked: Narrowed) -> None:
    """Raise RequestError for a route or class that serves the model by no candidate."""
    found = match(config, model).candidates
    if not found:
        return  # told as an unknown model
    routes = dict.fromkeys(one.route for one in found)
    if asked.route and asked.route not in routes:
        raise _wider(f"`{visible(model)}` is not answered by route `{asked.route}`: its routes are {', '.join(routes)}")
    classes = dict.fromkeys(one.route_class for one in found)
    if asked.route_class and asked.route_class not in classes:
        raise _wider(
            f"`{visible(model)}` has no route of class `{asked.route_class}`: its classes are {', '.join(classes)}"
        )


def _check_fallback(config: Config, model: str, asked: Narrowed) -> None:
    """Raise RequestError for a boundary that is wider than the model's."""
    words: tuple[str, ...] = get_args(Boundary)
    allowed = match(config, model).boundary
    if asked.fallback and words.index(asked.fallback) > words.index(allowed):
        narrower = ", ".join(words[: words.index(allowed) + 1])
        raise _wider(f"`{FALLBACK}: {asked.fallback}` is wider than the config's `{allowed}`: it takes {narrower}")


def _one_of(header: str, value: str, words: tuple[str, ...]) -> str:
    if value and value not in words:
        raise _unknown(header, value, words)
    return value


def _amount(config: Config, written: str) -> str:
    if not written:
        return ""
    try:
        amount = read_typed(written, known=units_of(config))
    except MoneyError as error:
        raise RequestError(_UNKNOWN, "bad_amount", f"`{MAX_CHARGE}`: {visible(str(error))}") from error
    if amount.value < ZERO or amount.unit in _COUNTS:
        raise RequestError(
            _UNKNOWN, "bad_amount", f"`{MAX_CHARGE}`: `{visible(written)}` is no amount of money, such as `0.05 USD`"
        )
    paid = {balance.unit for balance in config.balance.values() if is_money(balance)}
    known = sorted({*paid, config.report.unit, *config.report.fx})
    if amount.unit not in known:
        what = f"`{MAX_CHARGE}`: nothing here is paid in {amount.unit}, and no rate is known for it: write {known[0]}"
        raise RequestError(_UNKNOWN, "bad_amount", f"{what}{''.join(f' or {unit}' for unit in known[1:])}")
    return f"{text(amount.value)} {amount.unit}"


def _unknown(header: str, value: str, known: Iterable[str]) -> RequestError:
    kind = header.removeprefix("x-tf-")
    what = f"`{header}`: there is no {kind} `{visible(value)[:80]}`.{did_you_mean(value, known)}"
    return RequestError(_UNKNOWN, f"unknown_{kind}", what)


def _wider(what: str) -> RequestError:
    return RequestError(_WIDER, "wider_than_config", f"a header can only narrow: {what}")

"""What to type when a price is missing: the line that sets it, ready but for the figures.

It decides no price and writes none.
"""

import re

from tokens_forge.core.book import is_money, unit_of
from tokens_forge.core.config import CATALOGUE_UNIT, Config, Route, names_asked
from tokens_forge.core.price_check import route_payer

_PLAIN = re.compile(r"[A-Za-z0-9%+,./:=@_-]+")


def price_line(config: Config, candidate: str) -> str:
    """Return the command that gives ROUTE/MODEL its price: ``tf prices set relay gpt-5 --input … --output …``.

    The unit is the paying balance's; where a pool or nobody pays, the catalogue's.
    """
    name, _, upstream_model = candidate.partition("/")
    route = config.route[name]
    payer = config.balance[route_payer(config, name)]
    unit = unit_of(payer) if is_money(payer) else CATALOGUE_UNIT
    model = sheet_name(route, upstream_model)
    words = ("tf", "prices", "set", name, model, "--input", "…", "--output", "…", "--unit", unit)
    return " ".join(word if word == "…" else shell_word(word) for word in words)


def sheet_name(route: Route, upstream_model: str) -> str:
    """Return the name under which the route's sheets for the upstream's model stand, or would.

    That is the upstream's own name, unless the sheets there are stand under a name that clients ask for.
    """
    if upstream_model in route.prices:
        return upstream_model
    return next((name for name in names_asked(route, upstream_model) if name in route.prices), upstream_model)


def shell_word(word: str) -> str:
    """Return a word as a POSIX shell reads it: in quotes where it must be."""
    if _PLAIN.fullmatch(word):
        return word
    quoted = word.replace("'", "'\"'\"'")
    return f"'{quoted}'"

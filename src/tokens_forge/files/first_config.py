"""The text of a first `config.toml`, for the providers that a newcomer already has.

Decides what a provider's table, route and balance look like at first, and nothing about the disk or the ledger:
`tf init` writes the text and posts what is left. The comments in it are the newcomer's first manual.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

import tomli_w

from tokens_forge.core.config import CATALOGUE_UNIT
from tokens_forge.core.errors import ForgeError
from tokens_forge.files.toml_lines import dotted


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A provider of an OpenAI-compatible chat API whose key may be in the environment."""

    name: str
    variable: str
    """Where its own documentation puts the key."""
    base_url: str
    serves: tuple[str, ...]
    """Names that `GET /v1/models` shows, and patterns for the rest."""
    route_class: Literal["direct", "ordinary"] = "direct"


PROVIDERS = (
    # platform.openai.com/docs/api-reference, 2026-11
    Provider(
        name="openai",
        variable="OPENAI_API_KEY",
        base_url="https://api.openai.com/v1",
        serves=("gpt-5", "gpt-5-mini", "gpt-*", "chatgpt-*", "codex-*", "o1*", "o3*", "o4*"),
    ),
    # api-docs.deepseek.com, 2026-11
    Provider(
        name="deepseek",
        variable="DEEPSEEK_API_KEY",
        base_url="https://api.deepseek.com/v1",
        serves=("deepseek-chat", "deepseek-reasoner", "deepseek-*"),
    ),
    # docs.mistral.ai/api, 2026-11
    Provider(
        name="mistral",
        variable="MISTRAL_API_KEY",
        base_url="https://api.mistral.ai/v1",
        serves=("mistral-large-latest", "mistral-*", "ministral-*", "magistral-*", "codestral-*", "devstral-*"),
    ),
    # ai.google.dev/gemini-api/docs/openai, 2026-11
    Provider(
        name="gemini",
        variable="GEMINI_API_KEY",
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        serves=("gemini-2.5-pro", "gemini-2.5-flash", "gemini-*"),
    ),
    # docs.x.ai/docs/api-reference, 2026-11
    Provider(name="xai", variable="XAI_API_KEY", base_url="https://api.x.ai/v1", serves=("grok-4", "grok-*")),
    # platform.moonshot.ai/docs, 2026-11
    Provider(
        name="moonshot",
        variable="MOONSHOT_API_KEY",
        base_url="https://api.moonshot.ai/v1",
        serves=("kimi-k2.5", "kimi-*", "moonshot-*"),
    ),
    # console.groq.com/docs/openai, 2026-11
    Provider(
        name="groq",
        variable="GROQ_API_KEY",
        base_url="https://api.groq.com/openai/v1",
        serves=("llama-3.3-70b-versatile", "openai/gpt-oss-120b", "llama-*", "openai/gpt-oss-*", "meta-llama/*"),
    ),
    # openrouter.ai/docs/quickstart, 2026-11. Its names have the maker before a slash. It resells, from its own credit.
    Provider(
        name="openrouter",
        variable="OPENROUTER_API_KEY",
        base_url="https://openrouter.ai/api/v1",
        serves=("openai/gpt-5", "*/*"),
        route_class="ordinary",
    ),
)
"""In the order of their routes: the widest patterns last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class First:
    """One upstream of the first config, with its route and balance of the same name."""

    name: str
    base_url: str
    credential: str
    serves: tuple[str, ...]
    route_class: Literal["direct", "ordinary", "local"]
    unit: str
    """What its balance is in; empty for a local one, which is free."""


def found(environ: Mapping[str, str]) -> tuple[Provider, ...]:
    """Return the providers whose key is in the environment."""
    return tuple(provider for provider in PROVIDERS if environ.get(provider.variable))


def of_provider(provider: Provider) -> First:
    """Return a provider's part of the config."""
    return First(
        name=provider.name,
        base_url=provider.base_url,
        credential=f"env:{provider.variable}",
        serves=provider.serves,
        route_class=provider.route_class,
        unit=CATALOGUE_UNIT,
    )


def of_url(name: str, base_url: str) -> First:
    """Return the part for an upstream that the user names, which serves whatever it is asked for.

    On this machine it is free and needs no credential; elsewhere its credential is the variable NAME_API_KEY.
    """
    if _is_local(base_url):
        return First(name=name, base_url=base_url, credential="none", serves=("*",), route_class="local", unit="")
    variable = f"{re.sub(r'[^A-Za-z0-9]', '_', name).upper()}_API_KEY"
    return First(
        name=name,
        base_url=base_url,
        credential=f"env:{'_' if variable[0].isdigit() else ''}{variable}",
        serves=("*",),
        route_class="ordinary",
        unit=CATALOGUE_UNIT,
    )


def in_unit(part: First, unit: str) -> First:
    """Return `part` with a balance in `unit`."""
    return replace(part, unit=unit)


def text(parts: Sequence[First], *, key: str, rates: Mapping[str, str]) -> str:
    """Return the config for `parts` and the key that is issued with it.

    `rates` gives the units of a currency for one USD. Raises ForgeError for a balance in a currency without one: what
    a call costs there could not be known.
    """
    blocks = [_HEAD, *(_part(part, rates) for part in parts), _TAIL.format(key=_bare(key))]
    return "\n".join(blocks)


def _part(part: First, rates: Mapping[str, str]) -> str:
    credential = _line("credential", part.credential)
    upstream = f'[upstream.{_bare(part.name)}]\ndialect = "openai"\n{_line("base_url", part.base_url)}{credential}'
    serves = ", ".join(_value(name) for name in part.serves)
    route = (
        f"[route.{_bare(part.name)}]\n{_line('class', part.route_class)}{_line('upstream', part.name)}"
        f"{_line('balance', part.name)}serves = [{serves}]\n"
    )
    if not part.unit:
        return f'[balance.{_bare(part.name)}]\nkind = "free"\n\n{upstream}\n{route}'
    balance = f'[balance.{_bare(part.name)}]\nkind = "prepaid"\n{_line("unit", part.unit)}'
    return f"{balance}\n{upstream}\n{route}{_price(part, rates)}"


def _price(part: First, rates: Mapping[str, str]) -> str:
    if part.unit == CATALOGUE_UNIT:
        return 'price = "list"            # or `{ list = "0.35" }` for 35 % of it, or a sheet of its own prices\n'
    if part.unit not in rates:
        raise ForgeError(
            f"`{part.name}` is in {part.unit} and list prices are in {CATALOGUE_UNIT}: say how many {part.unit} one "
            f"{CATALOGUE_UNIT} is there, `--fx {part.unit}=RATE`"
        )
    return f'price = {{ list = "1", fx = "{rates[part.unit]}" }}   # the list price, {part.unit} for one USD\n'


def _line(name: str, value: str) -> str:
    return f"{name} = {_value(value)}\n"


def _value(text_value: str) -> str:
    """Return a text as TOML writes it, quoted and escaped."""
    return tomli_w.dumps({"x": text_value}).removeprefix("x = ").rstrip("\n")


def _bare(name: str) -> str:
    """Return a name as it stands in a table's header: quoted when it has a dot."""
    return dotted((name,))


def _is_local(base_url: str) -> bool:
    try:
        host = urlsplit(base_url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


_HEAD = """\
# Tokens Forge. `tf check` says what is wrong in here, with the line and what to write instead.
#
# A balance is what pays; what is left in it stands in the ledger (`tf balance`). An upstream is who answers, and
# `credential` says where its key is, never the key itself. A route joins the two, and serves models at a price.
"""

_TAIL = """\
# Names of your own for tools to ask for, and who may answer, in order:
#
#   [model.smart]
#   routes = ["ROUTE/MODEL", "ROUTE/MODEL"]
#   fallback = "class"       # may go on within the class of the first; or "none", "balance", "any"
#
# What a key may use (without a table: everything). `tf keys new NAME` issues further ones.

[key.{key}]
classes = ["direct", "ordinary", "subscription", "local"]
"""

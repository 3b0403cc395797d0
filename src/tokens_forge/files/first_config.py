"""The text of a first `config.toml`, for the providers and subscriptions that a newcomer already has.

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

from tokens_forge.core.config import CATALOGUE_UNIT, CLIENT, Endpoint
from tokens_forge.core.errors import ForgeError
from tokens_forge.core.model_ends import FLAGSHIP, SMALL
from tokens_forge.core.own_tokens import TOKEN_PREFIX
from tokens_forge.files.toml_lines import dotted

Dialect = Literal["openai", "anthropic"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A provider whose key may be in the environment."""

    name: str
    variable: str
    """Where its own documentation puts the key."""
    base_url: str
    serves: tuple[str, ...]
    """Names that `GET /v1/models` shows, and patterns for the rest."""
    route_class: Literal["direct", "ordinary"] = "direct"
    dialect: Dialect = "openai"


_CLAUDE = ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5")

PROVIDERS = (
    # platform.openai.com/docs/api-reference, 2026-11
    Provider(
        name="openai",
        variable="OPENAI_API_KEY",
        base_url="https://api.openai.com/v1",
        serves=(FLAGSHIP, SMALL, "gpt-*", "chatgpt-*", "codex-*", "o1*", "o3*", "o4*"),
    ),
    # docs.anthropic.com/en/api/overview, 2026-11
    Provider(
        name="anthropic",
        variable="ANTHROPIC_API_KEY",
        base_url="https://api.anthropic.com",
        serves=(*_CLAUDE, "claude-*"),
        dialect="anthropic",
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
        serves=("kimi-k3", "kimi-*", "moonshot-*"),
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
        serves=(f"openai/{FLAGSHIP}", "*/*"),
        route_class="ordinary",
    ),
)
"""In the order of their routes: the widest patterns last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A plan that is paid by the month and used by the login of a tool."""

    name: str
    tool: str
    """The tool of `tf connect` that has the login."""
    base_url: str
    serves: tuple[str, ...]
    dialect: Dialect
    endpoints: tuple[Endpoint, ...] = ()
    """What its upstream has, where that is not what its dialect has."""
    passes: tuple[str, ...] = ()


SUBSCRIPTIONS = (
    # Claude Code's page "LLM gateway configuration": a login's own token goes to the base URL. 2026-11
    Subscription(
        name="claude",
        tool="claude-code",
        base_url="https://api.anthropic.com",
        serves=(*_CLAUDE, "claude-*"),
        dialect="anthropic",
    ),
    # openai/codex, `model-provider-info/src/lib.rs` (the base URL of a ChatGPT login) and `codex-api/src/endpoint`
    # (`responses`, `responses/compact` and `models` after it). 2026-11
    Subscription(
        name="codex",
        tool="codex",
        base_url="https://chatgpt.com/backend-api/codex",
        serves=("gpt-5.3-codex", "gpt-*", "codex-*"),
        dialect="openai",
        endpoints=("responses",),
        passes=("GET /models",),
    ),
)
"""Subscriptions whose tools can keep their login."""


@dataclass(frozen=True, slots=True, kw_only=True)
class First:
    """One upstream of the first config, with its route and balance of the same name."""

    name: str
    base_url: str
    credential: str
    serves: tuple[str, ...]
    route_class: Literal["direct", "ordinary", "subscription", "local"]
    unit: str
    """The money that its balance is in; empty for a local one, which is free, and for a subscription."""
    dialect: Dialect = "openai"
    subscription: Subscription | None = None
    """The plan that pays, where one does."""


def found(environ: Mapping[str, str]) -> tuple[Provider, ...]:
    """Return the providers whose key is in the environment. A token of tf's own there is a tool's, not a provider's."""
    said = ((provider, environ.get(provider.variable, "")) for provider in PROVIDERS)
    return tuple(provider for provider, key in said if key and not key.startswith(TOKEN_PREFIX))


def of_provider(provider: Provider) -> First:
    """Return a provider's part of the config."""
    return First(
        name=provider.name,
        base_url=provider.base_url,
        credential=f"env:{provider.variable}",
        serves=provider.serves,
        route_class=provider.route_class,
        unit=CATALOGUE_UNIT,
        dialect=provider.dialect,
    )


def of_subscription(subscription: Subscription) -> First:
    """Return a subscription's part of the config."""
    return First(
        name=subscription.name,
        base_url=subscription.base_url,
        credential=CLIENT,
        serves=subscription.serves,
        route_class="subscription",
        unit="",
        dialect=subscription.dialect,
        subscription=subscription,
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
    """Return the config for `parts` and the key that is issued with it, if it has a name.

    `rates` gives the units of a currency for one USD. Raises ForgeError for a balance in a currency without one: what
    a call costs there could not be known.
    """
    tail = _KEY.format(key=_bare(key)) if key else ""
    return "\n".join((_HEAD, blocks(parts, rates=rates), _TAIL + tail))


def blocks(parts: Sequence[First], *, rates: Mapping[str, str]) -> str:
    """Return the tables of `parts` alone, as `text` does."""
    return "\n".join(_part(part, rates) for part in parts)


def _part(part: First, rates: Mapping[str, str]) -> str:
    serves = ", ".join(_value(name) for name in part.serves)
    upstream = (
        f"[upstream.{_bare(part.name)}]\n{_line('dialect', part.dialect)}{_line('base_url', part.base_url)}"
        f"{_line('credential', part.credential)}"
    )
    route = (
        f"[route.{_bare(part.name)}]\n{_line('class', part.route_class)}{_line('upstream', part.name)}"
        f"{_line('balance', part.name)}serves = [{serves}]\n"
    )
    if part.subscription:
        pattern = next(name for name in part.serves if "*" in name)
        used_up = _USED_UP.format(pattern=_value(pattern))
        return f"{_POOL.format(name=_bare(part.name))}\n{upstream}{_of_login(part.subscription)}\n{route}{used_up}"
    if not part.unit:
        return f'[balance.{_bare(part.name)}]\nkind = "free"\n\n{upstream}\n{route}'
    balance = f'[balance.{_bare(part.name)}]\nkind = "prepaid"\n{_line("unit", part.unit)}'
    return f"{balance}\n{upstream}\n{route}{_price(part, rates)}"


def _of_login(subscription: Subscription) -> str:
    """Return what an upstream has besides, which takes the login of its caller."""
    login = f"# `client`: the login of the tool itself, by `tf connect {subscription.tool} --login keep`.\n"
    lists = (("endpoints", subscription.endpoints), ("passes", subscription.passes))
    return login + "".join(f"{name} = [{', '.join(_value(one) for one in said)}]\n" for name, said in lists if said)


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

_POOL = """\
[balance.{name}]
kind = "pool"
unit = "percent"
windows = "provider"      # its own headers say how much is used, and when that begins anew
"""

_USED_UP = """\
# Used up, it refuses. Another route goes on only by a table `[model.{pattern}]`: its `routes`, and `fallback = "any"`.
"""

_TAIL = """\
# Names of your own for tools to ask for, and who may answer, in order:
#
#   [model.smart]
#   routes = ["ROUTE/MODEL", "ROUTE/MODEL"]
#   fallback = "class"       # may go on within the class of the first; or "none", "balance", "any"
#
# What a key may use (without a table: everything). `tf keys new NAME` issues further ones.
"""

_KEY = """
[key.{key}]
classes = ["direct", "ordinary", "subscription", "local"]
"""

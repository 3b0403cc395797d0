"""Cooldowns ended by hand, on a running proxy or without one.

`ended_by_hand` turns an order into the entries to append, or says why not. What a cooldown passes over, and what else
ends one, is `core/health.py`'s part.
"""

from tokens_forge.core.adjustment import Unadjusted
from tokens_forge.core.config import Config, did_you_mean
from tokens_forge.core.entries import Record, Recovered
from tokens_forge.core.health import CooldownShown, Health

BY_HAND = "hand"
"""`by` of such an entry."""


class RecoverOrder(Record, frozen=True, kw_only=True):
    """What the user asks for, as it also goes over the control socket."""

    name: str
    """A candidate (ROUTE/MODEL), a route (all its candidates), an upstream or a balance."""


def ended_by_hand(order: RecoverOrder, config: Config, health: Health, at: str) -> tuple[Recovered, ...] | Unadjusted:
    """Return what ends every cooldown that the name means at `at`, or why there is none, with the next step.

    A cooldown whose time is over counts too: until a probe ends well it keeps its level, and passes over what would
    come beside the probe.
    """
    cooldowns = health.shown(at)
    found = tuple(
        Recovered(scope=cooldown.scope, name=cooldown.name, by=BY_HAND)
        for cooldown in cooldowns
        if _means(health, order.name, cooldown)
    )
    return found or Unadjusted(why=_why(order.name, config, cooldowns))


def _means(health: Health, name: str, cooldown: CooldownShown) -> bool:
    """Say whether a name, or an earlier one, means what cools; a route's means each of its candidates."""
    key = health.key(cooldown.scope, cooldown.name)
    if cooldown.scope == "candidate" and "/" not in name:
        return key.startswith(health.key("candidate", f"{name}/"))
    return key == health.key(cooldown.scope, name)


def _why(name: str, config: Config, cooldowns: tuple[CooldownShown, ...]) -> str:
    if not cooldowns:
        return "nothing cools: there is nothing to end"
    route = config.route.get(name.partition("/")[0])
    if route is not None:
        touched = (("balance", route.balance), ("upstream", route.upstream))
        behind = next((one for one in cooldowns if (one.scope, one.name) in touched), None)
        if behind is not None:
            instead = f"`tf routes recover {behind.name}`"
            return f"`{name}` itself does not cool: its {behind.scope} `{behind.name}` does. To end that, {instead}"
    return f"nothing called `{name}` cools.{did_you_mean(name, (cooldown.name for cooldown in cooldowns))}"

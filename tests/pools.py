"""Ledgers with a pool: calls that it paid, and its fees."""

from datetime import date, timedelta

import msgspec
from ledgers import DAY, Ledger, at, call_id, held_relay, routed, settled_relay

from tokens_forge.core.entries import Adjusted, ChargeLine

POOL = "coding-plan"


def paid_pool(ledger: Ledger, clock: str, n: int = 1, day: str = DAY, **changes: object) -> str:
    """Append a whole call that the pool paid by one request; return its id. `changes` are the settled entry's.

    At list price it is 0.0036 USD.
    """
    call = call_id(at(clock, day), n)
    held = held_relay(call, route="plan", route_class="subscription", balance=POOL, hold="1", unit="requests")
    settled = settled_relay(
        call,
        route="plan",
        route_class="subscription",
        balance=POOL,
        card=None,
        lines=(ChargeLine(usage_class="requests", quantity=1, rate="1", amount="1"),),
        charge="1",
        unit="requests",
        saving="0.0036",
        hold="1",
    )
    settled = msgspec.structs.replace(settled, **changes)
    held = msgspec.structs.replace(held, balance=settled.balance, unit=settled.unit)
    ledger.add(at(clock, day), routed(call), held, settled)
    return call


def fee(first: str, days: int = 30, amount: str = "30.00 USD", **changes: object) -> Adjusted:
    """Return the entry of a pool's fee for so many days from `first` on."""
    last = date.fromisoformat(first) + timedelta(days=days - 1)
    entry = Adjusted(
        balance=POOL,
        amount="0",
        unit="requests",
        reason="fee",
        fee=amount,
        effective=first,
        expires=last.isoformat(),
    )
    return msgspec.structs.replace(entry, **changes)

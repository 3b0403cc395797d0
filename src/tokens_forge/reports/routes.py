"""How routes are now and did of late: each candidate's health, and how its attempts of a period ended.

Attempts are counted, not calls, at the moment at which they ended. What an upstream has no part in (its client left, we
stopped) is counted, and left out of the share that succeeded. It decides nothing: who is tried is `core/routing.py`'s
part.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tokens_forge.core.book import BalanceShown
from tokens_forge.core.entries import Outcome, Renamed, candidate_name
from tokens_forge.core.fallback import OURS
from tokens_forge.core.health import CooldownShown, RetryBudget
from tokens_forge.core.moments import stamp
from tokens_forge.core.route_health import CandidateHealth, RouteShown, candidate_health
from tokens_forge.files.pages import BadLine, pages
from tokens_forge.reports.periods import Period
from tokens_forge.reports.source import attempts, sql

LOST: Outcome = "lost"
"""The outcome of an attempt that a start found open: it has no word of its own, and our process ended under it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """How a candidate's attempts of a period ended."""

    ended: int = 0
    ok: int = 0
    ours: int = 0
    """Those that say nothing about the upstream (`is_ours`)."""
    retries: int = 0
    """Those that tried the same candidate again."""
    fallbacks: int = 0
    """Those that came here because another candidate was passed over or failed."""
    first_byte_p50_ms: float | None = None
    """Half of the complete replies began within so many ms; None where none did."""
    first_byte_p95_ms: float | None = None
    words: dict[str, int] = field(default_factory=dict[str, int])
    """Those that are not ``ok`` by our word for what happened, most often first."""

    @property
    def tenths(self) -> int | None:
        """Tenths of a percent that succeeded, cut; None where nothing tells."""
        told = self.ended - self.ours
        return self.ok * 1000 // told if told else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRow:
    """A candidate: how it is, and how it did."""

    health: CandidateHealth
    attempts: Attempts


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """The answer to `tf routes`."""

    at: str
    """The moment of everything that is as of now."""
    running: bool
    """Whether a proxy runs."""
    period: Period
    """Of the attempts."""
    rows: tuple[RouteRow, ...]
    """By the config's routes; then candidates whose route is gone."""
    cooldowns: tuple[CooldownShown, ...]
    retry_budget: RetryBudget
    left_out: tuple[BadLine, ...] = ()
    """Lines that can't be read: attempts in them are not counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRows:
    """Every candidate, and what could not be read of their attempts."""

    rows: tuple[RouteRow, ...]
    left_out: tuple[BadLine, ...] = ()


def route_rows(  # noqa: PLR0913 - which ledger, of when, and all that is as of now
    folder: Path,
    period: Period,
    *,
    routes: Sequence[RouteShown],
    cooldowns: Sequence[CooldownShown],
    balances: Sequence[BalanceShown],
    renamed: Sequence[Renamed] = (),
) -> RouteRows:
    """Return every candidate that is named by the config or was used, with its attempts of `period`.

    `renamed` are new names that the ledger does not know yet.
    """
    found, left_out = _ended(folder, period, renamed) if pages(folder) else ({}, ())
    rows: list[RouteRow] = []
    for route in routes:
        used = [model for name, model in found if name == route.route]
        for model in dict.fromkeys((*route.models, *used)):
            health = candidate_health(route, model, cooldowns, balances)
            _upstream, _balance, ended = found.pop((route.route, model), ("", "", Attempts()))
            rows.append(RouteRow(health=health, attempts=ended))
    gone = (
        RouteRow(
            health=CandidateHealth(
                candidate=candidate_name(route, model),
                route=route,
                upstream_model=model,
                upstream=upstream,
                balance=balance,
                health="not_in_config",
            ),
            attempts=ended,
        )
        for (route, model), (upstream, balance, ended) in found.items()
    )
    return RouteRows(rows=(*rows, *gone), left_out=left_out)


def is_ours(word: str) -> bool:
    """Say whether an end of this word says nothing about the upstream."""
    return word in OURS or word == LOST


def document(answer: Routes) -> dict[str, object]:
    """Return the answer in the shape of ``tf routes --json``: null for what is not known or does not apply."""
    return {
        "at": answer.at,
        "running": answer.running,
        "from": stamp(answer.period.since),
        "to": stamp(answer.period.until),
        "routes": [_row(row) for row in answer.rows],
        "cooldowns": [_cooldown(found) for found in answer.cooldowns],
        "retry_budget": answer.retry_budget,
        "left_out": [line.document() for line in answer.left_out],
    }


def _row(row: RouteRow) -> dict[str, object]:
    health, ended = row.health, row.attempts
    return {
        "candidate": health.candidate,
        "route": health.route,
        "upstream_model": health.upstream_model,
        "class": health.route_class or None,
        "upstream": health.upstream,
        "balance": health.balance,
        "health": health.health,
        "until": health.until or None,
        "available": health.available or None,
        "unit": health.unit or None,
        "concurrency": health.concurrency or None,
        "under_way": health.under_way,
        "cooldown": None if health.cooldown is None else _cooldown(health.cooldown),
        "attempts": ended.ended,
        "ok": ended.ok,
        "not_counted": ended.ours,
        "success": None if ended.tenths is None else f"{ended.tenths // 1000}.{ended.tenths % 1000:03}",
        "first_byte_p50_ms": ended.first_byte_p50_ms,
        "first_byte_p95_ms": ended.first_byte_p95_ms,
        "retries": ended.retries,
        "fallbacks": ended.fallbacks,
        "not_ok": ended.words,
    }


def _cooldown(found: CooldownShown) -> dict[str, object]:
    return {
        "scope": found.scope,
        "name": found.name,
        "state": found.state,
        "until": found.until,
        "level": found.level,
        "error": found.error,
        "causes": found.causes,
        "probe": found.probe or None,
    }


def _ended(
    folder: Path, period: Period, renamed: Sequence[Renamed]
) -> tuple[dict[tuple[str, str], tuple[str, str, Attempts]], tuple[BadLine, ...]]:
    """Return upstream, balance and attempts by route and upstream's model, and the lines that were left out."""
    with attempts(folder, period, renamed) as ended:
        words: dict[tuple[str, str], dict[str, int]] = {}
        for route, model, word, number in ended.connection.execute(sql("words.sql")).fetchall():
            words.setdefault((route, model), {})[word] = number
        rows = ended.connection.execute(sql("candidates.sql"), {"ours": [*sorted(OURS), LOST]}).fetchall()
    by_candidate = {
        (route, model): (
            upstream,
            balance,
            Attempts(
                ended=number,
                ok=ok,
                ours=ours,
                retries=retries,
                fallbacks=fallbacks,
                first_byte_p50_ms=p50_ms,
                first_byte_p95_ms=p95_ms,
                words=words.get((route, model), {}),
            ),
        )
        for route, model, upstream, balance, number, ok, ours, retries, fallbacks, p50_ms, p95_ms in rows
    }
    return by_candidate, ended.left_out

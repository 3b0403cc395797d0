"""Cooldowns: who may be tried at a moment, and when something starts or stops to cool.

`Health.apply` is the only thing that changes it, live and on replay alike. `cooled`, `recovered` and `announced` say
what to append after an attempt ended, in this order; the time comes from the entry's stamp.

A cooldown of level 0 was announced by headers before any failure. It ends at its moment: the reset is a fact, so all
may try then and not one probe alone. No failure is behind it, so it neither doubles the time of one nor spares it
its three in a row.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, assert_never

import msgspec

from tokens_forge.core.book import follow_name, heard
from tokens_forge.core.entries import (
    AnyEntry,
    Cooled,
    Held,
    Reason,
    Record,
    Recovered,
    Renamed,
    Scope,
    Settled,
    Voided,
    attempt_name,
    candidate_name,
)
from tokens_forge.core.fallback import MENDED, SHORT_WAIT_S, asked_wait_s, cooling_ms, row_of
from tokens_forge.core.limits import begins_anew, used_up
from tokens_forge.core.moments import later

RETRIES_AT_LEAST = 3
"""So many retries a minute are always allowed."""

RETRIES_SHARE = 5
"""Beyond that, one retry for so many calls of the last minute."""

LIMIT_REACHED = "limit_reached"
"""The word for a cooldown that headers announce."""

MOST_KNOWN = 1_024
"""So many cooldowns that are over, and so many failures in a row, are remembered."""

CoolingState = Literal["cooling", "probing", "probe_due"]
"""What a cooldown is at: its time runs; an attempt tries whether it may end; the next call will be that attempt."""


class Cooldown(msgspec.Struct, kw_only=True):
    """Something is passed over until a moment; after it one probe may try."""

    until: str
    level: int
    """Failures behind it that doubled its time, from 1; 0 when headers announced it."""
    error: str
    probe: str = ""
    """The attempt under way that tries whether it is well again."""
    probed: str = ""
    """The probe that ended last. What it showed counts; what was under way before the cooldown shows nothing new."""
    causes: tuple[str, ...] = ()
    """The attempts behind it: ID/N. A fold that was written before causes were kept has none."""


class Second(msgspec.Struct, kw_only=True):
    """What was attempted in one second."""

    calls: int = 0
    retries: int = 0


class CooldownShown(Record, frozen=True, kw_only=True):
    """A cooldown at a moment: what screens and commands show."""

    scope: Scope
    name: str
    state: CoolingState
    until: str
    """The moment until which it is passed over; past, where a probe is under way or due."""
    level: int
    error: str
    causes: tuple[str, ...] = ()
    """The attempts behind it: ID/N."""
    probe: str = ""
    """The attempt under way that tries whether it is well again: ID/N."""


class RetryBudget(Record, frozen=True, kw_only=True):
    """The retries of the last minute."""

    calls: int
    """Calls with a first attempt in it."""
    used: int
    allowed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What an attempt would touch."""

    candidate: str
    upstream: str
    balance: str

    def name(self, scope: Scope) -> str:
        """Return the name that a cooldown of `scope` has here."""
        match scope:
            case "candidate":
                return self.candidate
            case "upstream":
                return self.upstream
            case "balance":
                return self.balance
            case _:
                assert_never(scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Why something may not be tried now."""

    reason: Reason
    until: str
    error: str


class Health(msgspec.Struct, kw_only=True):
    """All cooldowns and what leads to them."""

    cooldowns: dict[str, Cooldown] = {}
    """By SCOPE NAME."""
    failures: dict[str, int] = {}
    """Failures in a row by SCOPE NAME."""
    seconds: dict[str, Second] = {}
    """The last minute, by stamp to the second."""
    names: dict[str, str] = {}
    """Earlier names of balances and routes (SCOPE NAME) to the name now: calls under way know the earlier one."""

    def apply(self, ts: str, entry: AnyEntry) -> None:
        """Follow `entry`, appended at `ts`."""
        match entry:
            case Held():
                self._held(ts, entry)
            case Settled() | Voided():
                self._ended(entry)
            case Cooled():
                key = self.key(entry.scope, entry.name)
                before = self.cooldowns.get(key)
                until = max(entry.until, before.until) if before else entry.until  # deadlines only extend
                # A probe's success says nothing of a limit that was announced after it began.
                probe = before.probe if before and before.level and entry.error != LIMIT_REACHED else ""
                self.cooldowns[key] = Cooldown(
                    until=until, level=entry.level, error=entry.error, probe=probe, causes=entry.causes
                )
                self._forget(ts)
            case Recovered():
                key = self.key(entry.scope, entry.name)
                self.cooldowns.pop(key, None)
                self.failures.pop(key, None)
            case Renamed():
                was, name = f"{entry.scope} {entry.was}", f"{entry.scope} {entry.name}"
                self.names = follow_name(self.names, was, name)
                self.cooldowns = {self._now(key): known for key, known in self.cooldowns.items()}
                self.failures = {self._now(key): number for key, number in self.failures.items()}
            case _:
                pass

    def _forget(self, ts: str) -> None:
        """Forget what was over longest, and failures of long ago: clients make names up, and a fold stays small."""
        if len(self.cooldowns) > MOST_KNOWN:
            over = [key for key, known in self.cooldowns.items() if known.until <= ts and not known.probe]
            for key in over[: len(self.cooldowns) - MOST_KNOWN]:
                del self.cooldowns[key]

    def obstacle(self, target: Target, at: str) -> Obstacle | None:
        """Return why `target` may not be tried at `at`, or None. A money reason goes before a wait."""
        if not self.cooldowns:
            return None
        for scope in _SCOPES:
            cooldown = self.cooldowns.get(self.key(scope, target.name(scope)))
            if cooldown is None:
                continue
            if at < cooldown.until:
                reason: Reason = "balance_empty_upstream" if scope == "balance" else "cooling"
                return Obstacle(reason=reason, until=cooldown.until, error=cooldown.error)
            if cooldown.probe and cooldown.level:
                return Obstacle(reason="probing", until="", error=cooldown.error)
        return None

    def key(self, scope: Scope, name: str) -> str:
        """Return SCOPE NAME of what is or was called `name`, by its name now; a candidate follows its route."""
        return self._now(f"{scope} {name}")

    def _now(self, key: str) -> str:
        if not key.startswith("candidate "):
            return self.names.get(key, key)
        route, _, model = key.removeprefix("candidate ").partition("/")
        return f"candidate {self.names.get(f'route {route}', f'route {route}').removeprefix('route ')}/{model}"

    def _keys(self, entry: Held | Settled | Voided) -> tuple[str, ...]:
        target = _target(entry)
        return tuple(self.key(scope, target.name(scope)) for scope in _SCOPES)

    def may_retry(self, at: str) -> bool:
        """Say whether one more retry keeps within the share of the last minute's calls."""
        budget = self.retry_budget(at)
        return budget.used < budget.allowed

    def retry_budget(self, at: str) -> RetryBudget:
        """Return how many retries the minute before `at` had and may have."""
        from_second = _second(later(at, -60_000))
        minute = [second for stamp, second in self.seconds.items() if stamp > from_second]
        calls = sum(second.calls for second in minute)
        used = sum(second.retries for second in minute)
        return RetryBudget(calls=calls, used=used, allowed=max(RETRIES_AT_LEAST, calls // RETRIES_SHARE))

    def shown(self, at: str) -> tuple[CooldownShown, ...]:
        """Return the cooldowns as they are at `at`: of balances, upstreams and candidates, oldest first."""
        return tuple(
            _shown(scope, key.removeprefix(f"{scope} "), cooldown, at)
            for scope in _SCOPES
            for key, cooldown in self.cooldowns.items()
            if key.startswith(f"{scope} ")
        )

    def candidates(self) -> tuple[str, ...]:
        """Return the candidates that cool, or did and were not well since."""
        return tuple(key.removeprefix("candidate ") for key in self.cooldowns if key.startswith("candidate "))

    def _held(self, ts: str, entry: Held) -> None:
        now = _second(ts)
        if now not in self.seconds:
            from_second = _second(later(ts, -60_000))
            self.seconds = {stamp: second for stamp, second in self.seconds.items() if stamp > from_second}
        second = self.seconds.setdefault(now, Second())
        second.calls += entry.n == 1
        second.retries += entry.role == "retry" and not _is_free_of_budget(entry)
        for key in self._keys(entry):
            cooldown = self.cooldowns.get(key)
            if cooldown is not None and cooldown.until <= ts and not cooldown.probe:
                cooldown.probe = attempt_name(entry.id, entry.n)

    def _ended(self, entry: Settled | Voided) -> None:
        attempt = attempt_name(entry.id, entry.n)
        for key in self._keys(entry):
            cooldown = self.cooldowns.get(key)
            if cooldown is not None and cooldown.probe == attempt:
                cooldown.probe, cooldown.probed = "", attempt
        cooling = row_of(entry).cooling
        if cooling is not None:
            key = self.key(cooling.scope, _target(entry).name(cooling.scope))
            self.failures[key] = self.failures.pop(key, 0) + 1  # the one that failed last stands at the end
            if len(self.failures) > MOST_KNOWN:
                del self.failures[next(iter(self.failures))]
        elif entry.outcome == "ok":
            for key in self._keys(entry):
                self.failures.pop(key, None)


def cooled(health: Health, entry: Settled | Voided, ts: str) -> Cooled | None:
    """Return the cooldown that the end of an attempt starts or extends, or None.

    `health` has `entry` applied, and `ts` is its stamp. Only a probe's failure raises the level: attempts that were
    under way when the cooldown began fail together, however long after.
    """
    cooling = row_of(entry).cooling
    if cooling is None:
        return None
    key, attempt = health.key(cooling.scope, _target(entry).name(cooling.scope)), attempt_name(entry.id, entry.n)
    before = health.cooldowns.get(key)
    if (before is None or not before.level) and health.failures[key] < cooling.after:
        return None
    level = before.level + (before.probed == attempt) if before and before.level else 1
    until = later(ts, cooling_ms(cooling, level=level, asked_s=asked_wait_s(entry)))
    if before is not None and until <= before.until:
        return None
    name = key.removeprefix(f"{cooling.scope} ")
    return Cooled(scope=cooling.scope, name=name, until=until, level=level, error=entry.error, causes=(attempt,))


def recovered(health: Health, entry: Settled) -> tuple[Recovered, ...]:
    """Return the cooldowns that a probe's complete reply ends. `health` has `entry` applied.

    A reply to what was sent before the cooldown ends none: a used-up quota lets the older streams finish (CASES 39).
    """
    if entry.outcome != "ok":
        return ()
    return _ended_by(health, entry, lambda cooldown: cooldown.probed)


def begun(health: Health, held: Held) -> tuple[Recovered, ...]:
    """Return the cooldowns that a probe ends whose stream has begun: it was taken, and may go on for an hour."""
    return _ended_by(health, held, lambda cooldown: cooldown.probe)


def _ended_by(health: Health, entry: Held | Settled, probe_of: Callable[[Cooldown], str]) -> tuple[Recovered, ...]:
    """Return the end of each cooldown whose probe an attempt is."""
    target, attempt = _target(entry), attempt_name(entry.id, entry.n)
    return tuple(
        Recovered(scope=scope, name=key.removeprefix(f"{scope} "), by=attempt)
        for scope in _SCOPES
        if (cooldown := health.cooldowns.get(key := health.key(scope, target.name(scope))))
        and probe_of(cooldown) == attempt
    )


def announced(health: Health, entry: Settled | Voided, ts: str) -> Cooled | None:
    """Return the cooldown of a candidate whose headers say that nothing is left of a limit, until its reset, or None.

    `health` has `entry` and what it recovered applied, and `ts` is its stamp. The next call then goes elsewhere without
    an attempt that is known to fail. A wait that the upstream asks for goes before what its limits say, and a reset
    that is no further than a wait that is waited for is none.
    """
    if asked_wait_s(entry) is not None:
        return None
    came = heard(entry, ts)
    until = max((begins_anew(limit, came) for limit in entry.limits if used_up(limit)), default="")
    key = health.key("candidate", _target(entry).candidate)
    before = health.cooldowns.get(key)
    if until <= later(ts, int(SHORT_WAIT_S * 1000)) or (before is not None and until <= before.until):
        return None
    return Cooled(
        scope="candidate",
        name=key.removeprefix("candidate "),
        until=until,
        level=before.level if before else 0,
        error=LIMIT_REACHED,
        causes=(attempt_name(entry.id, entry.n),),
    )


def topped_up(health: Health, balance: str) -> Recovered | None:
    """Return what ends a balance's being empty after a top-up, or None when it was not."""
    if health.key("balance", balance) not in health.cooldowns:
        return None
    return Recovered(scope="balance", name=balance, by="topup")


def _is_free_of_budget(retry: Held) -> bool:
    """Say whether a retry is none of a failure: the request was mended, or the upstream named when to come again."""
    return retry.waited_ms > 0 or (retry.cause is not None and retry.cause.error in {MENDED, "rate_limited"})


_SCOPES: tuple[Scope, ...] = ("balance", "upstream", "candidate")


def _shown(scope: Scope, name: str, cooldown: Cooldown, at: str) -> CooldownShown:
    return CooldownShown(
        scope=scope,
        name=name,
        state="cooling" if at < cooldown.until else "probing" if cooldown.probe else "probe_due",
        until=cooldown.until,
        level=cooldown.level,
        error=cooldown.error,
        causes=cooldown.causes,
        probe=cooldown.probe,
    )


def _target(entry: Held | Settled | Voided) -> Target:
    return Target(
        candidate=candidate_name(entry.route, entry.upstream_model), upstream=entry.upstream, balance=entry.balance
    )


def _second(ts: str) -> str:
    return ts[:19]

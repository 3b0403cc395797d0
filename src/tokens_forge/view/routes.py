"""Whether routes are fine: each candidate's health, how its attempts ended of late, and what cools and why.

A line says a candidate's health in a word and its figures; what stands against it, and what went wrong, is told below
it in words. It reads without colour and at 80 columns; it decides nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tokens_forge.core.health import CooldownShown
from tokens_forge.core.moments import moment
from tokens_forge.core.route_health import CandidateHealth, HealthWord
from tokens_forge.core.story import clock
from tokens_forge.core.visible import visible
from tokens_forge.reports.routes import Attempts, RouteRow, Routes, is_ours
from tokens_forge.view.figures import NONE, amount, count, duration, shown

_WORDS: dict[HealthWord, tuple[str, str]] = {
    "ok": ("ok", "bold green"),
    "no_price": ("no price", "bold red"),
    "cooling": ("cooling", "bold red"),
    "probing": ("probing", "bold yellow"),
    "busy": ("busy", "bold yellow"),
    "probe_due": ("probe due", "bold yellow"),
    "balance_empty_upstream": ("empty", "bold red"),
    "balance_short": ("no money", "bold red"),
    "pool_used_up": ("used up", "bold red"),
    "not_in_config": ("gone", "dim"),
}
"""What each is called in a line, and its style."""

_PLAIN = {
    "no_price": "nobody says what it costs, so its calls are refused: `tf check` names the command",
    "not_in_config": "its route is gone from the config",
    "busy": "as many attempts are under way at its upstream as it takes: the next call waits for its turn",
}
"""What stands against a candidate that is told alone."""

_COLUMNS = (("\nhealth", 9), ("\nattempts", 8), ("\nok", 6), ("first byte\np50", 10), ("\np95", 9))
_MORE_COLUMNS = (("\nretries", 7), ("\nfallbacks", 9))
"""Where there is room; else these figures are told below a candidate."""

_HEALTH = _COLUMNS[0][0]

_GAP = 2
"""Cells between columns; what belongs to a route, and below a candidate, is as much further in."""

_MARKED, _RED = 900, 500
"""Tenths of a percent: a smaller share of complete replies is marked; a smaller one still is red."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """The columns that have room."""

    name: int
    """Cells of the first one."""
    columns: tuple[tuple[str, int], ...]
    """Header and cells of the others."""


def routes_view(answer: Routes) -> RenderableType:
    """Return what to print for an answer that has candidates."""
    return _RoutesView(answer)


class _RoutesView:
    """The whole picture, laid out for the screen that it is on."""

    def __init__(self, answer: Routes) -> None:
        self._answer = answer

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        answer = self._answer
        layout = _layout(answer.rows, options.max_width)
        yield Text.assemble(("Routes now", "bold"), f", and their attempts of {answer.period.label}")
        if not answer.running:
            yield Text("no proxy runs here: health is what the ledger says", style="dim")
        yield _line(layout, ("", *(Text(header, style="dim") for header, _width in layout.columns)))
        for _route, rows in groupby(answer.rows, key=lambda row: row.health.route):
            group = tuple(rows)
            yield _route_line(group[0].health)
            for row in group:
                yield _line(layout, _cells(row, layout))
                for note in _notes(row, answer.at, told=layout.columns):
                    yield Padding(note, (0, 0, 0, 2 * _GAP))
        yield from _shared(answer)
        yield _retries(answer)


def _layout(rows: Sequence[RouteRow], width: int) -> _Layout:
    """Return as wide a first column as the longest model wants, and further columns where they fit beside it."""
    wanted = max(_GAP + cell_len(visible(row.health.upstream_model)) for row in rows)
    for columns in ((*_COLUMNS, *_MORE_COLUMNS), _COLUMNS):
        left = width - sum(_GAP + cells for _header, cells in columns)
        if left >= wanted:
            return _Layout(name=wanted, columns=columns)
    return _Layout(name=max(left, _GAP + 1), columns=_COLUMNS)


def _line(layout: _Layout, cells: Sequence[RenderableType]) -> Table:
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, show_header=False)
    table.add_column(width=layout.name, overflow="fold")
    for header, width in layout.columns:
        table.add_column(width=width, justify="left" if header == _HEALTH else "right", overflow="fold")
    table.add_row(*cells)
    return table


def _route_line(health: CandidateHealth) -> Text:
    what = ", ".join(part for part in (health.route_class, health.upstream) if part)
    turns = f"; {health.under_way} of {health.concurrency} attempts under way" if health.concurrency else ""
    return Text.assemble(
        (visible(health.route), "bold"), (visible(f"  {what}, paid by {health.balance}{turns}"), "dim")
    )


def _cells(row: RouteRow, layout: _Layout) -> tuple[RenderableType, ...]:
    word, style = _WORDS[row.health.health]
    ended = row.attempts
    figures = (
        Text(word, style=style),
        count(ended.ended) if ended.ended else NONE,
        _share(ended),
        _ms(ended.first_byte_p50_ms),
        _ms(ended.first_byte_p95_ms),
        count(ended.retries) if ended.retries else NONE,
        count(ended.fallbacks) if ended.fallbacks else NONE,
    )
    name = Padding(shown(row.health.upstream_model), (0, 0, 0, _GAP))
    return (name, *figures[: len(layout.columns)])


def _share(ended: Attempts) -> Text:
    """Return the share that succeeded in percent, cut: 100 % is said only where none failed."""
    if ended.tenths is None:
        return Text(NONE)
    whole, tenth = divmod(ended.tenths, 10)
    style = "bold red" if ended.tenths < _RED else "bold yellow" if ended.tenths < _MARKED else ""
    return Text(f"{whole}.{tenth} %" if tenth else f"{whole} %", style=style)


def _ms(value: float | None) -> str:
    return NONE if value is None else duration(value)


def _notes(row: RouteRow, at: str, *, told: tuple[tuple[str, int], ...]) -> Iterator[Text]:
    """Yield what stands against a candidate, and how its attempts ended that were not complete replies."""
    if row.health.health != "ok":
        yield shown(_against(row.health, at), _WORDS[row.health.health][1].removeprefix("bold "))
    ended = row.attempts
    theirs = _number_each({word: n for word, n in ended.words.items() if not is_ours(word)})
    ours = _number_each({word: n for word, n in ended.words.items() if is_ours(word)})
    more: list[str] = []
    if told == _COLUMNS:
        more += [f"{count(ended.retries)} {_plural('retry', ended.retries)}"] if ended.retries else []
        more += [f"{count(ended.fallbacks)} {_plural('fallback', ended.fallbacks)} to it"] if ended.fallbacks else []
    if theirs:
        yield Text(theirs, style="yellow")
    if ours:
        yield Text(f"not counted, as it had no part in them: {ours}", style="dim")
    if more:
        yield Text(", ".join(more), style="dim")


def _against(health: CandidateHealth, at: str) -> str:
    cooldown = health.cooldown
    match health.health:
        case "balance_short":
            return f"{health.balance} has nothing available{f' until {clock(health.until)}' if health.until else ''}"
        case "pool_used_up":
            return f"{health.balance} is used up{f' until {clock(health.until)}' if health.until else ''}"
        case "no_price" | "not_in_config" | "busy":
            return _PLAIN[health.health]
        case _:
            assert cooldown is not None, "only a cooldown stands against it otherwise"
    if cooldown.scope == "candidate":
        return _cooling(cooldown, at)
    if cooldown.scope == "balance" and cooldown.state == "cooling":
        books = f", our books say {amount(health.available, health.unit)}" if health.available else ""
        return f"{cooldown.name} is empty, the upstream says{books}; next probe {clock(cooldown.until)}"
    # How long, and by which attempt, is told once for all that it touches (`_shared`).
    state = f"until {clock(cooldown.until)}" if cooldown.state == "cooling" else _state(cooldown, at)
    return f"its {cooldown.scope} {cooldown.name}: {cooldown.error}, {state}"


def _cooling(cooldown: CooldownShown, at: str) -> str:
    after = f" after {', '.join(cooldown.causes)}" if cooldown.causes else ""
    return f"{_state(cooldown, at)}, level {cooldown.level}: {cooldown.error}{after}"


def _state(cooldown: CooldownShown, at: str) -> str:
    match cooldown.state:
        case "cooling":
            left = duration((moment(cooldown.until) - moment(at)).total_seconds() * 1000)
            return f"until {clock(cooldown.until)} (for {left})"
        case "probing":
            return f"passed over while {cooldown.probe} is its probe"
        case "probe_due":
            return f"it cooled until {clock(cooldown.until)}, the next call is its probe"


def _shared(answer: Routes) -> Iterator[RenderableType]:
    """Yield the cooldowns of upstreams and balances, each with its cause, and how to end one."""
    shared = [found for found in answer.cooldowns if found.scope != "candidate"]
    if shared:
        yield Text()
        yield Text("Upstreams and balances that cool", style="bold")
    for found in shared:
        yield Text.assemble(f"{found.scope} ", (visible(found.name), "bold"))
        yield Padding(shown(_cooling(found, answer.at)), (0, 0, 0, 2 * _GAP))
    if answer.cooldowns:
        yield Text()
        yield Text("`tf routes recover NAME` ends one: ROUTE/MODEL, a route, an upstream, a balance", style="dim")


def _retries(answer: Routes) -> Text:
    budget = answer.retry_budget
    spent = budget.used >= budget.allowed
    calls = f"{count(budget.calls)} {_plural('call', budget.calls)}"
    said = f"retries in the last minute: {budget.used} of {budget.allowed} allowed ({calls})"
    return Text(f"{said}; none more for now" if spent else said, style="bold yellow" if spent else "dim")


def _number_each(words: dict[str, int]) -> str:
    return ", ".join(f"{visible(word)} {count(number)}" for word, number in words.items())


def _plural(word: str, number: int) -> str:
    if number == 1:
        return word
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"

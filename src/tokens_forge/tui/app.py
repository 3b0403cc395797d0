"""`tf monitor`: calls as they are held and settled, the story of the selected one, and the balances.

It follows the ledger's files, so it works beside any proxy and after one. What it shows is the feed's; it decides
nothing and writes nothing.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, cast

import msgspec
from rich.console import Group, RenderableType
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import DataTable, Footer, Input, Static

from tokens_forge.core.budgets import shown as shown_budgets
from tokens_forge.core.config import Config
from tokens_forge.core.entries import Line, Routed
from tokens_forge.core.errors import ForgeError
from tokens_forge.core.moments import stamp
from tokens_forge.core.story import tell
from tokens_forge.files.ledger_reader import Follower, find
from tokens_forge.files.pages import page_path, pages
from tokens_forge.files.zones import calendar
from tokens_forge.tui.feed import CallRow, Feed
from tokens_forge.view.balances import balances_view, budgets_view, known_balances
from tokens_forge.view.figures import shown
from tokens_forge.view.story import story_view

POLL_S = 0.25
"""How often the ledger is looked at. Looking costs one listing of the folder and one read."""

_AT_ONCE = 512 * 1024
"""Bytes of a page that one look takes, so that a large page does not stop the keys."""

_EARLIER = 16 * 1024 * 1024
"""The page before the newest is read too unless it is larger: just after midnight the newest has no calls yet."""

_COLUMNS = ("UTC", "state", "charge", "balance", "key", "model", "route", "tries", "fell back")
_STYLES = {"answered": "green", "open": "cyan", "failed": "red", "refused": "red"}


def first_page(folder: Path) -> str:
    """Return the page to begin with: the one before the newest unless it is large; empty when there is none."""
    names = pages(folder)
    if len(names) > 1 and page_path(folder, names[-2]).stat().st_size <= _EARLIER:
        return names[-2]
    return names[-1] if names else ""


class Monitor(App[None]):
    """The screen. `poll` looks at the ledger once; a timer calls it."""

    TITLE = "tf monitor"
    ENABLE_COMMAND_PALETTE = False
    # Textual declares it as an instance's variable.
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-narrow"), (120, "-wide")]  # noqa: RUF012
    CSS = """
    Screen { layout: vertical; }
    #status { height: 1; background: $panel; }
    #filter { display: none; height: 3; }
    #filter.shown { display: block; }
    #body { height: 1fr; }
    #left { height: 3fr; }
    #calls { height: 1fr; scrollbar-size-horizontal: 0; }
    #balances { height: auto; max-height: 6; padding: 0 1; border-top: solid $panel; }
    #story { height: 2fr; padding: 0 1; border-top: solid $panel; }
    Screen.-wide #body { layout: horizontal; }
    Screen.-wide #left { width: 1fr; height: 100%; }
    Screen.-wide #story { width: 50%; height: 100%; border-top: none; border-left: solid $panel; }
    Screen.-wide #balances { max-height: 14; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        ("q", "quit", "quit"),
        ("slash", "filter", "filter"),
        ("p", "pause", "pause"),
        ("escape", "all", "show all"),
    ]

    def __init__(
        self,
        folder: Path,
        *,
        configs: Path | None = None,
        now: Callable[[], datetime] | None = None,
        poll_s: float = POLL_S,
    ) -> None:
        super().__init__()
        self._folder = folder
        self._configs = configs
        self._now = now or (lambda: datetime.now(UTC))
        self._poll_s = poll_s
        self._feed = Feed()
        self._follower = Follower(folder, since_page=first_page(folder))
        self._config: Config | None = None
        self._config_digest = ""
        self._left_out = 0
        """How many lines could not be read."""
        self._drawn = -1
        self._filter = ""
        self._paused = False
        self._problem = ""
        self._selected = ""
        """The call whose story is shown; empty follows the newest."""
        self._ids: list[str] = []

    def compose(self) -> ComposeResult:
        """Build the screen: status, filter, calls and balances beside or above the story, keys."""
        yield Static(id="status")
        yield Input(
            id="filter", placeholder="a key, model, route, balance, state or id; Enter keeps it, Escape ends it"
        )
        with Vertical(id="body"):
            with Vertical(id="left"):
                table: DataTable[Text] = DataTable(id="calls", cursor_type="row", zebra_stripes=True)
                yield table
                with VerticalScroll(id="balances", can_focus=False):
                    yield Static(id="balances-table")
            with VerticalScroll(id="story"):
                yield Static(id="story-text")
        yield Footer()

    def on_mount(self) -> None:
        """Begin to look at the ledger."""
        table = self._table()
        for name in _COLUMNS:
            table.add_column(name, key=name)
        table.focus()
        self.poll()
        self.set_interval(self._poll_s, self.poll)

    def poll(self) -> None:
        """Look at the ledger once and draw what changed. Damage is shown, and ends the looking."""
        if not self._paused and not self._problem:
            try:
                lines = self._follower.read(_AT_ONCE)
                self._feed.is_off = self._feed.is_off or len(self._follower.left_out) > self._left_out
                self._left_out = len(self._follower.left_out)
                for line in lines:
                    self._feed.apply(line)
            except ForgeError as error:
                self._problem = str(error)
            else:
                if lines:
                    self.call_later(self.poll)
        self._draw()

    def action_filter(self) -> None:
        """Ask for a text that the calls shown must contain."""
        field = self.query_one("#filter", Input)
        field.add_class("shown")
        field.focus()

    def action_pause(self) -> None:
        """Stop looking, or go on with what came meanwhile."""
        self._paused = not self._paused
        self.poll()

    def action_all(self) -> None:
        """End the filter and follow the newest call again."""
        self.query_one("#filter", Input).value = ""
        self._filter = ""
        self._selected = ""
        self._leave_filter()
        self._draw(again=True)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while typing."""
        self._filter = event.value
        self._draw(again=True)

    def on_input_submitted(self) -> None:
        """Keep the filter and go back to the calls."""
        self._leave_filter()

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """Show the story of the call under the cursor; at the top, follow the newest."""
        self._selected = "" if event.cursor_row == 0 else str(event.row_key.value)
        self._draw_story()

    def on_data_table_row_selected(self) -> None:
        """Go into the story, to scroll it."""
        self.query_one("#story", VerticalScroll).focus()

    def _leave_filter(self) -> None:
        if not self._filter:
            self.query_one("#filter", Input).remove_class("shown")
        self._table().focus()

    def _table(self) -> DataTable[Text]:
        return cast("DataTable[Text]", self.query_one("#calls"))

    def _draw(self, *, again: bool = False) -> None:
        self.query_one("#status", Static).update(self._status())
        if self._drawn == self._feed.seen and not again:
            return
        self._drawn = self._feed.seen
        self._draw_calls()
        self._draw_balances()
        self._draw_story()

    def _draw_calls(self) -> None:
        table = self._table()
        rows = list(self._feed.rows(self._filter))
        self._ids = [row.id for row in rows]
        # A new call stands on top, where a table can't insert: it is filled anew, its cursor and place kept.
        with self.prevent(DataTable.RowHighlighted):
            top = table.scroll_y
            table.clear()
            for row in rows:
                table.add_row(*_cells(row), key=row.id)
            if self._selected in self._ids:
                table.move_cursor(row=self._ids.index(self._selected), scroll=False)
                table.scroll_to(y=top, animate=False)

    def _draw_balances(self) -> None:
        config, fold, at = self._config_in_force(), self._feed.fold, stamp(self._now())
        parts = [balances_view(known_balances(fold.book, config, at))]
        # A kept config was checked when it came into force, its time zone too.
        if config is not None and (budgets := shown_budgets(config, fold.budgets, at, calendar(config.report))):
            parts += [Text(), budgets_view(budgets)]
        self.query_one("#balances-table", Static).update(Group(*parts))

    def _draw_story(self) -> None:
        self.query_one("#story-text", Static).update(self._story())

    def _story(self) -> RenderableType:
        call_id = self._selected or (self._ids[0] if self._ids else "")
        if call_id:
            return story_view(tell(self._lines(call_id)))
        if self._filter:
            return shown(f"No call contains `{self._filter}`. Escape shows all.")
        return shown(f"No call in {self._folder} yet. `tf serve` writes one for each call; they show here at once.")

    def _lines(self, call_id: str) -> tuple[Line, ...]:
        """Return a call's lines; from the pages when it began before those that were read."""
        lines = self._feed.lines(call_id)
        if lines and isinstance(lines[0].entry, Routed):
            return lines
        with suppress(ForgeError):
            return find(self._folder, call_id)
        return lines

    def _status(self) -> Text:
        if self._problem:
            return shown(f" {self._problem}", "bold red")
        said = ["1 call" if len(self._ids) == 1 else f"{len(self._ids)} calls", f"{self._feed.under_way} under way"]
        if self._filter:
            said.append(f"with `{self._filter}`")
        if self._paused:
            said.append("paused")
        if self._left_out:
            what = "1 line" if self._left_out == 1 else f"{self._left_out} lines"
            said.append(f"{what} left out, see `tf ledger verify`")
        if self._feed.is_off:
            said.append("balances may be wrong until tomorrow's page")
        return shown(f" tf monitor   {', '.join(said)}   {self._folder}")

    def _config_in_force(self) -> Config | None:
        """Return the config that the ledger names, as it is kept beside the ledger; None when it is not there."""
        digest = self._feed.fold.config
        if digest != self._config_digest and self._configs is not None:
            self._config_digest, self._config = digest, None
            with suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
                data = (self._configs / f"{digest}.json").read_bytes()
                self._config = msgspec.json.decode(data, type=Config)
        return self._config


def _cells(row: CallRow) -> tuple[Text, ...]:
    style = _STYLES[row.ended]
    tries = Text(str(row.attempts), style="yellow" if row.attempts > 1 else "")
    return (
        Text(row.clock),
        shown(row.state, style),
        shown(row.charge),
        shown(row.balance),
        shown(row.key),
        shown(row.model),
        shown(row.route),
        tries,
        shown(row.fell_back, "yellow"),
    )

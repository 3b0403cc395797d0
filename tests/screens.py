"""A renderable as a terminal without colour shows it."""

from rich.console import Console, RenderableType


def printed(picture: RenderableType, width: int = 80) -> list[str]:
    """Return the lines of a renderable at `width` columns, without colour and without spaces at their ends."""
    console = Console(width=width, color_system=None, markup=False, emoji=False, highlight=False)
    with console.capture() as captured:
        console.print(picture)
    return [line.rstrip() for line in captured.get().splitlines()]

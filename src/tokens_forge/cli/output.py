"""What every command prints in the same way: errors on stderr, JSON on stdout, nothing raw from outside."""

import sys

from tokens_forge.core.visible import visible


def say(text: str) -> None:
    """Print `text` on stdout, its control characters visible."""
    print(visible(text, keep="\n"))  # noqa: T201 - a command's data goes to stdout


def hint(text: str) -> None:
    """Print `text` on stderr, its control characters visible: what is no data of the command."""
    print(visible(text, keep="\n"), file=sys.stderr)  # noqa: T201 - as above, to stderr


def say_json(record: object) -> None:
    """Print `record` (a record, a dict or a tuple of them) as indented JSON on stdout, decimals as strings."""
    import msgspec

    from tokens_forge.core.plain import encode

    print(msgspec.json.format(encode(record), indent=2).decode())  # noqa: T201 - as above

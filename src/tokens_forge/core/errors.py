"""The few errors a user can meet, as a tree.

ForgeError                 everything below; the command line prints it and exits 1
├── MoneyError             two units met, or an amount that is none
├── ConfigError            what the user wrote can't be used; holds every problem found
├── LedgerError            the ledger can't be read or continued as it is
│   ├── LedgerDamaged      a line before the last is not what its chain says
│   ├── LedgerLocked       another process writes this ledger
│   └── LedgerStuck        the disk takes no more bytes
├── RequestError           a client's request that can't become a call, with its HTTP status
└── UpstreamFault          an upstream's reply that can't be read

Expected refusals (nothing can pay, all cooling …) are values (`routing.Refuse`), not exceptions.
"""

from dataclasses import dataclass


class ForgeError(Exception):
    """Base of every error a user can meet; its text says what, where, the value seen and the next step."""


class MoneyError(ForgeError):
    """Two units met, or a text that is no amount."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong in a config: where it stands and what to write instead.

    `where` is ``FILE:LINE [TABLE] KEY`` as far as known; `what` is a sentence with the value seen and the next step.
    `warning` marks what does not stop the proxy.
    """

    where: str
    what: str
    warning: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


class ConfigError(ForgeError):
    """What the user wrote can't be used. `problems` holds every one that was found, in file order."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class LedgerError(ForgeError):
    """The ledger can't be read or continued as it is."""


class LedgerDamaged(LedgerError):  # noqa: N818 - the tree at the top reads as states of the ledger
    """A line before the last is not what its chain says; the text names page and line.

    `line` is the first on the newest page that a start can't read, from 1; 0 where no start is meant.
    """

    def __init__(self, message: str, *, line: int = 0) -> None:
        self.line = line
        super().__init__(message)


class LedgerLocked(LedgerError):  # noqa: N818 - as above
    """Another process writes this ledger; the text names it."""


class LedgerStuck(LedgerError):  # noqa: N818 - as above
    """The disk takes no more bytes; what was queued is kept and tried again."""


class RequestError(ForgeError):
    """A client's request that can't become a call.

    `status` is the HTTP status to answer with, `code` the machine-readable reason in the error body.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.code = code
        self.message = message
        super().__init__(message)


class UpstreamFault(ForgeError):  # noqa: N818 - whose fault it was is in the name; `config.UpstreamError` is another thing
    """An upstream's reply that can't be read (an event without an end); the text says what, never its content."""

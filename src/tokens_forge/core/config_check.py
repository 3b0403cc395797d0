"""What is wrong between and within the tables of a config.

`check` finds what no single table shows (a route without its balance, a price that can't be known); each finding says
what to write instead. The records are `core/config.py`'s; the file's lines are named by `files/config_file.py`.
"""

from collections.abc import Iterable, Iterator

from tokens_forge.core.balance_check import balance_findings, duration
from tokens_forge.core.budget_check import budget_findings
from tokens_forge.core.config import (
    CLIENT,
    CREDENTIAL_FORMS,
    Config,
    Finding,
    Upstream,
    UpstreamError,
    did_you_mean,
    fits,
)
from tokens_forge.core.dialects import METERED_PATHS, SPEAKS
from tokens_forge.core.model_check import capability_findings, model_findings, serves_findings
from tokens_forge.core.price_check import price_findings
from tokens_forge.core.upstream_check import is_url, login_findings, upstream_findings


def check(config: Config) -> tuple[Finding, ...]:
    """Return what is wrong between and within the tables, errors and warnings, in the file's order of tables."""
    return tuple(finding for part in _PARTS for finding in part(config))


def _server(config: Config) -> Iterator[Finding]:
    if not 0 <= config.server.port <= 65535:  # noqa: PLR2004 - the range of TCP ports
        yield Finding(path=("server", "port"), what=f"{config.server.port} is no port: write 1 to 65535")
    if config.server.max_body_mb < 1:
        yield Finding(path=("server", "max_body_mb"), what="write at least 1")


def _upstreams(config: Config) -> Iterator[Finding]:
    for name, upstream in config.upstream.items():
        path = ("upstream", name)
        if is_url(upstream.base_url):
            yield from upstream_findings(path, upstream)
        else:
            yield Finding(
                path=(*path, "base_url"),
                what=f"`{upstream.base_url}` is no base URL: write `https://HOST/v1` (what stands before "
                "`/chat/completions`)",
            )
        if upstream.credential not in {"none", CLIENT} and not upstream.credential.startswith(("env:", "file:")):
            # The value is not repeated: it may be the secret itself.
            yield Finding(
                path=(*path, "credential"),
                what=f"write where the credential is, not the credential: {CREDENTIAL_FORMS}",
            )
        for field in ("connect", "first_byte", "whole", "idle"):
            yield from duration((*path, "timeouts", field), getattr(upstream.timeouts, field))
        yield from _errors((*path, "errors"), upstream.errors)
        yield from _endpoints(path, upstream)
        yield from _passes((*path, "passes"), upstream)


def _endpoints(path: tuple[str, ...], upstream: Upstream) -> Iterator[Finding]:
    """Yield endpoints that an upstream's dialect does not have."""
    speaks = SPEAKS[upstream.dialect]
    if upstream.endpoints == ():
        yield Finding(path=(*path, "endpoints"), what=f"it can be asked for nothing: write some of {_listed(speaks)}")
    for name in upstream.endpoints or ():
        if name not in speaks:
            yield Finding(
                path=(*path, "endpoints"),
                what=f'`{name}` is not of `dialect = "{upstream.dialect}"`, which has {_listed(speaks)}',
            )


def _passes(path: tuple[str, ...], upstream: Upstream) -> Iterator[Finding]:
    """Yield paths that pass with no charge though they must not: without a login, unreadable, or metered."""
    if upstream.passes and upstream.credential != CLIENT:
        yield Finding(path=path, what='other paths pass only with the client\'s own login: `credential = "client"`')
    for listed in upstream.passes:
        method, _, asked = listed.partition(" ")
        if method not in _METHODS or not asked.startswith("/"):
            yield Finding(path=path, what=f"`{listed}` is no method and path: write `GET /models`")
        elif method == "POST" and any(fits(asked, metered) for metered in _METERED):
            yield Finding(path=path, what=f"`{listed}` would let calls pass that are metered: list no such path")


_METERED = tuple(f"{version}{path.removeprefix('/v1')}" for path in METERED_PATHS for version in ("", "/v1"))
"""With a version and without: a base URL may have it or not, and Anthropic's hosts take chat completions too."""

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _errors(path: tuple[str, ...], rows: tuple[UpstreamError, ...]) -> Iterator[Finding]:
    """Yield what is wrong with an upstream's table of errors. A list has no lines of its own, so a row is counted."""
    for number, row in enumerate(rows, start=1):
        if not row.status and not row.code and not row.message:
            yield Finding(
                path=path, what=f"row {number}: an error needs a `status`, a `code` or a `message` to be known by"
            )
        if row.message and not row.message.strip():
            yield Finding(path=path, what=f"row {number}: a `message` of blanks alone is in nearly every error's")
        if row.status and not any(row.status in statuses for statuses in _STATUSES_OF_ERRORS):
            yield Finding(
                path=path,
                what=f"row {number}: {row.status} is no status of an error: write 400 to 599, or 200 for an error in a "
                "success",
            )
        earlier = next((n for n, before in enumerate(rows[: number - 1], start=1) if _covers(before, row)), 0)
        if earlier:
            yield Finding(
                path=path,
                what=f"row {number}: it never counts, because row {earlier} knows all that it does: put it first",
                warning=True,
            )


_STATUSES_OF_ERRORS = (range(200, 300), range(400, 600))
"""A redirect is not followed and never looked up."""


def _covers(before: UpstreamError, row: UpstreamError) -> bool:
    """Say whether every error that `row` knows is known to `before`."""
    return (
        before.status in {0, row.status}
        and (not before.code or before.code == row.code)
        and before.message.casefold() in row.message.casefold()
    )


def _routes(config: Config) -> Iterator[Finding]:
    for name, route in config.route.items():
        path = ("route", name)
        if "/" in name:
            yield Finding(path=path, what="a route's name has no `/`: it parts route and model in `ROUTE/MODEL`")
        if route.upstream not in config.upstream:
            yield Finding(
                path=(*path, "upstream"),
                what=f"no upstream named `{route.upstream}`.{did_you_mean(route.upstream, config.upstream)}",
            )
        if not route.serves:
            yield Finding(path=(*path, "serves"), what='it serves no model: write `serves = ["MODEL"]`')
        yield from serves_findings(path, route)
        yield from capability_findings(path, route)
        yield from login_findings(path, route, config)
        if route.balance not in config.balance:
            yield Finding(
                path=(*path, "balance"),
                what=f"no balance named `{route.balance}`.{did_you_mean(route.balance, config.balance)}",
            )


def _settings(config: Config) -> Iterator[Finding]:
    if config.settle.output_bound < 1:
        yield Finding(path=("settle", "output_bound"), what="write at least 1 token")
    if config.settle.inline_tokens < 0:
        yield Finding(path=("settle", "inline_tokens"), what="write 0 or more tokens")
    if config.settle.wait != "none":
        yield from duration(("settle", "wait"), config.settle.wait)
    yield from duration(("settle", "drain_limit"), config.settle.drain_limit)
    yield from duration(("policy", "deadline"), config.policy.deadline)
    if config.policy.wait != "none":
        yield from duration(("policy", "wait"), config.policy.wait)
    if config.policy.sticky != "none":
        yield from duration(("policy", "sticky"), config.policy.sticky)
    for field in ("attempts", "attempts_per_candidate", "expected_output"):
        if getattr(config.policy, field) < 1:
            yield Finding(path=("policy", field), what="write at least 1")
    for unit, rates in config.report.fx.items():
        if any(rate.rate <= 0 for rate in rates):
            yield Finding(path=("report", "fx", unit), what="an exchange rate is more than 0")


_PARTS = (_server, balance_findings, _upstreams, _routes, price_findings, model_findings, budget_findings, _settings)
"""What is looked at, in the file's order of tables."""

"""How a catalogue's data is had from an address that the user gave: once, bounded, with nothing followed or sent along.

Https, and plain http on this machine alone; no redirects; no proxy of the environment; no more bytes and no more time
than the data can need. What is in it is `files/catalog_data.py`'s part.
"""

import time
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from tokens_forge.core.errors import ForgeError
from tokens_forge.core.visible import visible
from tokens_forge.files.catalog_data import MOST_BYTES

CONNECT_S, WHOLE_S = 10.0, 60.0
"""Seconds until a connection stands and until the last byte; the published data takes two on a slow line."""

_OK = 200
_REDIRECTS = range(300, 400)


def is_address(origin: str) -> bool:
    """Say whether what the user gave is an address; a file's name else."""
    return "://" in origin


def fetched(address: str, *, whole_s: float = WHOLE_S, sent: Mapping[str, str] | None = None) -> bytes:
    """Return the bytes at an address, to which the headers `sent` go and no other of ours.

    Raises ForgeError, naming it and what to do, for all but a whole answer.
    """
    _check(address)
    import httpx  # noqa: PLC0415 - loading takes a tenth of a second: only who fetches pays

    ends = time.monotonic() + whole_s
    timeout = httpx.Timeout(CONNECT_S, read=min(whole_s, CONNECT_S))
    # A compressed answer could be any length once unpacked: it is asked for as it is, and refused otherwise.
    headers = {"accept": "application/json", "accept-encoding": "identity", **(sent or {})}
    parts: list[bytes] = []
    length = 0
    try:
        with (
            httpx.Client(trust_env=False, follow_redirects=False, timeout=timeout, headers=headers) as client,
            client.stream("GET", address) as answer,
        ):
            if answer.status_code in _REDIRECTS:
                there = visible(answer.headers.get("location", "nowhere"))
                raise ForgeError(f"{address}: it is elsewhere, {there}: give that address if it is meant")
            if answer.status_code != _OK:
                raise ForgeError(f"{address}: the answer is {answer.status_code}, and nothing was taken")
            if answer.headers.get("content-encoding", "identity") != "identity":
                raise ForgeError(f"{address}: the answer is compressed, which was not asked for; nothing was taken")
            for part in answer.iter_raw():
                parts.append(part)
                length += len(part)
                if length > MOST_BYTES:
                    raise ForgeError(f"{address}: it has more than {MOST_BYTES} bytes, and nothing was taken")
                if time.monotonic() > ends:
                    raise ForgeError(f"{address}: it took longer than {whole_s:g} s, and nothing was taken")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ForgeError(
            visible(f"{address}: no answer ({error or type(error).__name__}); nothing was taken")
        ) from error
    return b"".join(parts)


def _check(address: str) -> None:
    """Raise ForgeError for an address that nothing is fetched from."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError as error:
        raise ForgeError(f"{visible(address)}: this is no address ({error})") from error
    if parts.username is not None or parts.password is not None:
        raise ForgeError("an address with a name and a password in it is not fetched: prices are public")
    if parts.scheme == "https" and host:
        return
    if parts.scheme == "http" and _is_here(host):
        return
    raise ForgeError(f"{visible(address)}: only https is fetched, and http on this machine")


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False

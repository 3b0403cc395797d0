"""Ids and times that a translated answer needs and its upstream does not give, made from the call's own id.

Decides that they are made without chance and without a clock: the same call has the same. A call's id is `tf_` and a
UUIDv7, whose first 48 bits are the milliseconds in which it was made (RFC 9562, section 5.7).
"""


def made_id(prefix: str, call_id: str, place: int | None = None) -> str:
    """Return an id in a dialect's form (`prefix`); `place` tells several of one kind apart."""
    made = prefix + call_id.removeprefix("tf_")
    return made if place is None else f"{made}_{place}"


def created_s(call_id: str) -> int:
    """Return when the call was made, in seconds since 1970."""
    return int(call_id.removeprefix("tf_")[:12], 16) // 1000

"""How a command asks a running proxy: over the Unix socket beside the ledger."""

from tokens_forge.core.errors import ForgeError
from tokens_forge.files.paths import Paths

_TIMEOUT_S = 10.0
_ERRORS_FROM = 400


def ask(paths: Paths, method: str, path: str, record: object = None) -> bytes | None:
    """Return the proxy's answer; None when none runs here. Raises ForgeError with the reason when it refuses."""
    if not paths.socket.exists():
        return None
    import httpx
    import msgspec

    class _Refused(msgspec.Struct):
        error: str = "it did not say why"

    transport = httpx.HTTPTransport(uds=str(paths.socket))
    body = b"" if record is None else msgspec.json.encode(record)
    try:
        with httpx.Client(transport=transport, base_url="http://tf", timeout=_TIMEOUT_S, trust_env=False) as client:
            answer = client.request(method, path, content=body)
    except httpx.ConnectError:
        return None  # the socket of a process that died
    except httpx.HTTPError as error:
        raise ForgeError(f"the running proxy did not answer on {paths.socket}: {error}") from error
    if answer.status_code >= _ERRORS_FROM:
        raise ForgeError(msgspec.json.decode(answer.content, type=_Refused).error)
    return answer.content

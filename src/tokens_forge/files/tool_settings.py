"""What each tool needs to call the proxy: which file it reads, and which settings go into it.

The facts about other people's programs are here and nowhere else. Read 2026-11, and tried then against a server that
noted what came: Claude Code 2.1.331, Codex 0.169.0, OpenCode 1.18.33, aider 0.86.2 and llm 0.36, logins kept too.

- Claude Code (Anthropic's pages "Claude Code settings" and "LLM gateway configuration"; AIHubMix's setup guide, checked
  with 2.1.304): `settings.json` in `CLAUDE_CONFIG_DIR`, else `~/.claude`; its `env` goes before the shell's. The base
  URL is without `/v1`. `ANTHROPIC_AUTH_TOKEN` is sent as a bearer token and goes before a saved login; with that,
  `ANTHROPIC_API_KEY` or `apiKeyHelper` set it leaves the subscription. With none of them the login's own token is sent
  to the base URL (Gravitee's page "Connect Claude Code through an LLM Proxy").
- Codex (openai/codex, `model-provider-info/src/lib.rs`, and its page "Advanced Configuration"): `config.toml` in
  `CODEX_HOME`, else `~/.codex`; only the user's own file may choose a provider. `wire_api` is always `responses`. The
  ids of built-in providers can't be overridden. `experimental_bearer_token` needs no variable in the shell, as
  `env_key` would; `requires_openai_auth` sends what `codex login` got, a ChatGPT account's token too.
- OpenCode (its pages "Config" and "Providers", and "Migrate from V1", by which version 2 reads the same):
  `opencode.jsonc` or `opencode.json` in `opencode/` of `XDG_CONFIG_HOME`, else `~/.config`. A provider of one's own
  names its models.
- aider (its pages "YAML config file" and "OpenAI compatible APIs"): `~/.aider.conf.yml`; a model is `openai/NAME`.
- llm (its pages "Other models" and "Setup"): `extra-openai-models.yaml` and `keys.json` in `LLM_USER_PATH`, else in
  click's folder for `io.datasette.llm`. One entry a model, which says whether it takes tools, a schema and images;
  keys are named.
- Continue (its pages "config.yaml Reference" and "Migrating Config to YAML"): `config.yaml` in `~/.continue`; once it
  is there `config.json` beside it is no longer read.
- The SDKs (openai-python, openai-node, anthropic-sdk-python and -typescript) read `OPENAI_BASE_URL` and
  `OPENAI_API_KEY`, `ANTHROPIC_BASE_URL` and `ANTHROPIC_AUTH_TOKEN`.
- Cursor calls a custom base URL from its own servers.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tokens_forge.core.errors import ForgeError
from tokens_forge.files.settings_text import Form, Setting, found_at

Login = Literal["api", "keep"]
"""How a tool pays: ``api``: it knows tf's key alone. ``keep``: it sends the login of its own, too."""

Dialect = Literal["chat", "responses", "messages"]
"""What a tool calls: `/v1/chat/completions`, `/v1/responses` or `/v1/messages`."""

PROVIDER = "tf"
"""How tools call the proxy among their providers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a tool shall be told."""

    url: str
    """The proxy's, without ``/v1``."""
    token: str
    login: Login = "api"
    model: str = ""
    """The model to begin with; empty where the tool's own choice stays."""
    models: tuple[str, ...] = ()
    """The names to list, for a tool that asks no server."""

    @property
    def v1(self) -> str:
        """The base URL of what speaks an OpenAI dialect."""
        return f"{self.url}/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsFile:
    """A file of a tool's."""

    path: Path
    form: Form
    settings: tuple[Setting, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where this user's tools look."""

    home: Path
    environ: Mapping[str, str]
    mac: bool

    def folder(self, variable: str, below_home: str) -> Path:
        """Return the folder that a variable names, else one in the home folder."""
        named = self.environ.get(variable)
        return Path(named).expanduser() if named else self.home / below_home


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool that can be connected."""

    name: str
    dialect: Dialect
    files: Callable[[Wanted, Places], tuple[SettingsFile, ...]] | None = None
    """Its files with what goes into them; None for what takes its settings from the shell."""
    lines: Callable[[Wanted], tuple[str, ...]] | None = None
    """The lines for the shell."""
    keeps_login: bool = False
    """Whether it has a login of its own that it can keep."""
    lists_models: bool = False
    """Whether it knows only the models that its settings name."""
    then: str = ""
    """What to do next, for the user."""


def _claude_code(wanted: Wanted, places: Places) -> tuple[SettingsFile, ...]:
    # The key is in the path, not in ANTHROPIC_CUSTOM_HEADERS: that one variable may hold headers of the user's own.
    kept = wanted.login == "keep"
    env = {"ANTHROPIC_BASE_URL": f"{wanted.url}/k/{wanted.token}"} if kept else _anthropic(wanted)
    settings = (
        *(Setting(path=("env", name), value=value) for name, value in env.items()),
        *_model(("model",), wanted.model),
    )
    path = places.folder("CLAUDE_CONFIG_DIR", ".claude") / "settings.json"
    return (SettingsFile(path=path, form="json", settings=settings),)


def _codex(wanted: Wanted, places: Places) -> tuple[SettingsFile, ...]:
    # The key is in a header, not in the path: Codex prints the URL with every error, and errors are shared.
    key: Mapping[str, str | bool | dict[str, str | bool]] = (
        {"requires_openai_auth": True, "http_headers": {"x-tf-key": wanted.token}}
        if wanted.login == "keep"
        else {"experimental_bearer_token": wanted.token}
    )
    provider = {"name": "Tokens Forge", "base_url": wanted.v1, "wire_api": "responses", **key}
    settings = (
        Setting(path=("model_provider",), value=PROVIDER),
        *_model(("model",), wanted.model),
        *(Setting(path=("model_providers", PROVIDER, name), value=value) for name, value in provider.items()),
    )
    path = places.folder("CODEX_HOME", ".codex") / "config.toml"
    return (SettingsFile(path=path, form="toml", settings=settings),)


def _opencode(wanted: Wanted, places: Places) -> tuple[SettingsFile, ...]:
    own = ("provider", PROVIDER)
    settings = (
        Setting(path=("$schema",), value="https://opencode.ai/config.json", kind="default"),
        Setting(path=(*own, "npm"), value="@ai-sdk/openai-compatible"),
        Setting(path=(*own, "name"), value="Tokens Forge"),
        Setting(path=(*own, "options", "baseURL"), value=wanted.v1),
        Setting(path=(*own, "options", "apiKey"), value=wanted.token),
        *(Setting(path=(*own, "models", model), value={}) for model in wanted.models),
        *_model(("model",), wanted.model and f"{PROVIDER}/{wanted.model}"),
    )
    folder = places.folder("XDG_CONFIG_HOME", ".config") / "opencode"
    with_comments = folder / "opencode.jsonc"
    path = with_comments if with_comments.exists() else folder / "opencode.json"
    return (SettingsFile(path=path, form="json", settings=settings),)


def _aider(wanted: Wanted, places: Places) -> tuple[SettingsFile, ...]:
    settings = (
        Setting(path=("openai-api-base",), value=wanted.v1),
        Setting(path=("openai-api-key",), value=wanted.token),
        *_model(("model",), wanted.model and f"openai/{wanted.model}"),
    )
    return (SettingsFile(path=places.home / ".aider.conf.yml", form="yaml", settings=settings),)


_LLM_CAN = {"supports_tools": True, "supports_schema": True, "vision": True}
"""What llm refuses itself to a model of which nobody says it. Here the routes say what a model can't do."""


def _llm(wanted: Wanted, places: Places) -> tuple[SettingsFile, ...]:
    mac = places.home / "Library/Application Support"
    application = mac if places.mac else places.folder("XDG_CONFIG_HOME", ".config")
    named = places.environ.get("LLM_USER_PATH")
    folder = Path(named).expanduser() if named else application / "io.datasette.llm"
    models = tuple(
        Setting(
            path=(),
            value={
                "model_id": f"{PROVIDER}/{model}",
                "model_name": model,
                "api_base": wanted.v1,
                "api_key_name": PROVIDER,
                **_LLM_CAN,
            },
            kind="item",
        )
        for model in wanted.models
    )
    key = (Setting(path=(PROVIDER,), value=wanted.token),)
    return (
        SettingsFile(path=folder / "extra-openai-models.yaml", form="yaml", settings=models),
        SettingsFile(path=folder / "keys.json", form="json", settings=key),
    )


def _continue(wanted: Wanted, places: Places) -> tuple[SettingsFile, ...]:
    folder = places.home / ".continue"
    path = folder / "config.yaml"
    if not path.exists() and (folder / "config.json").exists():
        raise ForgeError(
            f"{folder / 'config.json'} is Continue's older form, and would no longer be read beside a new config.yaml: "
            "migrate it first (in Continue: Migrate to YAML), then run this again"
        )
    defaults = {"name": "Local Config", "version": "1.0.0", "schema": "v1"}
    settings = (
        *(Setting(path=(name,), value=value, kind="default") for name, value in defaults.items()),
        *(
            Setting(
                path=("models",),
                value={
                    "name": f"{PROVIDER}/{model}",
                    "provider": "openai",
                    "model": model,
                    "apiBase": wanted.v1,
                    "apiKey": wanted.token,
                },
                kind="item",
            )
            for model in wanted.models
        ),
    )
    return (SettingsFile(path=path, form="yaml", settings=settings),)


def _openai(wanted: Wanted) -> tuple[str, ...]:
    return f"export OPENAI_BASE_URL={wanted.v1}", f"export OPENAI_API_KEY={wanted.token}"


def _anthropic(wanted: Wanted) -> dict[str, str]:
    return {"ANTHROPIC_BASE_URL": wanted.url, "ANTHROPIC_AUTH_TOKEN": wanted.token}


def _model(path: tuple[str, ...], model: str) -> Iterator[Setting]:
    if model:
        yield Setting(path=path, value=model)


TOOLS: Mapping[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool(
            name="claude-code",
            dialect="messages",
            files=_claude_code,
            keeps_login=True,
            then="Start `claude` anew; `/status` there shows the base URL.",
        ),
        Tool(name="codex", dialect="responses", files=_codex, keeps_login=True, then="Start `codex` anew."),
        Tool(
            name="opencode",
            dialect="chat",
            files=_opencode,
            lists_models=True,
            then="Start `opencode` anew and choose a model of `Tokens Forge` with /models.",
        ),
        Tool(name="aider", dialect="chat", files=_aider, then="Name models as `aider --model openai/NAME`."),
        Tool(
            name="llm", dialect="chat", files=_llm, lists_models=True, then="`llm models` lists them: `llm -m tf/NAME`."
        ),
        Tool(
            name="continue",
            dialect="chat",
            files=_continue,
            lists_models=True,
            then="Choose a model that begins with `tf/` in Continue.",
        ),
        Tool(name="openai", dialect="chat", lines=_openai),
        Tool(
            name="anthropic",
            dialect="messages",
            lines=lambda wanted: tuple(f"export {name}={value}" for name, value in _anthropic(wanted).items()),
        ),
    )
}
"""Every tool that `tf connect` knows, in the order of its list."""

NOT_REACHED = {
    "cursor": (
        "Cursor calls a custom base URL from its own servers, which can't reach a proxy on this machine. Use another "
        "tool in Cursor's terminal (`tf connect claude-code`, `tf connect codex`), or an extension that calls from "
        "this machine (`tf connect continue`)."
    )
}
"""Tools that can't be connected, and what to do instead."""


def leaves_login(settings: object) -> tuple[str, ...]:
    """Return what in Claude Code's settings makes it leave the login of a subscription."""
    paths = (("apiKeyHelper",), ("env", "ANTHROPIC_AUTH_TOKEN"), ("env", "ANTHROPIC_API_KEY"))
    return tuple(".".join(path) for path in paths if found_at(settings, path))

"""What each tool is told, and in which file."""

import tomllib
from pathlib import Path

import msgspec
import pytest
import yaml

from tokens_forge.core.errors import ForgeError
from tokens_forge.files.settings_text import put_in
from tokens_forge.files.tool_settings import TOOLS, Login, Places, SettingsFile, Wanted, leaves_login

TOKEN = f"sk-tf-{'a1-_' * 10}xyz"
URL = "http://127.0.0.1:8787"


def wanted(*, login: Login = "api", model: str = "") -> Wanted:
    """Return what a tool shall be told."""
    return Wanted(url=URL, token=TOKEN, login=login, model=model, models=("gpt-5", "smart"))


def files(tool: str, home: Path, said: Wanted, *, mac: bool = False, **environ: str) -> tuple[SettingsFile, ...]:
    """Return a tool's files."""
    found = TOOLS[tool].files
    assert found is not None, "it has files"
    return found(said, Places(home=home, environ=environ, mac=mac))


def says(file: SettingsFile) -> object:
    """Return what a new file says."""
    text = put_in(file.form, "", file.settings)
    match file.form:
        case "json":
            return msgspec.json.decode(text)
        case "toml":
            return tomllib.loads(text)
        case "yaml":
            return yaml.safe_load(text)


def test_claude_code_is_told_a_bearer_token(tmp_path: Path) -> None:
    """The base URL is without `/v1`; a model is named where one is asked for."""
    (file,) = files("claude-code", tmp_path, wanted(model="claude-sonnet-4-5"))
    expected = {"env": {"ANTHROPIC_BASE_URL": URL, "ANTHROPIC_AUTH_TOKEN": TOKEN}, "model": "claude-sonnet-4-5"}
    assert (tmp_path / ".claude/settings.json", expected) == (file.path, says(file))


def test_claude_code_keeps_its_login(tmp_path: Path) -> None:
    """No token and no key is set, with which it would leave the subscription: the key is in the path."""
    (file,) = files("claude-code", tmp_path, wanted(login="keep"), CLAUDE_CONFIG_DIR=str(tmp_path / "work"))
    assert tmp_path / "work/settings.json" == file.path
    assert {"env": {"ANTHROPIC_BASE_URL": f"{URL}/k/{TOKEN}"}} == says(file)


def test_codex_is_told_a_provider(tmp_path: Path) -> None:
    """It speaks the Responses API and needs no variable in the shell."""
    (file,) = files("codex", tmp_path, wanted(model="gpt-5"), CODEX_HOME=str(tmp_path / "codex"))
    provider = {
        "name": "Tokens Forge",
        "base_url": f"{URL}/v1",
        "wire_api": "responses",
        "experimental_bearer_token": TOKEN,
    }
    expected = {"model_provider": "tf", "model": "gpt-5", "model_providers": {"tf": provider}}
    assert (tmp_path / "codex/config.toml", expected) == (file.path, says(file))


def test_codex_keeps_its_login(tmp_path: Path) -> None:
    """Its own token is sent as ever; ours is in a header, not in the URL that it prints with every error."""
    (file,) = files("codex", tmp_path, wanted(login="keep"))
    provider = {
        "name": "Tokens Forge",
        "base_url": f"{URL}/v1",
        "wire_api": "responses",
        "requires_openai_auth": True,
        "http_headers": {"x-tf-key": TOKEN},
    }
    assert {"model_provider": "tf", "model_providers": {"tf": provider}} == says(file)


def test_opencode_is_told_a_provider_with_its_models(tmp_path: Path) -> None:
    """A file with comments is taken where there is one."""
    (file,) = files("opencode", tmp_path, wanted(model="smart"))
    models: dict[str, dict[str, str]] = {"gpt-5": {}, "smart": {}}
    expected = {
        "$schema": "https://opencode.ai/config.json",
        "provider": {
            "tf": {
                "npm": "@ai-sdk/openai-compatible",
                "name": "Tokens Forge",
                "options": {"baseURL": f"{URL}/v1", "apiKey": TOKEN},
                "models": models,
            }
        },
        "model": "tf/smart",
    }
    assert (tmp_path / ".config/opencode/opencode.json", expected) == (file.path, says(file))
    other = tmp_path / "xdg/opencode/opencode.jsonc"
    other.parent.mkdir(parents=True)
    other.touch()
    (file,) = files("opencode", tmp_path, wanted(), XDG_CONFIG_HOME=str(tmp_path / "xdg"))
    assert other == file.path


def test_aider_is_told_an_endpoint(tmp_path: Path) -> None:
    """Its models begin with `openai/`."""
    (file,) = files("aider", tmp_path, wanted(model="smart"))
    expected = {"openai-api-base": f"{URL}/v1", "openai-api-key": TOKEN, "model": "openai/smart"}
    assert (tmp_path / ".aider.conf.yml", expected) == (file.path, says(file))


@pytest.mark.parametrize(
    ("mac", "environ", "folder"),
    [
        (False, {}, ".config/io.datasette.llm"),
        (False, {"XDG_CONFIG_HOME": "xdg"}, "xdg/io.datasette.llm"),
        (True, {"XDG_CONFIG_HOME": "xdg"}, "Library/Application Support/io.datasette.llm"),
        (True, {"LLM_USER_PATH": "mine"}, "mine"),
    ],
)
def test_llm_is_told_its_models_and_a_key(tmp_path: Path, mac: bool, environ: dict[str, str], folder: str) -> None:
    """One entry a model, under a name that is no model's own; the key is in its file of keys.

    llm itself refuses tools, a schema or an image to a model of which it is not told that it takes them.
    """
    absolute = {name: str(tmp_path / value) for name, value in environ.items()}
    models, key = files("llm", tmp_path, wanted(), mac=mac, **absolute)
    can = {"supports_tools": True, "supports_schema": True, "vision": True}
    rows = [
        {"model_id": f"tf/{name}", "model_name": name, "api_base": f"{URL}/v1", "api_key_name": "tf", **can}
        for name in ("gpt-5", "smart")
    ]
    assert (tmp_path / folder / "extra-openai-models.yaml", rows) == (models.path, says(models))
    assert (tmp_path / folder / "keys.json", {"tf": TOKEN}) == (key.path, says(key))


def test_continue_is_told_its_models(tmp_path: Path) -> None:
    """A new file has what Continue requires."""
    (file,) = files("continue", tmp_path, wanted())
    models = [
        {"name": f"tf/{name}", "provider": "openai", "model": name, "apiBase": f"{URL}/v1", "apiKey": TOKEN}
        for name in ("gpt-5", "smart")
    ]
    expected = {"name": "Local Config", "version": "1.0.0", "schema": "v1", "models": models}
    assert (tmp_path / ".continue/config.yaml", expected) == (file.path, says(file))


def test_an_older_config_of_continue_is_not_hidden(tmp_path: Path) -> None:
    """A new config.yaml would make Continue read config.json no more."""
    (tmp_path / ".continue").mkdir()
    (tmp_path / ".continue/config.json").write_text("{}")
    with pytest.raises(ForgeError, match="would no longer be read beside"):
        files("continue", tmp_path, wanted())


def test_sdks_are_told_by_the_shell() -> None:
    """Each has two lines."""
    lines = {name: tool.lines(wanted()) for name, tool in TOOLS.items() if tool.lines}
    assert {
        "openai": (f"export OPENAI_BASE_URL={URL}/v1", f"export OPENAI_API_KEY={TOKEN}"),
        "anthropic": (f"export ANTHROPIC_BASE_URL={URL}", f"export ANTHROPIC_AUTH_TOKEN={TOKEN}"),
    } == lines


def test_what_leaves_a_login_is_named() -> None:
    """A key, a token or a helper for one, unless it is empty."""
    settings = {"apiKeyHelper": "x", "env": {"ANTHROPIC_AUTH_TOKEN": "", "ANTHROPIC_API_KEY": "x"}}
    assert ("apiKeyHelper", "env.ANTHROPIC_API_KEY") == leaves_login(settings)
    assert () == leaves_login([])

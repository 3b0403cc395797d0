"""`tf connect` as a user types it: what is written and said, what a key is called, and what undoes it."""

import asyncio
import io
import json
import re
from pathlib import Path

import pytest
from command_line import Ran, tf
from playbook import FUNDS, SECRETS, Setup
from upstreams import Answer, End, Got, Upstream, plain, refusal

from tokens_forge.core.entries import Settled
from tokens_forge.files.connections import BACKUP
from tokens_forge.files.keys_file import Keys
from tokens_forge.files.ledger_reader import read_lines
from tokens_forge.files.paths import resolve
from tokens_forge.files.tool_settings import TOOLS
from tokens_forge.proxy.server import running

CONFIG = """
[balance.wallet]
kind = "prepaid"
unit = "CNY"
[upstream.relay]
dialect = "openai"
base_url = "http://127.0.0.1:9/v1"
credential = "none"
[route.relay]
class = "ordinary"
upstream = "relay"
balance = "wallet"
serves = ["gpt-5", "gpt-5-mini"]
price = "free"
"""

WITH_FILES = [name for name, tool in TOOLS.items() if tool.files]

TOKEN = re.compile(r"sk-tf-[\w-]{43}")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the config, which is the user's home too."""
    for name in ("CODEX_HOME", "CLAUDE_CONFIG_DIR", "XDG_CONFIG_HOME", "LLM_USER_PATH", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("OPENAI_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    (tmp_path / "config.toml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def settings_of(home: Path) -> dict[str, bytes]:
    """Return every file of the home folder that is no part of tf's own."""
    paths = (path for path in home.rglob("*") if path.is_file() and "data" not in path.parts)
    return {str(path.relative_to(home)): path.read_bytes() for path in paths}


def key_of(home: Path, token: str) -> str | None:
    """Return the name of the live key that has a token."""
    return Keys(home / "data" / "keys.toml").name_of(token, monotonic_s=0.0)


def token_in(home: Path, name: str) -> str:
    """Return the token in a tool's file."""
    (token,) = set(TOKEN.findall((home / name).read_text()))
    return token


@pytest.mark.parametrize("tool", WITH_FILES)
def test_connect_and_undo_leave_nothing_behind(home: Path, tool: str) -> None:
    """The tool has a live key of its own name, no token is said; undone, all is as before and the key has ended."""
    before = settings_of(home)
    ran = tf(home, "connect", tool)
    assert (0, "") == (ran.code, ran.out)
    tokens = {token for data in settings_of(home).values() for token in TOKEN.findall(data.decode())}
    assert [tool] == [key_of(home, token) for token in tokens]
    assert not TOKEN.search(ran.err + (home / "data/connections.json").read_text())
    assert all(
        0o600 == path.stat().st_mode & 0o777
        for path in home.rglob("*")
        if path.is_file() and path.name != "config.toml"
    )
    ran = tf(home, "connect", tool, "--undo")
    assert (0, "", before) == (ran.code, ran.out, settings_of(home))
    assert [None] == [key_of(home, token) for token in tokens]
    assert "no" == tf(home, "connect").out.splitlines()[1 + list(TOOLS).index(tool)].split()[-1]


def test_every_tool_is_listed_with_its_state(home: Path) -> None:
    """The list names dialect, key and file, and so does its JSON."""
    tf(home, "connect", "codex", "--login", "keep")
    tf(home, "connect", "openai", "--key", "sdk")
    out = tf(home, "connect").out
    assert "tool         dialect    connected\nclaude-code  messages   no\n" in out
    assert f"codex        responses  key codex, its own login kept: {home}/.codex/config.toml\n" in out
    assert "openai       chat       key sdk: by lines for the shell\n" in out
    rows = {row["tool"]: row for row in json.loads(tf(home, "connect", "--json").out)["tools"]}
    assert {"tool": "aider", "dialect": "chat", "connected": False} == rows["aider"]
    assert ("sdk", "api", "http://127.0.0.1:8787") == (
        rows["openai"]["key"],
        rows["openai"]["login"],
        rows["openai"]["url"],
    )
    assert ("keep", [f"{home}/.codex/config.toml"]) == (rows["codex"]["login"], rows["codex"]["files"])


def test_an_sdk_gets_its_lines_on_stdout(home: Path) -> None:
    """They can be evaluated by a shell; the token stands nowhere else."""
    ran = tf(home, "connect", "anthropic")
    url, token = ran.out.splitlines()
    assert "export ANTHROPIC_BASE_URL=http://127.0.0.1:8787" == url
    assert "anthropic" == key_of(home, token.removeprefix("export ANTHROPIC_AUTH_TOKEN="))
    ran = tf(home, "connect", "anthropic", "--undo")
    assert "Take the lines out of your shell's settings yourself" in ran.err


def test_print_writes_nothing(home: Path) -> None:
    """It shows the lines that change, without the user's others and without a token."""
    (home / ".claude").mkdir()
    (home / ".claude/settings.json").write_text('{\n  "secret": "mine",\n  "env": {}\n}\n')
    before = settings_of(home)
    ran = tf(home, "connect", "claude-code", "--print")
    assert (0, before, False) == (ran.code, settings_of(home), (home / "data/keys.toml").exists())
    assert '+    "ANTHROPIC_AUTH_TOKEN": "sk-tf-…"' in ran.out
    assert "mine" not in ran.out
    assert (
        "export OPENAI_BASE_URL=http://127.0.0.1:8787/v1\nexport OPENAI_API_KEY=sk-tf-…\n"
        == tf(home, "connect", "openai", "--print").out
    )


def test_another_login_takes_the_place_of_the_first(home: Path) -> None:
    """Token and model stay, the variable that would leave the subscription goes; later it stays kept without a word."""
    tf(home, "connect", "claude-code", "--model", "opus")
    token = token_in(home, ".claude/settings.json")
    ran = tf(home, "connect", "claude-code", "--login", "keep")
    env = {"ANTHROPIC_BASE_URL": f"http://127.0.0.1:8787/k/{token}"}
    assert {"env": env, "model": "opus"} == json.loads((home / ".claude/settings.json").read_text())
    assert 'it needs one with `credential = "client"`' in ran.err
    ran = tf(home, "connect", "claude-code")
    assert env == json.loads((home / ".claude/settings.json").read_text())["env"]
    assert "settings.json says so already" in ran.err


@pytest.mark.parametrize("name", ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"])
def test_a_login_is_not_said_to_be_kept_where_it_is_not(home: Path, name: str) -> None:
    """With a key in its settings Claude Code leaves the login: refused, and nothing is written or issued."""
    (home / ".claude").mkdir()
    (home / ".claude/settings.json").write_text(json.dumps({"env": {name: "sk-ant-x"}}))
    before = settings_of(home)
    ran = tf(home, "connect", "claude-code", "--login", "keep")
    assert (1, before, False) == (ran.code, settings_of(home), (home / "data/keys.toml").exists())
    assert f"sets env.{name}, with which Claude Code leaves the login" in ran.err


def test_a_key_that_goes_out_beside_ours_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the tool's settings, and in the shell."""
    (home / ".claude").mkdir()
    (home / ".claude/settings.json").write_text('{"env": {"ANTHROPIC_API_KEY": "sk-ant-x"}}')
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-x")
    ran = tf(home, "connect", "claude-code")
    assert "It sets env.ANTHROPIC_API_KEY too" in ran.err
    assert "ANTHROPIC_API_KEY is set in this shell" in ran.err


def test_a_link_a_repository_and_open_permissions_are_told(home: Path) -> None:
    """Whoever keeps dotfiles in git learns that there is a key in them now."""
    real = home / "dotfiles/aider.yml"
    (home / "dotfiles/.git").mkdir(parents=True)
    real.write_text("dark-mode: true\n")
    real.chmod(0o644)
    (home / ".aider.conf.yml").symlink_to(real)
    ran = tf(home, "connect", "aider", "--model", "gpt-5")
    assert f"Wrote {home}/.aider.conf.yml (a symbolic link to {real}).\n" in ran.err
    assert f"  What it was is in {real}{BACKUP}.\n" in ran.err
    assert "only you may read it" in ran.err
    assert "It is in a git repository" in ran.err
    assert "model: openai/gpt-5\n" in real.read_text()
    tf(home, "connect", "aider", "--undo")
    assert (0o644, "dark-mode: true\n") == (real.stat().st_mode & 0o777, real.read_text())


def test_a_key_that_lives_elsewhere_is_not_taken(home: Path) -> None:
    """Its token is known to nobody: three ways on are said, and each works."""
    token = tf(home, "keys", "new", "aider").out.strip()
    ran = tf(home, "connect", "aider")
    assert (1, False) == (ran.code, (home / ".aider.conf.yml").exists())
    assert "the key `aider` is there already" in ran.err
    assert all(option in ran.err for option in ("--rotate", "--key NAME", "--token-stdin"))
    assert 0 == tf(home, "connect", "aider", "--rotate").code
    assert [None, "aider"] == [key_of(home, one) for one in (token, token_in(home, ".aider.conf.yml"))]
    ran = tf(home, "connect", "aider", "--key", "pair")
    assert "The key `aider`, which was issued for aider, has ended." in ran.err
    assert "pair" == key_of(home, token_in(home, ".aider.conf.yml"))


def test_a_token_from_standard_input_is_put_in(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key is the user's: undo does not end it. A token of no key here is refused."""
    token = tf(home, "keys", "new", "mine").out.strip()
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{token}\n"))
    assert 0 == tf(home, "connect", "codex", "--token-stdin").code
    assert token == token_in(home, ".codex/config.toml")
    tf(home, "connect", "codex", "--undo")
    assert "mine" == key_of(home, token)
    for given, expected in (("sk-tf-other\n", "is of no key that is live here"), ("", "there is no token")):
        monkeypatch.setattr("sys.stdin", io.StringIO(given))
        ran = tf(home, "connect", "codex", "--token-stdin")
        assert (1, True) == (ran.code, expected in ran.err)


def test_a_revoked_key_is_taken_up_again(home: Path) -> None:
    """So that its history goes on under the tool's name."""
    tf(home, "connect", "aider")
    tf(home, "connect", "aider", "--undo")
    assert 0 == tf(home, "connect", "aider").code
    assert "aider" == key_of(home, token_in(home, ".aider.conf.yml"))


def test_what_was_changed_since_is_left_and_said(home: Path) -> None:
    """Then the key lives on: the file may have it still."""
    tf(home, "connect", "codex")
    path = home / ".codex/config.toml"
    path.write_text(path.read_text().replace("Tokens Forge", "My proxy") + "[projects.x]\n")
    ran = tf(home, "connect", "codex", "--undo")
    assert '[model_providers.tf]\nname = "My proxy"\n[projects.x]\n' == path.read_text().lstrip()
    assert "was edited since: only what tf had put in was taken out" in ran.err
    assert f"Changed since, so left as it is: {path}: model_providers.tf.name.\n" in ran.err
    assert "`tf keys revoke codex` ends it" in ran.err


def test_a_folder_that_moved_is_cleared(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connected again under another CODEX_HOME, the file before has nothing of ours."""
    tf(home, "connect", "codex")
    monkeypatch.setenv("CODEX_HOME", str(home / "other"))
    tf(home, "connect", "codex")
    assert ["config.toml", "other/config.toml"] == sorted(settings_of(home))


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["cursor"], 1, "Cursor calls a custom base URL from its own servers"),
        (["cursed"], 2, "no tool `cursed` is known"),
        (["aider", "--login", "keep"], 2, "aider has no login of its own to keep"),
        (["codex", "--login", "lose"], 2, "`lose` is neither keep nor api"),
        (["aider", "--undo"], 1, "aider is not connected"),
        (["aider", "--key", "a b"], 1, "`a b` is no name for a key"),
    ],
)
def test_what_can_not_be_is_refused(home: Path, arguments: list[str], code: int, expected: str) -> None:
    """Each refusal says the next step, and leaves no file behind."""
    before = settings_of(home)
    ran = tf(home, "connect", *arguments)
    assert (code, "", True, before) == (ran.code, ran.out, expected in ran.err, settings_of(home))


def test_a_tool_that_lists_models_needs_names(home: Path) -> None:
    """Patterns are no names: one must be said."""
    config = (home / "config.toml").read_text().replace('["gpt-5", "gpt-5-mini"]', '["gpt-*"]')
    (home / "config.toml").write_text(config)
    ran = tf(home, "connect", "opencode")
    assert (1, True) == (ran.code, "say one with `--model NAME`" in ran.err)
    tf(home, "connect", "opencode", "--model", "gpt-5")
    settings = json.loads((home / ".config/opencode/opencode.json").read_text())
    assert ("tf/gpt-5", {"gpt-5": {}}) == (settings["model"], settings["provider"]["tf"]["models"])


def test_without_a_proxy_the_test_says_so(home: Path) -> None:
    """Nobody listens: the next step is to start it. What was connected stays so."""
    ran = tf(home, "connect", "aider", "--url", "http://127.0.0.1:9/v1", "--test")
    assert (1, True) == (ran.code, "no proxy answers at http://127.0.0.1:9: `tf serve` starts it" in ran.err)
    assert "openai-api-base: http://127.0.0.1:9/v1\n" in (home / ".aider.conf.yml").read_text()


async def test_a_call_through_the_proxy_names_what_paid(home: Path) -> None:
    """The tool is told where the proxy runs; the call is in the ledger under the tool's key."""
    async with Upstream() as upstream:
        (home / "config.toml").write_text(Setup().toml(upstream.url, upstream.url), encoding="utf-8")
        for balance, amount in FUNDS.items():
            assert 0 == tf(home, "balance", "topup", balance, amount).code
        paths = resolve(config=home / "config.toml", data_dir=home / "data", demo=False, environ={})
        async with running(paths, SECRETS, port=0) as proxy:
            ran = await asyncio.to_thread(tf, home, "connect", "aider", "--test")
            assert f"openai-api-base: {proxy.url}/v1\n" in (home / ".aider.conf.yml").read_text()
        (settled,) = (line.entry for line in read_lines(paths.ledger) if isinstance(line.entry, Settled))
    assert 0 == ran.code
    expected = "asked for  smart\nanswered   by route relay (ordinary)\npaid by    wallet: 0.048 CNY (computed)\n"
    assert expected in ran.out
    assert f"why        tf explain {settled.id}\n" in ran.out
    assert ("aider", "tf connect --test") == (settled.key, settled.agent)


ANSWER = {
    "content-type": "application/json",
    "x-request-id": "tf_1",
    "x-tf-route": "claude",
    "x-tf-class": "direct",
    "x-tf-balance": "credit",
    "x-tf-charge": "0.001 USD",
    "x-tf-fell-back": "a/b>c/d; rate_limited",
}


MODELS = b'{"object":"list","data":[{"id":"first"},{"id":"second"}]}'


def scripted(got: Got) -> Answer:
    """Answer as a proxy would that speaks every dialect."""
    return plain(MODELS) if got.line == "GET /v1/models" else plain(b"{}", headers=ANSWER)


async def tried(home: Path, proxy: Upstream, *arguments: str) -> Ran:
    """Run `tf connect` against a scripted proxy."""
    return await asyncio.to_thread(tf, home, "connect", *arguments, "--url", proxy.url, "--test")


@pytest.mark.parametrize(
    ("tool", "line", "body"),
    [
        (
            "codex",
            "POST /v1/responses",
            {"model": "first", "input": "Say OK.", "max_output_tokens": 16},
        ),
        (
            "anthropic",
            "POST /v1/messages",
            {"model": "first", "messages": [{"role": "user", "content": "Say OK."}], "max_tokens": 16},
        ),
        (
            "continue",
            "POST /v1/chat/completions",
            {"model": "first", "messages": [{"role": "user", "content": "Say OK."}]},
        ),
    ],
)
async def test_a_call_is_in_the_tools_own_dialect(home: Path, tool: str, line: str, body: dict[str, object]) -> None:
    """The first model that the key may use is asked, with the tool's token; a fallback is said."""
    async with Upstream(otherwise=scripted) as proxy:
        ran = await tried(home, proxy, tool)
        models, call = proxy.got
    assert (0, "GET /v1/models", line, body) == (ran.code, models.line, call.line, call.asked)
    assert tool == key_of(home, call.headers["authorization"].removeprefix("Bearer "))
    assert ran.out.endswith(
        "asked for  first\nanswered   by route claude (direct)\npaid by    credit: 0.001 USD\n"
        "fell back  a/b>c/d; rate_limited\nwhy        tf explain tf_1\n"
    )


async def test_a_connected_tool_is_tested_as_it_is(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written, and a model may be named; an SDK's token is the shell's."""
    async with Upstream(otherwise=scripted) as proxy:
        await tried(home, proxy, "aider")
        before = settings_of(home)
        ran = await asyncio.to_thread(tf, home, "connect", "aider", "--test", "--model", "second")
        assert (0, before, "second") == (ran.code, settings_of(home), proxy.got[-1].asked["model"])
        await tried(home, proxy, "aider", "--model", "second", "--rotate")
        assert "model: openai/second\n" in (home / ".aider.conf.yml").read_text()
        token = tf(home, "connect", "openai", "--url", proxy.url).out.split("=")[-1].strip()
        ran = await asyncio.to_thread(tf, home, "connect", "openai", "--test")
        assert (1, True) == (ran.code, "`tf connect openai --rotate` puts one in" in ran.err)
        monkeypatch.setenv("OPENAI_API_KEY", token)
        ran = await asyncio.to_thread(tf, home, "connect", "openai", "--test")
        assert (0, f"Bearer {token}") == (ran.code, proxy.got[-1].headers["authorization"])


async def test_a_kept_login_is_tried_without_a_call(home: Path) -> None:
    """The login is the tool's own: the proxy is asked whether it knows the key, and the rest is said."""
    async with Upstream(otherwise=scripted) as proxy:
        ran = await tried(home, proxy, "claude-code", "--login", "keep")
        assert ["GET /v1/models"] == [got.line for got in proxy.got]
    assert (0, True) == (ran.code, "ask the tool one thing, then `tf explain last`" in ran.err)
    assert ran.out.endswith("knows the key.\n")


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([refusal(401)], "/v1/models was answered with 401: no (`tf connect aider --rotate` gives"),
        (
            [plain(MODELS), refusal(402, message="spent", headers={"x-request-id": "tf_2"})],
            "/v1/chat/completions was answered with 402: spent (`tf explain tf_2` tells more)",
        ),
        ([plain(MODELS), plain(b"<html>", status=500)], "500: no reason was given (`tf check` says"),
        ([plain(b'{"data":[]}')], "the config names no model that this key may use"),
        ([plain(b"<html>")], "is no tf"),
        ([(End.CLOSE,)], "did not end: RemoteProtocolError"),
    ],
)
async def test_a_call_that_fails_says_what_to_do(home: Path, answers: list[Answer], expected: str) -> None:
    """The status, the reason, and the next step; no token in it."""
    async with Upstream() as proxy:
        proxy.answers(*answers)
        ran = await tried(home, proxy, "aider")
    assert (1, "", True) == (ran.code, ran.out, expected in ran.err)
    assert not TOKEN.search(ran.err)

"""`tf init` as a newcomer runs it: from a provider's key to a config, a balance and a token."""

import io
import stat
from pathlib import Path

import pytest
from command_line import tf

from tokens_forge.files.config_file import load
from tokens_forge.files.first_config import PROVIDERS
from tokens_forge.files.keys_file import Keys
from tokens_forge.files.ledger_writer import stand
from tokens_forge.files.paths import resolve


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every provider's key out of the environment, and the terminal away."""
    for provider in PROVIDERS:
        monkeypatch.delenv(provider.variable, raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO())


@pytest.fixture
def openai_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a made-up key of one provider into the environment."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-made-up")


class _Terminal(io.StringIO):
    """A person's answers, one a line."""

    def isatty(self) -> bool:
        return True


def posted(folder: Path) -> dict[str, str]:
    """Return what each balance of the ledger holds."""
    paths = resolve(config=None, data_dir=folder / "data", demo=False, environ={})
    return {name: f"{state.posted} {state.unit}" for name, state in stand(paths).fold.book.balances.items()}


def test_amounts_as_people_write_them(tmp_path: Path) -> None:
    """The config has the codes of currencies, whatever the case and sign they were written with."""
    url = ("--upstream", "relay=https://x.example/v1")
    assert 0 == tf(tmp_path, "init", *url, "--balance", "relay=1,500 cny", "--fx", "cny=7.10").code
    assert {"relay": "1500 CNY"} == posted(tmp_path)
    assert 0 == tf(tmp_path, "balance", "topup", "relay", "￥5").code


@pytest.mark.usefixtures("openai_key")
def test_a_found_key_and_a_balance_make_a_config_that_can_be_used(tmp_path: Path) -> None:
    """Config, opening balance and key are there; stdout is the two lines for the tool; `tf check` finds nothing."""
    ran = tf(tmp_path, "init", "--balance", "openai=25.00 USD", "--key", "aider")
    url, export = ran.out.splitlines()
    token = export.removeprefix("export OPENAI_API_KEY=")
    assert (0, "export OPENAI_BASE_URL=http://127.0.0.1:8787/v1") == (ran.code, url)
    assert "aider" == Keys(tmp_path / "data/keys.toml").name_of(token, monotonic_s=0.0)
    assert {"openai": "25 USD"} == posted(tmp_path)
    assert 0o600 == stat.S_IMODE((tmp_path / "config.toml").stat().st_mode)
    assert "sk-made-up" not in (tmp_path / "config.toml").read_text()
    assert 0 == tf(tmp_path, "check").code
    last = ran.err.splitlines()[-1]
    assert f"Then start the proxy: tf --config {tmp_path}/config.toml --data-dir {tmp_path}/data serve" == last


@pytest.mark.usefixtures("openai_key")
def test_with_two_providers_both_kinds_of_clients_have_their_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One token for both; a key that was there already is not shown again."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-made-up")
    lines = tf(tmp_path, "init").out.splitlines()
    token = lines[1].removeprefix("export OPENAI_API_KEY=")
    assert token.startswith("sk-tf-")
    urls = ["export OPENAI_BASE_URL=http://127.0.0.1:8787/v1", "export ANTHROPIC_BASE_URL=http://127.0.0.1:8787"]
    assert [urls[0], f"export OPENAI_API_KEY={token}", urls[1], f"export ANTHROPIC_AUTH_TOKEN={token}"] == lines
    (tmp_path / "config.toml").unlink()
    assert urls == tf(tmp_path, "init").out.splitlines()


@pytest.mark.usefixtures("openai_key")
def test_without_a_balance_it_says_the_line_that_funds_it(tmp_path: Path) -> None:
    """Nothing is asked without a terminal; the config works as soon as that line was run."""
    ran = tf(tmp_path, "init")
    assert (0, {}) == (ran.code, posted(tmp_path))
    assert f"tf --config {tmp_path}/config.toml --data-dir {tmp_path}/data balance topup openai '25.00 USD'" in ran.err


@pytest.mark.usefixtures("openai_key")
def test_a_config_is_never_overwritten(tmp_path: Path) -> None:
    """A second run says so and changes neither config nor ledger nor keys."""
    config = tmp_path / "config.toml"
    config.write_text("# mine\n")
    ran = tf(tmp_path, "init", "--balance", "openai=25.00 USD")
    expected = f"tf: {config} is there already and stays as it is: `tf check` says what it means\n"
    assert (1, "", expected) == (ran.code, ran.out, ran.err)
    assert ("# mine\n", False) == (config.read_text(), (tmp_path / "data").exists())


def test_an_anthropic_key_is_found_in_its_own_dialect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any client can ask there; it is direct, at the list price, from a balance in its unit."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-made-up")
    ran = tf(tmp_path, "init", "--balance", "anthropic=25 USD")
    config = load(tmp_path / "config.toml", None)
    upstream, route = config.upstream["anthropic"], config.route["anthropic"]
    assert (0, {"anthropic": "25 USD"}) == (ran.code, posted(tmp_path))
    assert ("anthropic", "https://api.anthropic.com") == (upstream.dialect, upstream.base_url)
    assert ("direct", "list", True) == (route.route_class, route.price, "claude-*" in route.serves)
    assert 0 == tf(tmp_path, "check").code


def test_a_token_of_ours_is_no_providers_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a tool's shell OPENAI_API_KEY is tf's own: sent on, it would come back to nobody."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-tf-made-up")
    ran = tf(tmp_path, "init")
    assert 1 == ran.code
    assert "no provider's key is in the environment" in ran.err


@pytest.mark.usefixtures("openai_key")
def test_it_says_how_a_tool_is_connected(tmp_path: Path) -> None:
    """The two lines are one way; the other writes a tool's own settings."""
    ran = tf(tmp_path, "init")
    options = f"--config {tmp_path}/config.toml --data-dir {tmp_path}/data"
    said = f"Or `tf {options} connect TOOL` writes that into a tool's own settings: claude-code, codex, opencode, "
    assert said in ran.err


def test_subscriptions_are_used_by_the_login_of_their_tools(tmp_path: Path) -> None:
    """No key is needed and none issued: `tf connect` does that, and nothing warns of what is written."""
    ran = tf(tmp_path, "init", "--subscription", "claude", "--subscription", "codex")
    assert (0, "") == (ran.code, ran.out)
    options = f"--config {tmp_path}/config.toml --data-dir {tmp_path}/data"
    for tool in ("claude-code", "codex"):
        assert f"its own login: tf {options} connect {tool} --login keep\n" in ran.err
    config = load(tmp_path / "config.toml", None)
    assert ({"client"}, {"subscription"}, {"provider"}) == (
        {upstream.credential for upstream in config.upstream.values()},
        {route.route_class for route in config.route.values()},
        {balance.windows for balance in config.balance.values()},
    )
    assert ("https://chatgpt.com/backend-api/codex", ("responses",), ("GET /models",)) == (
        config.upstream["codex"].base_url,
        config.upstream["codex"].endpoints,
        config.upstream["codex"].passes,
    )
    assert f"{tmp_path}/config.toml can be used." == tf(tmp_path, "check").out.splitlines()[0]


def test_a_subscription_goes_before_the_same_models_for_money(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who brings the login is served by the plan; others by the key's money, and neither crosses into the other."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-made-up")
    assert 0 == tf(tmp_path, "init", "--subscription", "claude", "--balance", "anthropic=5 USD").code
    config = load(tmp_path / "config.toml", None)
    assert ["claude", "anthropic"] == list(config.route)
    assert f"{tmp_path}/config.toml can be used." == tf(tmp_path, "check").out.splitlines()[0]


def test_a_config_that_is_there_is_told_what_to_add(tmp_path: Path) -> None:
    """The tables are on stdout, so that they can be appended; nothing is written. Once in, they are not told again."""
    config = tmp_path / "config.toml"
    before = '[balance.own]\nkind = "free"\n'
    config.write_text(before)
    ran = tf(tmp_path, "init", "--subscription", "claude")
    assert (0, before) == (ran.code, config.read_text())
    assert f"{config} is there already and stays as it is. Add this to it:\n" in ran.err
    config.write_text(f"{before}\n{ran.out}")
    assert ["claude"] == list(load(config, None).route)
    again = tf(tmp_path, "init", "--subscription", "claude")
    assert (1, "") == (again.code, again.out)
    assert f"{config} has a `[balance.claude]` already and stays as it is" in again.err


def test_every_provider_it_knows_has_prices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The models that a first config names are in the price catalogue, at the provider's own URL."""
    for provider in PROVIDERS:
        monkeypatch.setenv(provider.variable, "sk-made-up")
    balances = [word for provider in PROVIDERS for word in ("--balance", f"{provider.name}=1 USD")]
    assert 0 == tf(tmp_path, "init", *balances).code
    ran = tf(tmp_path, "check")
    assert (0, f"{tmp_path}/config.toml can be used.") == (ran.code, ran.out.splitlines()[0])


def test_an_upstream_of_ones_own_has_its_kind(tmp_path: Path) -> None:
    """One on this machine is local and free; a relay has its own currency, rate and variable."""
    ran = tf(
        tmp_path,
        *("init", "--upstream", "ollama=http://127.0.0.1:11434/v1", "--upstream", "my.relay=https://relay.example/v1"),
        *("--balance", "my.relay=500 CNY", "--fx", "CNY=7.10"),
    )
    config = load(tmp_path / "config.toml", None)
    assert (0, {"my.relay": "500 CNY"}) == (ran.code, posted(tmp_path))
    assert ["local", "ordinary"] == [config.route[name].route_class for name in ("ollama", "my.relay")]
    assert ["none", "env:MY_RELAY_API_KEY"] == [config.upstream[name].credential for name in ("ollama", "my.relay")]
    assert "The key of `my.relay` is still missing: export MY_RELAY_API_KEY=..." in ran.err


@pytest.mark.parametrize(
    ("options", "code", "expected"),
    [
        ([], 1, "tf: no provider's key is in the environment (OPENAI_API_KEY, "),
        (["--upstream", "relay"], 2, "`relay` is not of the form NAME=BASE_URL"),
        (["--upstream", "a=https://x.example", "--upstream", "a=https://y.example"], 2, "`a` is given twice"),
        (["--upstream", "a b=https://x.example/v1"], 1, "tf: `a b` is no name: "),
        (["--upstream", "a=https://x.example/v1", "--key", "a b"], 1, "tf: `a b` is no name: "),
        (["--upstream", "a=ftp://x.example/v1"], 1, "tf: nothing was written:\n`ftp://x.example/v1` is no base URL"),
        (["--upstream", "a=http://x.example/v1"], 1, "would send the credential unencrypted"),
        (["--upstream", "a=https://x.example/v1", "--balance", "b=5 USD"], 1, "tf: no provider or upstream named `b`."),
        (
            ["--upstream", "a=https://x.example/v1", "--balance", "a=¥5"],
            1,
            "tf: `¥5`: `¥` may be CNY or JPY; write which",
        ),
        (
            ["--upstream", "a=https://x.example/v1", "--balance", "a=5 usdd"],
            1,
            "tf: `usdd` is not a unit that is known",
        ),
        (["--upstream", "a=https://x.example/v1", "--balance", "a=5"], 1, "tf: `5` is no amount"),
        (["--upstream", "a=https://x.example/v1", "--balance", "a=-5 USD"], 1, "tf: `-5 USD` is less than nothing"),
        (["--upstream", "a=https://x.example/v1", "--balance", "a=5 CNY"], 1, "`--fx CNY=RATE`"),
        (["--upstream", "a=https://x.example/v1", "--fx", "CNY=0"], 1, "tf: `0` is no exchange rate"),
        (["--upstream", "a=http://localhost/v1", "--balance", "a=5 USD"], 1, "tf: `a` is on this machine and free"),
        (["--subscription", "claud"], 2, "`claud` is not known. Did you mean `claude`?"),
        (
            ["--subscription", "claude", "--balance", "claude=5 USD"],
            1,
            "tf: `claude` is a subscription, counted by its",
        ),
        (["--subscription", "codex", "--upstream", "codex=https://x.example/v1"], 1, "is the name of a subscription"),
    ],
)
def test_what_can_not_be_is_refused_before_anything_is_written(
    tmp_path: Path, options: list[str], code: int, expected: str
) -> None:
    """Each refusal says the next step, and leaves no file behind."""
    ran = tf(tmp_path, "init", *options)
    assert (code, "", []) == (ran.code, ran.out, list(tmp_path.iterdir()))
    assert expected in ran.err


@pytest.mark.usefixtures("openai_key")
def test_at_a_terminal_it_asks_until_it_understands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong answer is told and asked again; another currency needs its rate; Enter means later."""
    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-made-up")
    monkeypatch.setattr("sys.stdin", _Terminal("25\n180 CNY\nmuch\n7.20\n\n"))
    ran = tf(tmp_path, "init")
    assert (0, {"openai": "180 CNY"}) == (ran.code, posted(tmp_path))
    assert "`25` is no amount" in ran.err
    assert "`much` is no exchange rate" in ran.err
    assert 'price = { list = "1", fx = "7.20" }' in (tmp_path / "config.toml").read_text()
    assert "The balance `deepseek` is empty" in ran.err


@pytest.mark.usefixtures("openai_key")
def test_without_an_answer_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever leaves at the question leaves nothing behind."""
    monkeypatch.setattr("sys.stdin", _Terminal(""))
    ran = tf(tmp_path, "init")
    assert (130, "", []) == (ran.code, ran.out, list(tmp_path.iterdir()))


@pytest.mark.usefixtures("openai_key")
def test_a_ledger_and_a_key_from_before_stay_as_they_are(tmp_path: Path) -> None:
    """After the config was moved away, a new one neither opens a balance twice nor reissues a key."""
    tf(tmp_path, "init", "--balance", "openai=25.00 USD")
    (tmp_path / "config.toml").unlink()
    ran = tf(tmp_path, "init", "--balance", "openai=30.00 USD")
    assert (0, {"openai": "25 USD"}) == (
        ran.code,
        {name: said.replace(".00", "") for name, said in posted(tmp_path).items()},
    )
    assert 'stays as it is: `tf balance set openai "30 USD"`' in ran.err
    assert "The key `default` is there already: `tf keys rotate default` gives it a new token" in ran.err
    assert "export OPENAI_BASE_URL=http://127.0.0.1:8787/v1\n" == ran.out

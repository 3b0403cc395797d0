"""A config is read whole: every problem at once, each where it stands, and no secret ever told."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tokens_forge.core.config import Config, Finding
from tokens_forge.core.errors import ConfigError
from tokens_forge.files.config_file import changes, credential, load, read, stored, unresolved

GOOD = """\
[balance.prepaid]
kind = "prepaid"
unit = "CNY"

[upstream.openai]
dialect = "openai"
base_url = "https://api.openai.com/v1"
credential = "env:OPENAI_API_KEY"

[route.fast]
class = "direct"
upstream = "openai"
balance = "prepaid"
serves = ["gpt-5"]
price = { list = 0.350, fx = "7.10" }
"""


def written(folder: Path, text: str) -> Path:
    """Return a config file with `text`."""
    path = folder / "config.toml"
    path.write_text(text)
    return path


def told(folder: Path, text: str) -> list[str]:
    """Return the problems of a config with `text`, each without the folder's name."""
    config, problems = read(written(folder, text))
    assert (config is None) == any(not problem.warning for problem in problems)
    return [str(problem).removeprefix(f"{folder}/") for problem in problems]


def config_of(folder: Path, text: str) -> Config:
    """Return the config that `text` gives."""
    return load(written(folder, text), None)


def test_numbers_keep_every_digit(tmp_path: Path) -> None:
    """A number may be bare or in quotes and is exactly what was written."""
    price = config_of(tmp_path, GOOD).route["fast"].price
    assert "Price(list=Decimal('0.350'), fx=Decimal('7.10'), " in repr(price)


def test_a_wrong_name_is_told_with_line_table_value_and_next_step(tmp_path: Path) -> None:
    """The message has the form that the design gives."""
    expected = ["config.toml:13 [route.fast] balance: no balance named `prepayd`. Did you mean `prepaid`?"]
    assert expected == told(tmp_path, GOOD.replace('balance = "prepaid"', 'balance = "prepayd"'))


MEANT = " Did you mean `{}`?"

EVERY_FAULT = """\
port = 3
[server]
port = "8787"
hostt = 1
[balance.prepaid]
kind = "prepayd"
[balance.plan]
kind = "pool"
unit = "requests"
windows = [
  { allow = 900, per = "5h" },
  { alow = 900, per = "5h", kind = "calender" },
]
[upstream.openai]
dialect = "openai"
base_url = "https://api.openai.com/v1"
credential = ["sk-secret"]
allow_http = "yes"
[route.fast]
class = "dirct"
upstream = "openai"
balance = "prepaid"
serves = "gpt-5"
price = 0.35
[route.second]
class = "direct"
upstream = "openai"
balance = "prepaid"
serves = 5
price = { lst = "0.35", fx = nan }
[route.second.prices]
"gpt-5" = { from = 2026-11-01 }
"gpt-5.1" = [{ from = "2026-13-01", unit = "CNY", per = "mtoks", input = "1e-30", output = true }]
[model."a b"]
routes = ["fats/x"]
[routes.x]
[key]
classes = ["direct"]
[report]
timezone = "Berlin"
fx = { CNY = [{ from = 2026-01-01T00:00:00, rate = "much" }] }
"""


def test_all_problems_are_told_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    """Every table, key and entry is looked at, whatever is wrong before it; no problem is a consequence of another."""
    assert [
        "config.toml:1 port: this stands above all tables: it belongs in `[server]`",
        'config.toml:3 [server] port: `"8787"` is not a whole number without quotes',
        "config.toml:4 [server] hostt: no such setting here. Did you mean `host`?",
        'config.toml:6 [balance.prepaid] kind: `"prepayd"` is not `"free"`, `"pool"`, `"postpaid"` or `"prepaid"`.'
        + MEANT.format("prepaid"),
        "config.toml:12 [balance.plan] windows.alow: no such setting here. Did you mean `allow`?",
        'config.toml:12 [balance.plan] windows.kind: `"calender"` is not `"calendar"`, `"first-use"` or `"rolling"`.'
        + MEANT.format("calendar"),
        "config.toml:12 [balance.plan] windows: `allow` is missing: write a number such as `0.35`",
        "config.toml:17 [upstream.openai] credential: this is not a text in quotes",
        'config.toml:18 [upstream.openai] allow_http: `"yes"` is not `true` or `false`',
        'config.toml:20 [route.fast] class: `"dirct"` is not `"direct"`, `"local"`, `"ordinary"` or `"subscription"`.'
        + MEANT.format("direct"),
        'config.toml:23 [route.fast] serves: `"gpt-5"` is not a list in brackets: write it in brackets, `["gpt-5"]`',
        'config.toml:24 [route.fast] price: `0.35` is not `"free"`, `"list"` or `"reported"` or a table `{ list = … }`',
        "config.toml:29 [route.second] serves: `5` is not a list in brackets or a table `{ NAME = … }`",
        "config.toml:30 [route.second] price.lst: no such setting here. Did you mean `list`?",
        "config.toml:30 [route.second] price.fx: `NaN` is not a number such as `0.35`",
        "config.toml:32 [route.second] prices.gpt-5: `{ … }` is not a list in brackets",
        'config.toml:33 [route.second] prices."gpt-5.1".from: `"2026-13-01"` is not a day such as `2026-11-01`',
        'config.toml:33 [route.second] prices."gpt-5.1".per: `"mtoks"` is not `"ktok"`, `"mtok"` or `"token"`.'
        + MEANT.format("mtok"),
        'config.toml:33 [route.second] prices."gpt-5.1".input: `"1e-30"` is not a number such as `0.35`',
        'config.toml:33 [route.second] prices."gpt-5.1".output: `true` is not a number such as `0.35`',
        'config.toml:34 [model."a b"]: a model\'s name has no spaces, and only ASCII characters',
        'config.toml:35 [model."a b"] routes: no route named `fats`. Did you mean `fast`?',
        "config.toml:36 routes: no such table. Did you mean `route`?",
        "config.toml:38 [key.classes]: this stands in no named table: write `[key.NAME]` above it",
        "config.toml:41 [report] fx.CNY.from: `2026-01-01 00:00:00` is not a day such as `2026-11-01`",
        'config.toml:41 [report] fx.CNY.rate: `"much"` is not a number such as `0.35`',
    ] == told(tmp_path, EVERY_FAULT)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[server]\nhost = "a', "config.toml:2: this is not TOML: "),
        ("[server]\nport = 1\nport = 2\n", "config.toml:3: this is not TOML: cannot overwrite a value"),
        ("[server]\nport =", "config.toml:2: this is not TOML: invalid value"),
        ("x = 1e99999999999999999999", "config.toml: a number in it has too many digits"),
        ("x = " + "9" * 5000, "config.toml: a number in it has too many digits"),
        ("x = " + "[" * 5000, "config.toml: its brackets are nested too deeply"),
        ("x = 1", "config.toml:1 x: this stands above all tables: write it in its table"),
        ("[[server]]\nport = 1", "config.toml:1 [server]: `[ … ]` is not a table `{ host = … }`"),
        ("[[balance]]\nkind = 'free'", "config.toml:1 [balance]: each has a name of your choice: write `[balance"),
        ("[report.fx]\nCNY = '7'", 'config.toml:2 [report] fx.CNY: `"7"` is not a list in brackets'),
        ("[report]\nfx = '7'", 'config.toml:2 [report] fx: `"7"` is not a table `{ NAME = … }`'),
        ("[report]\ntimezone = 'Berlin'", "config.toml:2 [report] timezone: `Berlin` is no time zone. "),
        ("[key.'a b']", 'config.toml:1 [key."a b"]: a name begins with a letter or digit'),
        ("[server]\nhosts = [\n'a',\n5]", "config.toml:4 [server] hosts: `5` is not a text in quotes"),
    ],
)
def test_each_kind_of_problem_says_where_it_is(tmp_path: Path, text: str, expected: str) -> None:
    """What the parser refuses, what is in the wrong place and what has the wrong shape: each with its line."""
    assert [expected] == [problem[: len(expected)] for problem in told(tmp_path, text)]


def test_a_missing_config_says_how_to_get_one(tmp_path: Path) -> None:
    """The next step for a newcomer is `tf init`."""
    path = tmp_path / "none.toml"
    with pytest.raises(ConfigError) as raised:
        load(path, None)
    assert f"{path}: there is no config here: `tf init` writes one" == str(raised.value)


def test_what_is_no_text_is_told_with_its_line(tmp_path: Path) -> None:
    """A file in another encoding, and a folder in the file's place."""
    path = tmp_path / "config.toml"
    path.write_bytes(b"# one\n# \xff\n")
    assert f"{path}:2: this is not UTF-8 text: save the file as UTF-8" == str(read(path)[1][0])
    assert f"{tmp_path}: it can't be read (Is a directory)" == str(read(tmp_path)[1][0])


def test_line_ends_of_windows_do_not_move_the_lines(tmp_path: Path) -> None:
    """A file saved with carriage returns has the same lines."""
    path = tmp_path / "config.toml"
    path.write_bytes(b"[server]\r\n\r\nport = 'x'\r\n")
    assert f"{path}:3 [server] port" == read(path)[1][0].where


def test_control_characters_of_a_config_never_reach_a_terminal(tmp_path: Path) -> None:
    """A name or value with an escape sequence is told with the escape visible."""
    expected = [
        "config.toml:2 [report] timezone: `\\x1b[2J` is no time zone. Write one such as `Europe/Berlin` or `UTC`."
    ]
    assert expected == told(tmp_path, '[report]\ntimezone = "\\u001b[2J"\n')


@pytest.mark.parametrize("secret", ['"sk-secret"', '["sk-secret"]', '{ is = "sk-secret" }', '"env:sk-secret"'])
def test_a_credential_is_never_told(tmp_path: Path, secret: str) -> None:
    """A secret that stands in the config by mistake is refused without repeating it."""
    problems = told(tmp_path, GOOD.replace('"env:OPENAI_API_KEY"', secret))
    assert ["config.toml:8 [upstream.openai] credential"] == [problem[:42] for problem in problems]
    assert "sk-secret" not in "".join(problems)


@pytest.mark.parametrize(
    ("url", "refused"),
    [
        ("https://user:secret@relay.example/v1", True),
        ("https://relay.example/v1?key=secret", True),
        ("http://relay.example/v1", True),
        ("http://[bad/v1", True),
        ("http://127.0.0.1:8000/v1", False),
        ("http://[::1]:8000/v1", False),
        ("http://localhost:8000/v1", False),
        ("https://relay.example/v1", False),
    ],
)
def test_a_url_neither_holds_a_secret_nor_sends_one_in_the_clear(tmp_path: Path, url: str, refused: bool) -> None:
    """Plain http with a credential is for loopback; user, password and query are refused everywhere, unseen."""
    problems = told(tmp_path, GOOD.replace("https://api.openai.com/v1", url))
    assert refused == bool(problems)
    assert "secret@" not in "".join(problems)
    assert "key=" not in "".join(problems)


def test_plain_http_can_be_allowed_by_name(tmp_path: Path) -> None:
    """`allow_http` lets one upstream be called without encryption."""
    text = GOOD.replace('"https://api.openai.com/v1"', '"http://relay.example/v1"\nallow_http = true')
    assert [] == told(tmp_path, text)


def test_further_questions_are_placed_like_all_others(tmp_path: Path) -> None:
    """What a command finds beyond the file has its line too, and is not asked of a file with faults."""

    def ask(config: Config) -> Iterator[Finding]:
        for name in config.route:
            yield Finding(path=("route", name, "price"), what="no list price", warning=True)

    path = written(tmp_path, GOOD)
    config, problems = read(path, (ask,))
    assert config is not None
    assert [f"{path}:15 [route.fast] price: no list price"] == [str(problem) for problem in problems]
    assert f"{path}:1 x" == read(written(tmp_path, f"x = 1\n{GOOD}"), (ask,))[1][0].where


def test_a_credential_file_that_others_can_read_is_a_warning(tmp_path: Path) -> None:
    """A secret that is open to others does not stop the proxy, but is told with the command that mends it."""
    key = tmp_path / "relay.key"
    key.write_text("sk-secret\n")
    key.chmod(0o644)
    text = GOOD.replace("env:OPENAI_API_KEY", "file:relay.key")
    expected = [f"config.toml:8 [upstream.openai] credential: others on this machine can read {key}: `chmod 600 {key}`"]
    assert expected == told(tmp_path, text)
    assert config_of(tmp_path, text).upstream["openai"].credential == "file:relay.key"
    key.chmod(0o600)
    assert [] == told(tmp_path, text)
    key.unlink()
    assert [] == told(tmp_path, text)


def test_a_credential_is_resolved_from_where_the_config_says(tmp_path: Path) -> None:
    """A variable, a file beside the config without its last line feed, or none."""
    (tmp_path / "relay.key").write_text("sk-file\n")
    path = tmp_path / "config.toml"
    environ = {"OPENAI_API_KEY": "sk-env"}
    assert ["sk-env", "sk-file", None] == [
        credential(config_of(tmp_path, GOOD.replace("env:OPENAI_API_KEY", form)).upstream["openai"], path, environ)
        for form in ("env:OPENAI_API_KEY", "file:relay.key", "none")
    ]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("env:UNSET", "env:UNSET: the variable `UNSET` is not set: `export UNSET=…` where `tf serve` is started"),
        ("env:EMPTY", "env:EMPTY: the variable `EMPTY` is not set: "),
        ("env:LINES", "env:LINES: what is there is no credential: it must be one line"),
        ("env:OURS", "env:OURS: what is there is a key of tf (`sk-tf-…`), which opens tf to a tool"),
        (
            "file:none",
            "file:none: the file {folder}/none can't be read (No such file or directory): put the credential",
        ),
        ("file:empty", "file:empty: the file {folder}/empty is empty: put the credential there"),
        ("file:link", "file:link: the file {folder}/link can't be read (it is a symbolic link): put the credential"),
        ("file:pipe", "file:pipe: the file {folder}/pipe can't be read (it is no plain file): put the credential"),
    ],
)
def test_a_credential_that_can_not_be_had_says_the_next_step(tmp_path: Path, form: str, expected: str) -> None:
    """Unset, missing, empty, a link or a pipe: the message never holds what was found, and nothing waits."""
    (tmp_path / "empty").touch()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    os.mkfifo(tmp_path / "pipe", 0o600)
    path = written(tmp_path, GOOD.replace("env:OPENAI_API_KEY", form))
    environ = {"EMPTY": "", "LINES": "sk-a\r\nx-injected: 1", "OURS": "sk-tf-sk-a"}
    config = load(path, None)
    with pytest.raises(ConfigError) as raised:
        credential(config.upstream["openai"], path, environ)
    assert str(raised.value).startswith(expected.format(folder=tmp_path))
    assert "sk-a" not in str(raised.value)
    found = list(unresolved(path, environ)(config))
    assert [("upstream", "openai", "credential")] == [finding.path for finding in found]


def test_the_stored_config_has_a_digest_and_no_credential(tmp_path: Path) -> None:
    """Equal configs have equal names, whatever their comments; another price gives another name."""
    config = config_of(tmp_path, GOOD)
    digest, data = stored(config)
    assert (digest, data) == stored(config_of(tmp_path, f"# a comment\n{GOOD}"))
    assert digest != stored(config_of(tmp_path, GOOD.replace("0.350", "0.30")))[0]
    assert ("c_", 18) == (digest[:2], len(digest))
    assert b'"price":{"list":"0.35","fx":"7.1"}' in data


def test_changes_are_told_value_by_value(tmp_path: Path) -> None:
    """Each value that differs has a line; a default that changes is told, equal amounts written otherwise are not."""
    old = config_of(tmp_path, GOOD)
    new = config_of(
        tmp_path,
        GOOD.replace("0.350", "0.30").replace('"7.10"', "7.1").replace('["gpt-5"]', '["gpt-*"]')
        + '[policy]\nattempts = 3\n[key.aider]\nclasses = ["direct"]\n[model."gpt-5.1"]\nroutes = ["fast"]\n',
    )
    assert (
        'route.fast.serves: ["gpt-5"] → ["gpt-*"]',
        "route.fast.price.list: 0.35 → 0.3",
        "policy.attempts: 4 → 3",
        'model."gpt-5.1".routes: - → ["fast"]',
        'key.aider.classes: - → ["direct"]',
    ) == changes(old, new)
    assert () == changes(new, new)


def test_without_a_config_before_all_is_new(tmp_path: Path) -> None:
    """The first config is told by what was written, not by its defaults."""
    assert (
        "balance.prepaid.kind: - → prepaid",
        "balance.prepaid.unit: - → CNY",
        "upstream.openai.dialect: - → openai",
        "upstream.openai.base_url: - → https://api.openai.com/v1",
        "upstream.openai.credential: - → env:OPENAI_API_KEY",
        "route.fast.class: - → direct",
        "route.fast.upstream: - → openai",
        "route.fast.balance: - → prepaid",
        'route.fast.serves: - → ["gpt-5"]',
        "route.fast.price.list: - → 0.35",
        "route.fast.price.fx: - → 7.1",
    ) == changes(None, config_of(tmp_path, GOOD))


def test_control_characters_of_a_change_are_visible(tmp_path: Path) -> None:
    """The ledger's text of a change holds no raw control character."""
    new = config_of(tmp_path, '[report]\nunit = "\\u001b[2J"\n')
    assert ("report.unit: USD → \\x1b[2J",) == changes(None, new)


CASCADE = """\
[balance.cloud]
kind = "postpaid"
unit = "USD"
limit = 0.05
[balance.wallet]
kind = "prepaid"
[balance.plan]
kind = "pool"
unit = "requests"
windows = [{ allow = 900, per = "5h" }]
overage = "cloud"
[upstream.u]
dialect = "openai"
base_url = "https://u.example/v1"
credential = "none"
[route.r]
class = "ordinary"
upstream = "u"
balance = "wallet"
serves = ["m"]
price = "list"
[key.k]
budget = { limit = "5 USD", per = "day" }
[task.t]
cap = { limt = "5 USD" }
"""


def test_one_fault_is_one_problem(tmp_path: Path) -> None:
    """What only follows from an entry that is wrong itself is not told beside it; every table has its stand-in."""
    no_unit = "`` is no unit: write a currency such as `USD`, or for a pool `requests`, `tokens` or `percent`"
    assert [
        "config.toml:4 [balance.cloud] limit: `0.05` is not a text in quotes",
        f"config.toml:5 [balance.wallet] unit: {no_unit}",
        "config.toml:25 [task.t] cap.limt: no such setting here. Did you mean `limit`?",
        "config.toml:25 [task.t] cap: `limit` is missing: write a text in quotes",
    ] == told(tmp_path, CASCADE)


def test_a_misspelt_balance_of_a_route_is_one_problem(tmp_path: Path) -> None:
    """It makes neither the balance look unused nor the budgets of its unit empty."""
    text = CASCADE.replace("0.05", '"5 USD"').replace('"prepaid"\n', '"prepaid"\nunit = "USD"\n')
    text = text.replace('balance = "wallet"', 'balance = "walet"').replace("limt", "limit")
    (problem,) = told(tmp_path, text)
    assert problem.startswith("config.toml:20 [route.r] balance: ")
    assert "Did you mean `wallet`?" in problem

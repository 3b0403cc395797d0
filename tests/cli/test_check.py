"""`tf check`: what a call would run into, told before the call."""

import json
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from command_line import tf

from tokens_forge.core.entries import Adjusted
from tokens_forge.files.config_file import read
from tokens_forge.files.ledger_writer import open_ledger
from tokens_forge.files.paths import resolve

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"

CONFIG = """\
[balance.wallet]
kind = "prepaid"
unit = "USD"

[upstream.openai]
dialect = "openai"
base_url = "https://api.openai.com/v1"
credential = "env:TF_TEST_KEY"

[route.official]
class = "direct"
upstream = "openai"
balance = "wallet"
serves = ["gpt-6-luna", "gpt-*"]
price = "list"
"""


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what the configs name."""
    for name in ("TF_TEST_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "CODING_PLAN_KEY"):
        monkeypatch.setenv(name, "sk-made-up")


def fund(folder: Path, **amounts: str) -> None:
    """Post an opening amount to each balance, ``name="5 USD"``."""
    paths = resolve(config=None, data_dir=folder / "data", demo=False, environ={})
    now = datetime.now(UTC)
    with open_ledger(paths, now) as ledger:
        for name, written in amounts.items():
            value, unit = written.split()
            entry = Adjusted(balance=name.replace("_", "-"), amount=value, unit=unit, reason="opening")
            ledger.append(entry, ledger.stamp(now))


def told(folder: Path, text: str) -> tuple[int, list[str]]:
    """Return the exit code of `tf check` on a config with `text`, and its lines without the folder."""
    (folder / "config.toml").write_text(text)
    ran = tf(folder, "check")
    assert "" == ran.err
    return ran.code, ran.out.replace(f"{folder}/", "").splitlines()


def test_a_config_that_can_be_used_is_told_in_a_few_lines(tmp_path: Path) -> None:
    """What each table means: what is left, who is paid from where, what may be asked for, who may ask."""
    fund(tmp_path, wallet="5.50 USD")
    tf(tmp_path, "keys", "new", "aider")
    tf(tmp_path, "keys", "new", "gone")
    tf(tmp_path, "keys", "revoke", "gone")
    assert (
        0,
        [
            "config.toml can be used.",
            "balances  wallet  5.5 USD",
            "routes    official  direct: openai, paid by wallet; serves gpt-6-luna, gpt-*",
            "models    gpt-6-luna  official/gpt-6-luna; asked in chat, responses; messages translated",
            "keys      aider  every class",
        ],
    ) == told(tmp_path, CONFIG)


def test_a_model_that_ends_is_a_warning(tmp_path: Path) -> None:
    """At its provider, by the table or by the catalogue; a relay that sells it has dates of its own."""
    fund(tmp_path, wallet="5 USD")
    for model, ends in (
        ("gpt-5", "ends on 2026-12-11 at openai; gpt-6.1-sol is recommended instead"),
        ("gpt-5-mini-2025-08-07", "ends on 2026-12-11 at openai; gpt-6.1-terra is recommended instead"),
    ):
        code, lines = told(tmp_path, CONFIG.replace('"gpt-6-luna"', f'"{model}"'))
        assert 0 == code
        verb = ends if datetime.now(UTC).date().isoformat() < "2026-12-11" else ends.replace("ends", "ended")
        assert lines[0].startswith(f"warning: config.toml:14 [route.official] serves: `{model}` {verb}")
    relay = CONFIG.replace("https://api.openai.com/v1", "https://relay.example/v1").replace("gpt-6-luna", "gpt-5")
    assert (0, "config.toml can be used.") == (told(tmp_path, relay)[0], told(tmp_path, relay)[1][0])
    moonshot = CONFIG.replace("https://api.openai.com/v1", "https://api.moonshot.ai/v1")
    code, lines = told(tmp_path, moonshot.replace("gpt-6-luna", "kimi-k2.5"))
    assert "says that `kimi-k2.5` is deprecated at moonshotai, without a day" in lines[0]
    wrong = CONFIG.replace('upstream = "openai"', 'upstream = "opnai"').replace("gpt-6-luna", "gpt-5")
    assert (1, False) == (told(tmp_path, wrong)[0], "ends on" in str(told(tmp_path, wrong)[1]))


class _Lists(BaseHTTPRequestHandler):
    """An upstream's list of models, for who has its key."""

    def do_GET(self) -> None:
        """Answer one request."""
        known = self.headers["authorization"] == "Bearer sk-made-up" and self.path == "/v1/models"
        self.send_response(200 if known else 401)
        self.end_headers()
        self.wfile.write(b'{"data":[{"id":"m","shutdown_date":"2099-12-11"},{"id":"n","shutdown_date":null}]}')

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of what is overridden
        """Say nothing."""


def test_upstreams_are_asked_which_models_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only with `--ask`: by `shutdown_date` of its list; one that does not answer is a warning."""
    fund(tmp_path, wallet="5 USD")
    server = HTTPServer(("127.0.0.1", 0), _Lists)
    asking = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    asking.start()
    try:
        local = CONFIG.replace("https://api.openai.com", f"http://127.0.0.1:{server.server_address[1]}")
        local = local.replace('"gpt-6-luna", "gpt-*"', '"m", "n"').replace('price = "list"', 'price = "free"')
        assert "config.toml can be used." == told(tmp_path, local)[1][0]
        ran = tf(tmp_path, "check", "--ask")
        first = ran.out.replace(f"{tmp_path}/", "").splitlines()[0]
        assert (
            "warning: config.toml:14 [route.official] serves: `m` ends on 2099-12-11, as its upstream lists it" == first
        )
        assert "`n`" not in ran.out
        monkeypatch.setenv("TF_TEST_KEY", "sk-another")
        ran = tf(tmp_path, "check", "--ask")
        assert (0, True) == (ran.code, "its models can't be asked for" in ran.out.splitlines()[0])
        (tmp_path / "config.toml").write_text(local.replace('"env:TF_TEST_KEY"', '"client"'))
        assert "asked for" not in tf(tmp_path, "check", "--ask").out
    finally:
        server.shutdown()
        asking.join()
        server.server_close()


def test_what_a_call_would_run_into_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CASES 28: a balance that nothing funds, a credential that is not there, a model without a price."""
    monkeypatch.delenv("TF_TEST_KEY")
    text = CONFIG.replace('"gpt-6-luna", ', '"nobody-prices-this", ') + '[key.ci]\nclasses = ["direct"]\n'
    code, lines = told(tmp_path, text)
    assert (1, "3 errors, 1 warning") == (code, lines[-1])
    for line, beginning, next_step in zip(
        lines[:-1],
        (
            "error: config.toml:1 [balance.wallet]: nothing has funded it, so its calls are refused",
            "error: config.toml:8 [upstream.openai] credential: the variable `TF_TEST_KEY` is not set",
            "error: config.toml:15 [route.official] price: no price is known for `nobody-prices-this`",
            "warning: config.toml:16 [key.ci]: it is not issued yet",
        ),
        (
            '`tf balance topup wallet "25.00 USD"`',
            "`export TF_TEST_KEY=…` where `tf serve` is started",
            (
                "To set it: `tf prices set official nobody-prices-this --input … --output … --unit USD`; or a newer "
                "list may know it: `tf prices update --from FILE`, a file or an address; or "
                '`[settle] unpriced = "sibling"` charges the newest model known of its family, as an estimate. '
                'Or allow calls without a price with `[settle] unpriced = "zero"`'
            ),
            "`tf keys new ci`",
        ),
        strict=True,
    ):
        assert (beginning, next_step) == (line[: len(beginning)], line[-len(next_step) :])


def test_a_candidate_that_its_route_does_not_serve_is_an_error(tmp_path: Path) -> None:
    """CASES 28: a model that can't be routed; ROUTE alone means the name asked, and the upstream's own name will do."""
    fund(tmp_path, wallet="5 USD")
    routes = 'routes = ["official/o9", "official", "official/gpt-4.1"]'
    unserved = "error: config.toml:17 [model.smart] routes: route `official` does not serve `{}`. "
    there_are = "There are: `gpt-*`, `gpt-6-luna`."
    assert [
        unserved.format("o9") + there_are,
        unserved.format("smart") + there_are,
        "2 errors, 0 warnings",
    ] == told(tmp_path, f"{CONFIG}[model.smart]\n{routes}\n")[1]
    renamed = CONFIG.replace('["gpt-6-luna", "gpt-*"]', '{ five = "gpt-6-luna" }')
    assert 0 == told(tmp_path, f'{renamed}[model.smart]\nroutes = ["official/five", "official/gpt-6-luna"]\n')[0]


def test_a_model_without_a_price_may_be_allowed(tmp_path: Path) -> None:
    """CASES 12: explicitly allowed, it is a warning; and a pattern's names are not known before they are asked for."""
    fund(tmp_path, wallet="5 USD")
    text = CONFIG.replace('"gpt-6-luna", ', '"nobody-prices-this", ') + '[settle]\nunpriced = "zero"\n'
    code, lines = told(tmp_path, text)
    assert (0, "config.toml can be used: 1 warning.") == (code, lines[1])


def test_a_rate_a_thousand_times_off_is_an_error(tmp_path: Path) -> None:
    """CASES 11: an implausible rate is refused with both figures, where it stands."""
    fund(tmp_path, wallet="5 USD")
    sheet = '[route.official.prices]\n"gpt-6-luna" = [{ from = 2026-01-01, unit = "USD", input = 1250, output = 10 }]\n'
    code, lines = told(tmp_path, CONFIG + sheet)
    assert (1, "config.toml:17 [route.official] prices.gpt-6-luna") == (code, lines[0].split(": ")[1])
    assert all(figure in lines[0] for figure in ("1250 USD per Mtok of input", "the list price is 0.1 USD")), lines


def test_a_sheet_of_the_machine_is_checked_in_its_own_file(tmp_path: Path) -> None:
    """What `tf prices` was told is a price like the config's, and what is wrong with it is told where it stands."""
    fund(tmp_path, wallet="5 USD")
    text = CONFIG.replace("gpt-6-luna", "nobody-prices-this")
    sheet = '[[route.official.prices.nobody-prices-this]]\nfrom = 2026-01-01\nunit = "USD"\ninput = "1"\n'
    (tmp_path / "data" / "prices.toml").write_text(sheet)
    code, lines = told(tmp_path, text)
    assert (1, True) == (code, "no price is known for `nobody-prices-this`" in lines[0])
    (tmp_path / "data" / "prices.toml").write_text(f'{sheet}output = "2"\n')
    assert (0, "config.toml can be used.") == (told(tmp_path, text)[0], told(tmp_path, text)[1][0])
    (tmp_path / "data" / "prices.toml").write_text(f'{sheet}output = "2e6"\nper = "token"\n')
    wrong = told(tmp_path, text)[1][0]
    assert "error: data/prices.toml:1 [route.official] prices.nobody-prices-this" == ": ".join(wrong.split(": ")[:2])


def test_a_balance_that_no_route_pays_from_is_a_warning(tmp_path: Path) -> None:
    """Money that can't be burnt is told and stops nothing."""
    fund(tmp_path, wallet="5 USD")
    code, lines = told(tmp_path, CONFIG + '[balance.spare]\nkind = "free"\n')
    assert (0, "warning: config.toml:16 [balance.spare]: no route pays from it") == (code, lines[0])


def test_a_balance_keeps_its_unit(tmp_path: Path) -> None:
    """A unit that is not that of the balance's first entry is an error, for `tf check` and for a start (CASES 46)."""
    fund(tmp_path, wallet="5 CNY")
    code, lines = told(tmp_path, CONFIG)
    assert (1, "error: config.toml:3 [balance.wallet] unit: `wallet` is in CNY since its first entry") == (
        code,
        lines[0].partition(",")[0],
    )
    ran = tf(tmp_path, "serve", "--port", "0")
    assert (1, True) == (ran.code, "`wallet` is in CNY since its first entry" in ran.err)


def test_its_json_has_one_shape(tmp_path: Path) -> None:
    """Problems always, and what the tables mean when the config can be used."""
    (tmp_path / "config.toml").write_text(CONFIG)
    broken = json.loads(tf(tmp_path, "check", "--json").out)
    assert (False, ["warning", "what", "where"]) == (broken["ok"], sorted(broken["problems"][0]))
    fund(tmp_path, wallet="5 USD")
    assert {
        "config": f"{tmp_path}/config.toml",
        "ok": True,
        "problems": [],
        "balances": {"wallet": "5 USD"},
        "routes": {"official": "direct: openai, paid by wallet; serves gpt-6-luna, gpt-*"},
        "models": {"gpt-6-luna": "official/gpt-6-luna; asked in chat, responses; messages translated"},
        "keys": {},
    } == json.loads(tf(tmp_path, "check", "--json").out)


def test_what_a_models_table_says_is_told(tmp_path: Path) -> None:
    """An alias, a pattern as it is written, and what is not the default: what a call would be decided by."""
    more = """
[model.quick]
alias = "cheap"
[model.cheap]
routes = ["official/gpt-6-luna"]
burn = "cheapest"
fallback = "none"
cross = { to = "direct", up_to = "5 USD", per = "day" }
[model."gpt-4*"]
routes = ["official"]
"""
    (tmp_path / "config.toml").write_text(CONFIG + more)
    fund(tmp_path, wallet="5 USD")
    asked = "asked in chat, responses; messages translated"
    assert {
        "quick": "stands for cheap",
        "cheap": f"official/gpt-6-luna; cheapest; fallback none; may cross to direct for 5 USD a day; {asked}",
        "gpt-4*": f"official; fallback class; {asked}",
        "gpt-6-luna": f"official/gpt-6-luna; {asked}",
    } == json.loads(tf(tmp_path, "check", "--json").out)["models"]


LOGIN = """
[balance.max]
kind = "pool"
unit = "percent"
windows = "provider"
[upstream.max]
dialect = "anthropic"
base_url = "https://api.anthropic.com"
credential = "client"
[route.max]
class = "subscription"
upstream = "max"
balance = "max"
serves = ["claude-opus-5-5"]
[model.both]
routes = ["max/claude-opus-5-5", "official/gpt-6-luna"]
fallback = "any"
"""


def test_in_which_dialects_a_model_can_be_asked_is_told(tmp_path: Path) -> None:
    """As it is where one of its upstreams has the endpoint, else translated; and whose login a route goes by."""
    fund(tmp_path, wallet="5 USD")
    every = "asked in chat, responses, messages"
    code, lines = told(tmp_path, CONFIG + LOGIN)
    assert (0, "config.toml can be used.") == (code, lines[0])
    assert [
        "max       subscription: max by the client's own login, paid by max; serves claude-opus-5-5",
        f"models    both             max/claude-opus-5-5, official/gpt-6-luna; fallback any; {every}",
        "gpt-6-luna       official/gpt-6-luna; asked in chat, responses; messages translated",
        "claude-opus-5-5  max/claude-opus-5-5; asked in messages",
    ] == [line.strip() for line in lines[4:]]


def test_a_relay_of_anthropics_models_has_their_prices(tmp_path: Path) -> None:
    """By the name of the model; under a name of its own once it says whose list it is."""
    fund(tmp_path, wallet="5 USD")
    relay = CONFIG.replace('dialect = "openai"', 'dialect = "anthropic"').replace("api.openai.com", "relay.example")
    assert 0 == told(tmp_path, relay.replace('"gpt-6-luna", "gpt-*"', '"claude-opus-5-5"'))[0]
    local = relay.replace("https://relay.example/v1", "http://127.0.0.1:9").replace('"gpt-6-luna"', '"claude-opus-5-5"')
    code, lines = told(tmp_path, local)
    expected = 'Or name the provider whose list it is, `provider = "anthropic"` in `[upstream.openai]`'
    assert (1, True) == (code, expected in lines[0])
    assert 0 == told(tmp_path, local.replace("[upstream.openai]", '[upstream.openai]\nprovider = "anthropic"'))[0]


def test_the_example_is_in_order(tmp_path: Path) -> None:
    """`config.example.toml` has no problem; funded, with its keys issued and credentials there, `tf check` agrees."""
    config, problems = read(EXAMPLE)
    assert () == problems
    assert config is not None
    assert {"direct", "ordinary", "subscription", "local"} == {route.route_class for route in config.route.values()}
    (tmp_path / "relay.key").write_text("sk-made-up\n")
    (tmp_path / "relay.key").chmod(0o600)
    for name in config.key:
        tf(tmp_path, "keys", "new", name)
    fund(tmp_path, openai_credit="25 USD", anthropic_credit="25 USD", rmb_wallet="500 CNY")
    code, lines = told(tmp_path, EXAMPLE.read_text())
    assert (0, "config.toml can be used.") == (code, lines[0])
    ends = "900 requests in 5h, 6000 requests in week, 2000 requests in 1d"
    assert [True] == [line.endswith(ends) for line in lines if line.strip().startswith("coding-plan")]


@pytest.mark.parametrize(
    ("right", "wrong", "expected"),
    [
        ('balance = "wallet"', 'balance = "walet"', "no balance named `walet`"),
        ('upstream = "openai"', 'upstream = "opnai"', "no upstream named `opnai`"),
        ('routes = ["official/gpt-6-luna"]', 'routes = ["offical/gpt-6-luna"]', "no route named `offical`"),
        ('overage = "wallet"', 'overage = "walet"', "no balance named `walet`"),
        ('rate = "7.1"', 'rate = "0"', "an exchange rate is more than 0"),
    ],
)
def test_a_wrong_name_or_rate_is_told_and_nothing_is_asked_beyond_it(
    tmp_path: Path, right: str, wrong: str, expected: str
) -> None:
    """Prices are looked up through balances, upstreams, routes and rates: while one is wrong, it alone is told."""
    config = CONFIG + (
        '[balance.plan]\nkind = "pool"\nunit = "requests"\nwindows = [{ allow = 9, per = "5h" }]\noverage = "wallet"\n'
        '[route.plan]\nclass = "subscription"\nupstream = "openai"\nbalance = "plan"\nserves = ["gpt-6-luna"]\n'
        'price = "list"\n[route.plan.prices]\n'
        'gpt-6-luna = [{ from = 2026-01-01, unit = "CNY", fx = "0.14", input = 9, output = 70 }]\n'
        '[model.smart]\nroutes = ["official/gpt-6-luna"]\n'
        '[report]\nfx = { CNY = [{ from = 2026-01-01, rate = "7.1" }] }\n'
    )
    fund(tmp_path, wallet="5 USD")
    assert 0 == told(tmp_path, config)[0]
    code, lines = told(tmp_path, config.replace(right, wrong))
    assert 1 == code
    assert any(expected in line for line in lines)


def test_what_the_ledger_knows_otherwise_is_told_as_the_proxy_would(tmp_path: Path) -> None:
    """A balance with money can't go from the config; with `was` it is funded before a proxy has read its new name."""
    fund(tmp_path, wallet="5 USD")
    gone = CONFIG.replace("wallet", "purse")
    code, lines = told(tmp_path, gone)
    assert 1 == code
    assert any("[balance.wallet]: it is gone from the config and has 5 USD: bring it back" in line for line in lines)
    code, lines = told(tmp_path, gone.replace('unit = "USD"', 'unit = "USD"\nwas = ["wallet"]'))
    assert (0, []) == (code, [line for line in lines if "funded" in line])


def test_a_price_that_a_named_provider_would_have_says_so(tmp_path: Path) -> None:
    """An upstream of an address that the catalogue does not know sells at a provider's list once it names one."""
    unknown = CONFIG.replace("https://api.openai.com/v1", "http://127.0.0.1:9/v1")
    fund(tmp_path, wallet="5 USD")
    expected = 'Or name the provider whose list it is, `provider = "openai"` in `[upstream.openai]`'
    code, lines = told(tmp_path, unknown)
    assert 1 == code
    assert any(expected in line for line in lines)
    assert 0 == told(tmp_path, unknown.replace("[upstream.openai]", '[upstream.openai]\nprovider = "openai"'))[0]

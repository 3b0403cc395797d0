"""A relay's price list, in each of its forms, row by row: exact rates, and every wrong row with file and line."""

import json
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tokens_forge.core.config import Sheet
from tokens_forge.core.errors import ConfigError
from tokens_forge.files.price_import import Form, PriceList, Stated, read_list

DAY = date(2026, 11, 24)
FILE = Path("relay.list")


def read(text: str, form: Form, **stated: str) -> PriceList:
    """Return what a list says for a balance in CNY."""
    return read_list(FILE, text, form, Stated(valid_from=DAY, balance_unit="CNY", **stated))


def sheets(text: str, form: Form, **stated: str) -> dict[str, Sheet]:
    """Return the one sheet of each model."""
    return {row.model: row.sheets[0] for row in read(text, form, **stated).rows}


def rates(text: str, form: Form, **stated: str) -> dict[str, dict[str, str]]:
    """Return the rates of each model in plain digits."""
    return {
        model: {name: format(rate.normalize(), "f") for name, rate in sheet.rates()}
        for model, sheet in sheets(text, form, **stated).items()
    }


def told(text: str, form: Form, **stated: str) -> list[str]:
    """Return what is wrong with a list."""
    with pytest.raises(ConfigError) as caught:
        read(text, form, **stated)
    return [str(problem) for problem in caught.value.problems]


def test_a_table_has_a_model_a_row() -> None:
    """CSV: columns in any order, empty cells and lines are nothing, and every digit is kept."""
    text = '\ufeffmodel, output ,input,cache_read\r\n\r\n m ,28,4.0,0.000000000000000001\r\n"a,b",1,2,\r\n'
    assert {
        "m": {"input": "4", "output": "28", "cache_read": "0.000000000000000001"},
        "a,b": {"input": "2", "output": "1"},
    } == rates(text, "csv")
    assert [3, 4] == [row.line for row in read(text, "csv").rows]


def test_what_rows_do_not_say_is_said_for_all() -> None:
    """Day, unit, exchange and what a rate buys stand in the row, else in the command, else are the balance's."""
    text = "model,input,unit,per,from,fx\nm,4,EUR,ktok,2026-12-01,8\nn,4,,,,\n"
    found = sheets(text, "csv", unit="USD", per="token", fx="7.1")
    assert Sheet(valid_from=date(2026, 12, 1), unit="EUR", per="ktok", fx=Decimal(8), input=Decimal(4)) == found["m"]
    assert Sheet(valid_from=DAY, unit="USD", per="token", fx=Decimal("7.1"), input=Decimal(4)) == found["n"]
    assert Sheet(valid_from=DAY, unit="CNY", input=Decimal(4)) == sheets("model,input\nm,4\n", "csv")["m"]


def test_every_wrong_row_of_a_table_is_told_with_its_line() -> None:
    """All at once, with the value seen."""
    assert [
        'relay.list:2 m input: `"four"` is not a number such as `0.35`',
        'relay.list:3 n per: `"mtk"` is not `"ktok"`, `"mtok"` or `"token"`. Did you mean `mtok`?',
        "relay.list:5 m: this model stands on line 2 too",
        "relay.list:6 model: a row without a model's name",
    ] == told("model,input,per\nm,four,\nn,1,mtk\nx,1,mtok\nm,1,\n,1,\n", "csv")
    assert ["relay.list:3: it has 1 cells and the header 2"] == told("model,input\nm,1\nn\n", "csv")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model,inptu\n", "relay.list:1: `inptu` is no column. Did you mean `input`?"),
        ("model,input,input\n", "relay.list:1: the column `input` stands there twice"),
        ("input,output\n1,2\n", "relay.list:1: no column is `model`: the first line names the columns"),
        ("\n\n", "relay.list: it is empty: write a header, `model,input,output`, and rows"),
        ('model,input\n"m,1\n', "relay.list:2: this is not CSV: unexpected end of data"),
    ],
)
def test_what_is_no_table_says_so(text: str, expected: str) -> None:
    """A header names the columns."""
    assert expected == told(text, "csv")[0]


def test_toml_is_the_configs_own_form() -> None:
    """Routes, days, long input and tiers stand in it; what the command says of other forms is not looked at."""
    text = (
        "[route.relay.prices]\n"
        'm = [{ from = 2026-01-01, unit = "EUR", input = 1, long_input = [{ above = 5, input = 2 }] }]\n'
        '[[route.other.prices.n]]\nfrom = 2026-02-01\nunit = "USD"\noutput = "3"\n'
    )
    found = read(text, "toml", unit="CNY", per="token").rows
    assert [("relay", "m", 2, "EUR"), ("other", "n", 3, "USD")] == [
        (row.route, row.model, row.line, row.sheets[0].unit) for row in found
    ]
    assert 2 == found[0].sheets[0].long_input[0].input


def test_wrong_toml_names_its_lines() -> None:
    """As a config does."""
    assert ["relay.list:1: this is not TOML"] == [line[:30] for line in told("[[", "toml")]
    text = '[[route.relay.prices.m]]\nfrom = 2026-01-01\nunit = "CNY"\nimput = 1\n'
    assert (
        "relay.list:4 [route.relay] prices.m.imput: no such setting here. Did you mean `input`?"
        == told(text, "toml")[0]
    )


def test_json_is_a_table_of_models() -> None:
    """Numbers keep their digits, bare or in quotes."""
    text = '{\n "m": {"input": 4.000000000000000001, "output": "28"},\n "n": {"requests": 1, "unit": "USD"}\n}'
    assert {"m": {"input": "4.000000000000000001", "output": "28"}, "n": {"requests": "1"}} == rates(text, "json")
    assert [2, 3] == [row.line for row in read(text, "json").rows]
    assert "USD" == sheets(text, "json")["n"].unit


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{\n"m": 4\n}', 'relay.list:2 m: this is no table of rates: write `{ "input": …, "output": … }`'),
        ('{\n"m": {"input": true}\n}', "relay.list:2 m input: `true` is not a number such as `0.35`"),
        ('{"m": {\n"input": }}', "relay.list:2: this is not JSON: expecting value"),
        ('{"m": {"input": NaN}}', "relay.list: this JSON can't be read: NaN is no number"),
        ("[]", "relay.list: this is no table of models"),
        ('{"m": {"input": 1' + "0" * 5000 + "}}", "relay.list: this JSON can't be read"),
    ],
)
def test_wrong_json_names_the_model_and_its_line(text: str, expected: str) -> None:
    """Where the model's name stands first."""
    assert expected == told(text, "json")[0][: len(expected)]


def new_api(*rows: Mapping[str, object], **ratios: float) -> str:
    """Return an answer of ``/api/pricing``, as new-api writes it."""
    document = {"success": True, "data": rows, "group_ratio": ratios or {"default": 1}, "pricing_version": "a42d"}
    return json.dumps(document, indent=1)


GPT = {"model_name": "m", "quota_type": 0, "model_ratio": 1.25, "model_price": 0, "completion_ratio": 4}
"""new-api's own example: gpt-4o is 2.5 USD a Mtok in and 10 out (docs.newapi.pro, "Ratio Settings", read 2026-11)."""


def test_a_ratio_of_one_is_two_dollars_a_million() -> None:
    """Input by the model's ratio, output by the completion's, caches, sound and images as multiples of the input."""
    assert {"m": {"input": "2.5", "output": "10"}} == rates(new_api(GPT), "json")
    more = {**GPT, "cache_ratio": 0.1, "create_cache_ratio": 1.25, "image_ratio": 2}
    sound = {"audio_ratio": 16, "audio_completion_ratio": 2}
    assert {
        "m": {
            "input": "2.5",
            "output": "10",
            "cache_read": "0.25",
            "cache_write_5m": "3.125",
            "cache_write_1h": "5",
            "audio_in": "40",
            "audio_out": "80",
            "image_in": "5",
        }
    } == rates(new_api({**more, **sound}), "json")
    assert {"m": {"input": "2.5", "output": "2.5"}} == rates(
        new_api({"model_name": "m", "model_ratio": 1.25, "audio_completion_ratio": 2}), "json"
    )


def test_a_write_for_an_hour_that_the_list_does_not_state_is_a_guess() -> None:
    """It is taken from the write of five minutes, as such relays bill it, so no charge with it is exact."""
    writes = {"model_name": "m", "model_ratio": 1.25, "completion_ratio": 4, "create_cache_ratio": 1.25}
    assert ("cache_write_1h",) == sheets(new_api(writes), "json", fx="1")["m"].guessed
    assert () == sheets(new_api(GPT), "json", fx="1")["m"].guessed


def test_its_unit_is_its_own_dollar() -> None:
    """A relay's dollar need not cost one: its exchange is the user's to say, or the balance is in it."""
    found = sheets(new_api(GPT), "json", fx="1")["m"]
    assert ("USD", "mtok", Decimal(1)) == (found.unit, found.per, found.fx)
    assert "RELAY$" == sheets(new_api(GPT), "json", unit="RELAY$", per="ktok")["m"].unit


def test_a_price_a_call_has_free_tokens() -> None:
    """CASES 12: what a call's tokens cost is said to be nothing, not left unsaid."""
    row = {"model_name": "m", "quota_type": 1, "model_price": 0.1, "model_ratio": 0}
    assert {"m": {"requests": "0.05", "input": "0", "output": "0"}} == {
        model: dict(sorted(found.items(), reverse=True))
        for model, found in rates(new_api(row, default=0.5), "json").items()
    }


def test_groups_multiply_and_must_be_named_where_they_differ() -> None:
    """A model that the group can't buy is left out, and why is said."""
    both = (
        GPT,
        {**GPT, "model_name": "n", "enable_groups": ["vip"]},
        {**GPT, "model_name": "o", "enable_groups": ["all"]},
    )
    text = new_api(*both, default=1, vip=0.8)
    question = "relay.list: a call costs so many times the price by group: default 1, vip 0.8. Say which is yours"
    assert question == told(text, "json")[0].partition(", `--")[0]
    assert {"m": {"input": "2", "output": "8"}} == {"m": rates(text, "json", group="vip")["m"]}
    default = read(text, "json", group="default")
    assert (["m", "o"], ("n: not sold to the group `default`",)) == (
        [row.model for row in default.rows],
        default.left_out,
    )
    assert ["relay.list: no group `vp` stands there. Did you mean `vip`?"] == told(text, "json", group="vp")
    assert ["m", "o"] == [row.model for row in read(new_api(*both, plus=1, other=1), "json").rows if row.model != "n"]
    assert {"m"} == set(rates(json.dumps({"data": [GPT]}), "json"))


def test_a_price_that_is_an_expression_is_left_out() -> None:
    """No sheet can say it; nothing is guessed."""
    expression = {**GPT, "billing_mode": "tiered_expr", "billing_expr": "p * 2"}
    assert ("m: its price is an expression, which no sheet can say",) == read(new_api(expression), "json").left_out


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"model_name": "m", "quota_type": 2}, "m quota_type: `2` is neither 0, with a `model_ratio`"),
        ({"model_name": "m", "quota_type": 1}, "m quota_type: `1` is neither 0"),
        ({"model_name": "m"}, "m quota_type: `0` is neither 0"),
        ({**GPT, "cache_ratio": "a"}, "m cache_ratio: `a` is not a number"),
        ({**GPT, "model_ratio": True}, "m model_ratio: `True` is not a number"),
        ({"quota_type": 0}, "a row of `data` without a `model_name`"),
    ],
)
def test_a_wrong_row_of_new_api_is_told(row: dict[str, object], expected: str) -> None:
    """With the model and its line."""
    assert expected in told(new_api(row), "json")[0].replace("relay.list:5 ", "", 1)

"""Settings go into a text that somebody else wrote and come out again, and nothing else in it changes."""

import json
from collections.abc import Callable
from typing import cast

import pytest
import tomli_w
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tokens_forge.core.errors import ForgeError
from tokens_forge.files import json_text, toml_text, yaml_text
from tokens_forge.files.settings_text import (
    Form,
    Setting,
    found_at,
    masked,
    masked_setting,
    put_in,
    taken_out,
    value_of,
)

TOKEN = f"sk-tf-{'a1-_' * 10}xyz"

ENV = (
    Setting(path=("env", "ANTHROPIC_BASE_URL"), value="http://127.0.0.1:8787"),
    Setting(path=("env", "ANTHROPIC_AUTH_TOKEN"), value=TOKEN),
    Setting(path=("provider", "tf", "models", "gpt-5"), value={}),
)
PROVIDER = (
    Setting(path=("model_provider",), value="tf"),
    Setting(path=("model_providers", "tf", "name"), value="Tokens Forge"),
    Setting(path=("model_providers", "tf", "requires_openai_auth"), value=True),
    Setting(path=("model_providers", "tf", "http_headers"), value={"x-tf-key": TOKEN}),
)
ITEMS = (
    Setting(path=("schema",), value="v1", kind="default"),
    Setting(path=("models",), value={"name": "tf/gpt-5", "apiKey": TOKEN}, kind="item"),
    Setting(path=("models",), value={"name": "it's: me", "apiKey": TOKEN}, kind="item"),
    Setting(path=("openai-api-base",), value="http://127.0.0.1:8787/v1"),
)
ROWS = (Setting(path=(), value={"model_id": "tf/gpt-5"}, kind="item"),)

SETTINGS: dict[Form, tuple[Setting, ...]] = {"json": ENV, "toml": PROVIDER, "yaml": ITEMS}

names = st.sampled_from(["env", "model", "models", "a", "b.c", "", "é", "model_provider", "schema", "openai-api-base"])
scalars = st.one_of(st.text(max_size=5), st.integers(), st.booleans())
documents = st.dictionaries(
    names,
    st.recursive(
        scalars,
        lambda below: st.lists(below, max_size=3) | st.dictionaries(names, below, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)
comments = st.sampled_from(["", '// a, "b" }\n', "/* { */ ", "\n\t"])


@st.composite
def jsonc(draw: st.DrawFn) -> str:
    """Return a text of JSON with comments and commas as people write them."""
    text = json.dumps(draw(documents), indent=draw(st.sampled_from([None, 2, 4, "\t"])))
    if draw(st.booleans()) and text.endswith("\n}"):
        text = text[:-2] + ",\n}"
    return draw(comments) + text + draw(comments)


@st.composite
def tomls(draw: st.DrawFn) -> str:
    """Return a text of TOML, with comments, and with line ends of either kind."""
    text = draw(comments.map(lambda _: "# [a]\n")) + tomli_w.dumps(
        draw(documents), multiline_strings=draw(st.booleans())
    )
    text = draw(st.sampled_from([text, text.rstrip("\n"), text + "\n# end\n"]))
    return text.replace("\n", "\r\n") if draw(st.booleans()) and '"""' not in text else text


@st.composite
def yamls(draw: st.DrawFn) -> str:
    """Return a text of YAML in one of its styles, with a comment."""
    text = yaml.safe_dump(
        draw(documents), default_flow_style=draw(st.sampled_from([False, None])), allow_unicode=draw(st.booleans())
    )
    return draw(st.sampled_from([text, f"# {{\n{text}", f"---\n{text}", text.rstrip("\n"), f"{text}\n# end\n"]))


TEXTS = st.one_of(
    st.tuples(st.just("json"), jsonc()), st.tuples(st.just("toml"), tomls()), st.tuples(st.just("yaml"), yamls())
)


@given(TEXTS)
def test_settings_go_in_and_come_out(given_text: tuple[Form, str]) -> None:
    """What a text says afterwards is what it said and the settings; taken out, it says what it said before."""
    form, before = given_text
    settings = SETTINGS[form]
    try:
        after = put_in(form, before, settings)
    except ForgeError:
        return  # refused, and nothing is changed
    for setting in settings:
        found = found_at(value_of(form, after), setting.path)
        if setting.kind == "item":
            assert isinstance(found, list)
            assert setting.value in found
        elif setting.kind == "set":
            assert setting.value == found
    out = taken_out(form, after, before, map(masked_setting, settings))
    was = cast("dict[str, object]", value_of(form, before))
    if form == "yaml":
        # A new file's needs stay, and a list that was nothing is an empty one.
        empty: dict[str, object] = {"models": []} if "models" in was and not was["models"] else {}
        was = {"schema": "v1", **was, **empty}
    assert (was, ()) == (value_of(form, out.text), out.left)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '{\n  "a": {\n    "b": "x"\n  }\n}\n'),
        ("{}", '{\n  "a": {\n    "b": "x"\n  }\n}'),
        ('{"z": 1}', '{"z": 1, "a": {"b": "x"}}'),
        ('{\n    "z": 1 // one\n}\n', '{\n    "z": 1, // one\n    "a": {\n        "b": "x"\n    }\n}\n'),
        ('{\n\t"z": 1,\n}\n', '{\n\t"z": 1,\n\t"a": {\n\t\t"b": "x"\n\t},\n}\n'),
        ('{\n  "a": {}\n}\n', '{\n  "a": {\n    "b": "x"\n  }\n}\n'),
        ('{"a": {"b": 12345678901234567890.10}}', '{"a": {"b": "x"}}'),
        ("{ // none\n}", '{ // none\n  "a": {\n    "b": "x"\n  }\n}'),
    ],
)
def test_json_looks_as_the_text_around_it(before: str, after: str) -> None:
    """A member is put in with the text's own indentation, after comments, with its commas."""
    assert after == json_text.put(before, ("a", "b"), "x")


@pytest.mark.parametrize(
    ("put", "text", "expected"),
    [
        (json_text.put, "[", "line 1 is not JSON"),
        (json_text.put, '{\n"a" 1}', "line 2 is not JSON"),
        (json_text.put, '{"a": 1 "b": 2}', "line 1 is not JSON"),
        (json_text.put, "{} x", "line 1 is not JSON"),
        (json_text.put, '{"\\x": 1}', "line 1 is not JSON"),
        (json_text.put, "[" * 20_000, "its brackets are nested too deeply"),
        (json_text.put, '{"a": 1}', "`a` is no object there"),
        (json_text.put, "[]", "`the whole` is no object there"),
        (toml_text.put, "a = ", "it is not TOML"),
        (toml_text.put, "a = 1", "`a` is no table there"),
        (toml_text.put, "a = { c = 1 }", "`a` is not written as a table of its own"),
        (toml_text.put, "a = { b = 1 }", "line 1 has `a.b` in a way that can't be changed safely"),
        (toml_text.put, '[a]\nb = """\n"""', "line 2 has `a.b` in a way that can't be changed safely"),
        (toml_text.put, f"a = {'9' * 5000}", "it is not TOML that can be read"),
    ],
)
def test_what_can_not_be_changed_safely_is_refused(put: Callable[..., str], text: str, expected: str) -> None:
    """The refusal says where and what to do."""
    with pytest.raises(ForgeError, match=expected.replace("(", r"\(")):
        put(text, ("a", "b"), "x")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [", "it is not YAML that can be read"),
        ("a: !mine x\n", "it is not YAML that can be read"),
        ("- a\n", "it holds no keys"),
        ("{b: c}\n", "it is written in braces or brackets"),
        ("a: [b]\n", "`a` is no text on one line"),
        ("a: |\n  b\n", "`a` is no text on one line"),
        ("a: 1\n---\na: 2\n", "it is not YAML that can be read"),
    ],
)
def test_yaml_that_can_not_be_changed_safely_is_refused(text: str, expected: str) -> None:
    """The refusal says what stands against it."""
    with pytest.raises(ForgeError, match=expected):
        yaml_text.put(text, ("a",), "x")


@pytest.mark.parametrize("text", ["models: [a]\n", "models: {a: b}\n", "models: a\n", "models: ~\n"])
def test_a_list_in_another_style_is_refused(text: str) -> None:
    """Only a list with one item a line takes one more."""
    with pytest.raises(ForgeError, match="`models` is no list with one item a line there"):
        yaml_text.add(text, ("models",), {"name": "x"})


@pytest.mark.parametrize(
    ("before", "after", "undone"),
    [
        ("", "models:\n  - name: x\n", ""),
        ("models: []\nz: 1\n", "models:\n  - name: x\nz: 1\n", "models: []\nz: 1\n"),
        ("models:\nz: 1\n", "models:\n  - name: x\nz: 1\n", "models: []\nz: 1\n"),
        ("models:\n- a # one\n\n# two\nz: 1\n", "models:\n- a # one\n- name: x\n\n# two\nz: 1\n", None),
        ("models:\n    - a: b\n      c: [d]", "models:\n    - a: b\n      c: [d]\n    - name: x\n", ""),
        ("models:\r\n  - a\r\n", "models:\r\n  - a\r\n  - name: x\r\n", None),
        ("models:\n  - |\n    a\nz: 1\n", "models:\n  - |\n    a\n  - name: x\nz: 1\n", None),
    ],
)
def test_an_item_goes_to_the_end_of_its_list(before: str, after: str, undone: str | None) -> None:
    """Comments and blank lines stay where they are; taken out, the list is as before, or empty."""
    settings = [Setting(path=("models",), value={"name": "x"}, kind="item")]
    assert after == put_in("yaml", before, settings)
    expected = f"{before}\n" if undone == "" and before else before if undone is None else undone
    assert expected == taken_out("yaml", after, before, settings).text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a: 'b' # why\n", "a: x # why\n"),
        ("a:\nz: 1\n", "a: x\nz: 1\n"),
        ("z: 1", "z: 1\na: x\n"),
        ("a: 1\na: 2\n", "a: 1\na: x\n"),
    ],
)
def test_a_text_of_yaml_is_changed_where_it_stands(before: str, after: str) -> None:
    """A key that is given twice means its last value, as parsers have it."""
    assert after == yaml_text.put(before, ("a",), "x")
    assert "z: 1\n" == yaml_text.drop("a: x\nz: 1\n", ("a",))


def test_items_on_one_line_by_now_are_left_to_the_user() -> None:
    """Somebody wrote the list anew in brackets: nothing is guessed."""
    settings = [Setting(path=("models",), value={"name": "x"}, kind="item")]
    with pytest.raises(ForgeError, match="`models` is written on one line by now"):
        taken_out("yaml", "models: [{name: x}]\n", "", settings)


def test_a_place_that_deceives_on_the_way_back_is_refused() -> None:
    """What the text says is compared then too: here another list shares the item."""
    settings = [Setting(path=("models",), value={"name": "x"}, kind="item")]
    text = "z: &z\n  - name: x\nmodels: *z\n"
    with pytest.raises(ForgeError, match="can't be changed safely"):
        taken_out("yaml", text, "", settings)


def test_a_key_in_another_form_is_left_to_the_user() -> None:
    """Somebody wrote our table as dotted keys since: the line is said."""
    settings = [Setting(path=("p", "tf", "name"), value="x")]
    with pytest.raises(ForgeError, match=r"line 2 has `p\.tf\.name` in a way that can't be changed safely"):
        taken_out("toml", 'z = 1\np.tf.name = "x"\n', "", settings)


def test_a_table_may_end_the_text() -> None:
    """A header without a line end gets one."""
    assert '[a]\nb = "x"\n' == toml_text.put("[a]", ("a", "b"), "x")


def test_a_text_that_a_place_deceives_is_refused() -> None:
    """What the text says afterwards is compared: here an item would go to where the anchor is."""
    text = "base: &base\n  name: x\nmodels:\n  - name: y\n  - *base\nz: 1\n"
    with pytest.raises(ForgeError, match="can't be changed safely"):
        put_in("yaml", text, ITEMS[1:2])


def test_the_last_row_leaves_an_empty_list() -> None:
    """A list is what llm reads, and nothing is none: what somebody wrote beside our row stays."""
    after = put_in("yaml", "", ROWS)
    assert "# mine\n[]\n" == taken_out("yaml", f"# mine\n{after}", "", ROWS).text


def test_what_was_changed_since_stays() -> None:
    """A setting that says something else by now is named and left; the others go."""
    after = put_in("json", "{}", ENV).replace("127.0.0.1:8787", "127.0.0.1:9999")
    out = taken_out("json", after, "{}", map(masked_setting, ENV))
    assert ({"env": {"ANTHROPIC_BASE_URL": "http://127.0.0.1:9999"}}, ("env.ANTHROPIC_BASE_URL",)) == (
        value_of("json", out.text),
        out.left,
    )
    after = put_in("yaml", "", ITEMS).replace("tf/gpt-5", "mine")
    assert ("models tf/gpt-5",) == taken_out("yaml", after, "", map(masked_setting, ITEMS)).left


def test_what_is_gone_already_is_no_trouble() -> None:
    """Whoever took a setting out by hand finds nothing said of it."""
    for form, settings in SETTINGS.items():
        sets = [masked_setting(setting) for setting in settings if setting.kind == "set"]
        assert ("", ()) == ((out := taken_out(form, "", "", sets)).text, out.left)


def test_what_another_program_adds_between_stays() -> None:
    """Codex writes tables of its own after ours, and a user keys into ours: both stay, ours goes."""
    before = '# mine\nmodel_provider = "openai" # paid\n[projects."/x"]\ntrust_level = "trusted"\n'
    after = put_in("toml", before, PROVIDER)
    edited = after + 'stream_max_retries = 3\n[projects."/y"]\ntrust_level = "trusted"\n'
    out = taken_out("toml", edited, before, map(masked_setting, PROVIDER))
    expected = (
        '\n[model_providers.tf]\nstream_max_retries = 3\n[projects."/y"]\ntrust_level = "trusted"\n',
        (),
    )
    assert expected == (out.text.removeprefix(before), out.left)


def test_a_directive_and_a_mark_stay_first() -> None:
    """An editor reads `#:schema` in the first line only, and a mark of UTF-8 is none anywhere else."""
    assert '#:schema x\na = "b"\n' == toml_text.put("#:schema x\n", ("a",), "b")
    assert '\ufeffa = "b"\nc = 1\n' == toml_text.put("\ufeffc = 1\n", ("a",), "b")


def test_a_token_is_masked_wherever_it_stands() -> None:
    """In a text, in a table; what is no text stays as it is."""
    expected = {"a": "http://x/k/sk-tf-…/v1", "b": {"c": "sk-tf-…"}, "d": True}
    assert expected == masked({"a": f"http://x/k/{TOKEN}/v1", "b": {"c": TOKEN}, "d": True})

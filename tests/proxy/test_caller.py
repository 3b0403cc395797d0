"""Where a client's key comes from, and what of a login goes with it."""

import pytest

from tokens_forge.proxy.caller import Addressed, Login, Presented, addressed, keyed, presented, wrong_place

KEY, OTHER = "sk-tf-one", "sk-tf-two"
HERE = Addressed(path="/v1/messages")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/models", Addressed(path="/v1/models")),
        (f"/k/{KEY}/v1/models", Addressed(path="/v1/models", token=KEY)),
        (f"/k/{KEY}/t/research-42/v1/models", Addressed(path="/v1/models", token=KEY, task="research-42")),
        (f"/k/{KEY}/t/v1", Addressed(path="", token=KEY, task="v1")),
        (f"/k/{KEY}", Addressed(path="", token=KEY)),
        ("/k/", Addressed(path="")),
        ("/keys", Addressed(path="/keys")),
    ],
)
def test_a_path_says_who_calls(path: str, expected: Addressed) -> None:
    """The token and the task leave the path, which may then be shown."""
    assert expected == addressed(path)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"authorization": f"Bearer {KEY}"}, (KEY,)),
        ({"authorization": f"bearer {KEY} "}, (KEY,)),
        ({"authorization": f"Basic {KEY}"}, ()),
        ({"x-api-key": KEY}, (KEY,)),
        ({"x-api-key": "sk-ant-own", "authorization": f"Bearer {KEY}"}, ("sk-ant-own", KEY)),
        ({}, ()),
    ],
)
def test_where_an_sdk_puts_its_key(headers: dict[str, str], expected: tuple[str, ...]) -> None:
    """Any of them may be the one that we issued; none of them is then a login."""
    assert Presented(tokens=expected, login=None) == presented(headers, HERE)


def test_a_key_of_its_own_leaves_room_for_a_login() -> None:
    """`x-tf-key` and the path name the key; what the SDK sends beside it is the client's own."""
    own = {"authorization": "Bearer sk-ant-oat", "user-agent": "claude-cli/2", "anthropic-beta": "oauth-2025-04-20"}
    other = {"x-tf-task": "t", "content-type": "application/json", "cookie": "a=b", "host": "h"}
    named = presented({**own, **other, "x-tf-key": KEY}, HERE)
    assert Presented(tokens=(KEY,), login=Login(headers=own)) == named
    assert named == presented({**own, **other}, Addressed(path="/v1/messages", token=KEY))


def test_a_key_of_ours_is_never_a_login() -> None:
    """A token that we issued opens every balance of its key: it must not reach an upstream."""
    headers = {"x-tf-key": KEY, "authorization": f"Bearer {KEY}", "x-api-key": OTHER, "user-agent": "u"}
    assert Presented(tokens=(KEY,), login=None) == presented(headers, HERE)
    assert Presented(tokens=(KEY,), login=None) == presented({"x-tf-key": KEY, "chatgpt-account-id": "a"}, HERE)


def test_a_key_of_ours_is_in_no_header() -> None:
    """A tool may write its base URL, which has the key, into a header of its own: that stays here."""
    own = {"authorization": "Bearer sk-ant-oat", "x-app": "cli"}
    named = presented({**own, "x-claude-base-url": f"http://127.0.0.1:8787/k/{KEY}", "x-tf-key": KEY}, HERE)
    assert Login(headers=own) == named.login


def test_two_keys_are_one_too_many() -> None:
    """One named twice is one; of two neither counts."""
    there = Addressed(path="/v1/messages", token=KEY)
    assert (KEY, KEY) == presented({"x-tf-key": KEY}, there).tokens
    assert () == presented({"x-tf-key": OTHER}, there).tokens


@pytest.mark.parametrize(
    ("query", "token", "rest"),
    [
        ("", "", ""),
        (f"key={KEY}", KEY, ""),
        (f"alt=sse&key={KEY}", KEY, "?alt=sse"),
        (f"a=%26&%6bey={KEY}&b", KEY, "?a=%26&b"),
        ("key=AIza-own", "", "?key=AIza-own"),
        (f"key={KEY}&key={OTHER}", KEY, f"?key={OTHER}"),
        (f"monkey={KEY}", "", f"?monkey={KEY}"),
    ],
)
def test_a_key_in_a_query(query: str, token: str, rest: str) -> None:
    """Gemini's clients write it there: it leaves the query, whose rest stays as it was written."""
    assert Addressed(path="/v1/models", token=token, query=rest) == keyed(Addressed(path="/v1/models"), query)


@pytest.mark.parametrize("name", ["x-goog-api-key", "api-key"])
def test_where_other_sdks_put_their_key(name: str) -> None:
    """Gemini's and Azure's."""
    assert Presented(tokens=(KEY,), login=None) == presented({name: f" {KEY}"}, HERE)


def test_a_key_in_a_wrong_place() -> None:
    """It is refused by the name of the place, and never repeated; where a key belongs nothing is looked at."""
    right: dict[str, str] = dict.fromkeys(("authorization", "x-api-key", "x-goog-api-key", "api-key", "X-Tf-Key"), KEY)
    assert wrong_place(right, HERE) is None
    for headers, to, said in (
        ({"User-Agent": KEY}, HERE, "`user-agent` holds"),
        ({f"x-{KEY}": "1"}, HERE, "a header's name holds"),
        ({}, Addressed(path=f"/v1/{KEY}"), "the path holds"),
        ({}, Addressed(path="/v1", task=KEY), "the task in the path holds"),
        ({}, Addressed(path="/v1", query=f"?api_key={KEY}"), "the query holds"),
    ):
        wrong = wrong_place(headers, to)
        assert wrong is not None
        assert (400, "misplaced_key", True) == (wrong.status, wrong.code, wrong.message.startswith(said))
        assert KEY not in wrong.message

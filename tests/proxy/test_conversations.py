"""Which calls are one conversation: by their beginning, the answer they go on from, their session, their questions.

Messages are shaped as the clients that are named send them; what a model answers is not.
"""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from playbook import Playbook, Setup, playing
from upstreams import plain

from tokens_forge.core.entries import Routed

CONFIG = """
[balance.wallet]
kind = "prepaid"
unit = "USD"

[upstream.relay]
dialect = "openai"
base_url = "{relay_url}"
credential = "env:RELAY_KEY"
endpoints = ["chat", "responses"]

[upstream.official]
dialect = "anthropic"
base_url = "{official_url}"
credential = "env:OFFICIAL_KEY"

[route.relay]
class = "direct"
upstream = "relay"
balance = "wallet"
serves = ["m"]
[route.relay.prices]
"m" = [{{ from = 2020-01-01, unit = "USD", per = "mtok", input = 3, output = 15 }}]
[route.official]
class = "direct"
upstream = "official"
balance = "wallet"
serves = ["c"]
[route.official.prices]
"c" = [{{ from = 2020-01-01, unit = "USD", per = "mtok", input = 3, output = 15 }}]
"""
SETUP = Setup(config=CONFIG, fund={"wallet": "100 USD"})

MESSAGE = (
    b'{"type":"message","id":"%s","model":"c","role":"assistant","content":[{"type":"text","text":"Hi"}],'
    b'"stop_reason":"end_turn","usage":{"input_tokens":5,"output_tokens":1}}'
)
RESPONSE = (
    b'{"id":"%s","object":"response","model":"m","status":"completed","output":[],'
    b'"usage":{"input_tokens":5,"output_tokens":1,"total_tokens":6}}'
)
CHAT = (
    b'{"id":"%s","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant",'
    b'"content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6}}'
)
PATHS: dict[str, tuple[str, bytes, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", CHAT, {"model": "m", "max_tokens": 9}),
    "responses": ("/v1/responses", RESPONSE, {"model": "m", "max_output_tokens": 9}),
    "messages": ("/v1/messages", MESSAGE, {"model": "c", "max_tokens": 9}),
}
HISTORY = {"chat": "messages", "responses": "input", "messages": "messages"}


def user(text: str) -> dict[str, Any]:
    """Return a message of the user."""
    return {"role": "user", "content": text}


def model(text: str) -> dict[str, Any]:
    """Return an answer as it is sent back."""
    return {"role": "assistant", "content": text}


async def thread(
    play: Playbook,
    dialect: str,
    *messages: object,
    answer: bytes = b"a",
    headers: dict[str, str] | None = None,
    **more: object,
) -> str:
    """Ask with these messages, and return the conversation that the call belongs to."""
    path, reply, body = PATHS[dialect]
    upstream = play.official if dialect == "messages" else play.relay
    upstream.answers(plain(reply % answer))
    said = await play.send(
        "POST", path, msgspec.json.encode({**body, HISTORY[dialect]: messages, **more}), headers=headers
    )
    assert 200 == said.status, said.body
    await play.idle()
    routed = [line.entry for line in play.lines() if isinstance(line.entry, Routed)]
    assert 1 == len(routed)
    return routed[0].thread


@pytest.mark.parametrize("dialect", ["chat", "responses", "messages"])
async def test_a_beginning_tells_conversations_apart(tmp_path: Path, dialect: str) -> None:
    """Qwen Code: the first two messages of all sessions are alike. Each is followed to its end, and to a branch."""
    fixed = (user("My setup: Linux, Monday."), model("Got it."))
    async with playing(tmp_path, SETUP) as play:
        first = [*fixed, user("mend the parser")]
        other = [*fixed, user("write a test")]
        one, two = await thread(play, dialect, *first), await thread(play, dialect, *other)
        assert one != two
        assert one == await thread(play, dialect, *first)
        longer = [*first, model("done"), user("thanks")]
        assert one == await thread(play, dialect, *longer)
        assert two == await thread(play, dialect, *other, model("written"), user("thanks"))
        assert one == await thread(play, dialect, *longer, model("bye"), user("once more"))
        assert one == await thread(play, dialect, *first, model("another answer"), user("no"))


async def test_aider_puts_files_between(tmp_path: Path) -> None:
    """What was said moves behind a new repository map, and the reminder leaves the question: it is found by it."""

    def turn(files: str, *said: dict[str, Any]) -> list[dict[str, Any]]:
        examples = [{"role": "system", "content": "Act as an expert."}, user("Change get_factorial()"), model("diff")]
        *before, last = said
        asked = user(last["content"] + "\n\n# *SEARCH/REPLACE block* Rules")
        return [*examples, user("map " + files), model("Ok."), *before, user("files " + files), model("Ok."), asked]

    async with playing(tmp_path, SETUP) as play:
        task, other = user("add a flag"), user("drop the cache")
        one, two = await thread(play, "chat", *turn("a", task)), await thread(play, "chat", *turn("a", other))
        assert one != two
        assert one == await thread(play, "chat", *turn("a b", task, model("done"), user("yes")))
        assert two == await thread(play, "chat", *turn("b", other, model("done"), user("yes")))
        rest = (model("so"), user("now the docs"))
        assert one == await thread(play, "chat", *turn("c", task, model("done"), user("yes"), *rest))


async def test_a_chain_of_responses_is_one_conversation(tmp_path: Path) -> None:
    """Each turn brings its own words alone, and two chains may say the same."""
    async with playing(tmp_path, SETUP) as play:
        one = await thread(play, "responses", user("a"), answer=b"r1")
        two = await thread(play, "responses", user("b"), answer=b"s1")
        yes = user("yes")
        assert one == await thread(play, "responses", yes, previous_response_id="r1", answer=b"r2")
        assert two == await thread(play, "responses", yes, previous_response_id="s1", answer=b"s2")
        assert one == await thread(play, "responses", yes, previous_response_id="r2", answer=b"r3")
        assert two == await thread(play, "responses", yes, previous_response_id="s2", answer=b"s3")
        assert one == await thread(play, "responses", user("fork"), previous_response_id="r1")
        assert one != two
        held = await thread(play, "responses", yes, conversation="conv_1")
        assert held == await thread(play, "responses", user("go on"), conversation={"id": "conv_1"})
        unknown = await thread(play, "responses", yes, previous_response_id="elsewhere")
        assert unknown == await thread(play, "responses", user("fork"), previous_response_id="elsewhere")


async def test_a_thread_of_messages_is_one_conversation(tmp_path: Path) -> None:
    """Its answers are kept by their provider, and each turn names the last."""
    async with playing(tmp_path, SETUP) as play:
        one = await thread(play, "messages", user("a"), thread={"type": "create"}, answer=b"m1")
        goes_on = {"type": "continue", "previous_message_id": "m1"}
        assert one == await thread(play, "messages", user("yes"), thread=goes_on, answer=b"m2")
        goes_on = {"type": "continue", "previous_message_id": "m2"}
        assert one == await thread(play, "messages", user("yes"), thread=goes_on)


CLAUDE = "user_0f_account__session_8a1c"
DEVICE = '{"device_id":"d","account_uuid":"","session_id":"8a1c"}'


@pytest.mark.parametrize(
    ("dialect", "headers", "body"),
    [
        ("chat", {}, {"prompt_cache_key": "k1"}),
        ("chat", {}, {"session_id": "k1"}),
        ("chat", {"session-id": "k1"}, {}),
        ("chat", {"X-Session-Affinity": "k1"}, {}),
        ("responses", {"session_id": "k1"}, {}),
        ("responses", {"thread-id": "k1"}, {"prompt_cache_key": "new with every turn"}),
        ("responses", {}, {"prompt_cache_key": "k1"}),
        ("messages", {"x-claude-code-session-id": "k1"}, {}),
        ("messages", {}, {"metadata": {"user_id": CLAUDE}}),
        ("messages", {}, {"metadata": {"user_id": DEVICE}}),
    ],
)
async def test_a_compacted_conversation_is_found_by_its_session(
    tmp_path: Path, dialect: str, headers: dict[str, str], body: dict[str, Any]
) -> None:
    """Nothing is left of what was said but a summary."""
    async with playing(tmp_path, SETUP) as play:
        one = await thread(play, dialect, user("a"), headers=headers, **body)
        if "new with every turn" in body.values():
            body = {"prompt_cache_key": "another"}
        assert one == await thread(play, dialect, user("Summary: so far …"), headers=headers, **body)
        assert one != await thread(play, dialect, user("Summary: another"))


async def test_a_session_never_splits_what_its_beginning_joins(tmp_path: Path) -> None:
    """Some clients name a new one with every turn."""
    async with playing(tmp_path, SETUP) as play:
        one = await thread(play, "chat", user("a"), prompt_cache_key="k1")
        assert one == await thread(play, "chat", user("a"), model("b"), user("c"), prompt_cache_key="k2")


async def test_agents_under_a_session(tmp_path: Path) -> None:
    """Claude Code names its agents beside the session, Codex their threads: each is a conversation of its own."""
    async with playing(tmp_path, SETUP) as play:
        session = {"x-claude-code-session-id": "s1"}
        agent = session | {"x-claude-code-agent-id": "explorer"}
        one, two = (
            await thread(play, "messages", user("a"), headers=session),
            await thread(play, "messages", user("look around"), headers=agent),
        )
        assert one != two
        assert two == await thread(play, "messages", user("Summary of it"), headers=agent)
        assert one == await thread(play, "messages", user("Summary"), headers=session)
        root, child = {"session-id": "c1", "thread-id": "c1"}, {"session-id": "c1", "thread-id": "c2"}
        three = await thread(play, "responses", user("d"), headers=root)
        assert three != await thread(play, "responses", user("e"), headers=child)


async def test_what_claude_code_changes_with_every_turn(tmp_path: Path) -> None:
    """Marks of the cache move on, thoughts are dropped, reminders come and go: the words are the same."""
    async with playing(tmp_path, SETUP) as play:
        marked = {"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}
        reminder = {"type": "text", "text": "<system-reminder>\nToday</system-reminder>"}
        one = await thread(play, "messages", {"role": "user", "content": [reminder, marked]}, system="s")
        call: dict[str, Any] = {"type": "tool_use", "id": "t1", "name": "ls", "input": {}}
        thought = {"type": "thinking", "thinking": "hm", "signature": "x"}
        said = {"role": "assistant", "content": [thought, call]}
        result = {"type": "tool_result", "tool_use_id": "t1", "content": "a.py"}
        second = [user("hi"), said, {"role": "user", "content": [result]}]
        assert one == await thread(play, "messages", *second, system="s")
        later = [user("hi"), {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
        assert one == await thread(play, "messages", *later, model("done"), user("thanks"), system="s")
        assert one != await thread(play, "messages", user("hi"), system="name this conversation")

"""In which dialect an upstream is asked, what it can't be asked, what is free, and where a client's login goes."""

import pytest
from builders import OFFICIAL, PLAN, RELAY, Bench, agreed, config, finished, listed, upstream
from msgspec.structs import replace

from tokens_forge.core.config import CLIENT, Budget, Config, Endpoint, Key, Upstream
from tokens_forge.core.config_check import check
from tokens_forge.core.dialects import asked_in, dialect_out, endpoints_of, is_free, tier_out
from tokens_forge.core.entries import Held, Refused, Routed, Settled
from tokens_forge.core.routing import Refuse, decide, may_outlast_ms

OPENAI = upstream()
ANTHROPIC = replace(OPENAI, dialect="anthropic", base_url="https://api.anthropic.com")


def at(base_url: str) -> Upstream:
    return replace(OPENAI, base_url=base_url)


def over(entry: Held | Refused) -> list[tuple[str, str, str]]:
    """Return what was passed over, why, and for want of what."""
    return [(one.candidate, one.reason, one.error) for one in entry.passed_over]


@pytest.mark.parametrize(
    ("asked", "there", "expected"),
    [
        ("openai_chat", OPENAI, "openai_chat"),
        ("openai_chat", ANTHROPIC, "anthropic_messages"),
        ("anthropic_messages", ANTHROPIC, "anthropic_messages"),
        ("anthropic_messages", OPENAI, "openai_chat"),
        ("anthropic_count_tokens", ANTHROPIC, "anthropic_count_tokens"),
        ("anthropic_count_tokens", OPENAI, None),
        ("openai_responses", OPENAI, "openai_chat"),
        ("openai_responses", ANTHROPIC, "anthropic_messages"),
        ("openai_responses", at("https://api.openai.com/v1"), "openai_responses"),
        ("openai_responses", at("https://mine.openai.azure.com/openai/v1"), "openai_responses"),
        ("openai_responses", at("https://api.openai.com.evil.example/v1"), "openai_chat"),
        ("openai_responses_compact", OPENAI, None),
        ("openai_responses_compact", at("https://api.openai.com/v1"), "openai_responses_compact"),
        ("openai_embeddings", OPENAI, "openai_embeddings"),
        ("openai_embeddings", ANTHROPIC, None),
        ("openai_moderations", ANTHROPIC, None),
        ("openai_completions", OPENAI, "openai_completions"),
        ("openai_chat", replace(OPENAI, endpoints=("embeddings",)), None),
        ("openai_responses", replace(OPENAI, endpoints=("responses",)), "openai_responses"),
        ("openai_chat", replace(OPENAI, endpoints=("responses",)), None),
        ("something_else", OPENAI, None),
        ("openai_responses", replace(OPENAI, credential=CLIENT), "openai_chat"),
        ("anthropic_messages", replace(OPENAI, credential=CLIENT), None),
        ("openai_chat", replace(ANTHROPIC, credential=CLIENT), None),
        ("anthropic_messages", replace(ANTHROPIC, credential=CLIENT), "anthropic_messages"),
    ],
)
def test_what_an_upstream_is_asked_in(asked: str, there: Upstream, expected: str | None) -> None:
    """Its own dialect where it has the endpoint, else the first that can be translated into, else it can't be asked."""
    assert expected == dialect_out(asked, there)


def test_its_own_word_goes_before_its_host() -> None:
    """A list of endpoints is the whole list."""
    own: tuple[Endpoint, ...] = ("chat",)
    assert own == endpoints_of(replace(at("https://api.openai.com/v1"), endpoints=own))


@pytest.mark.parametrize(
    ("asked", "base_url", "expected"),
    [
        ("anthropic_count_tokens", "https://relay.example/v1", True),
        ("openai_moderations", "https://api.openai.com/v1", True),
        ("openai_moderations", "https://relay.example/v1", False),
        ("openai_chat", "https://api.openai.com/v1", False),
    ],
)
def test_what_costs_nothing(asked: str, base_url: str, expected: bool) -> None:
    """Only what its provider says is free: a relay may charge for a moderation."""
    assert expected == is_free(asked, at(base_url))


def bench(*candidates: str, **upstreams: Upstream) -> Bench:
    """Return a bench with these candidates, and these upstreams in the place of its own."""
    conf = listed(*candidates, upstream={**config().upstream, **upstreams})
    made = Bench(terms=agreed(conf))
    made.topup(wallet="100 CNY", credit="100 USD")
    return made


def test_a_call_that_is_translated_says_so() -> None:
    """Hold and charge name the dialect of the upstream; what it is asked in unchanged is not said twice."""
    made = bench(RELAY, OFFICIAL, openai=ANTHROPIC)
    call = made.route()
    assert "" == made.attempt(call, "server_error").dialect_out
    made.attempt(call, "server_error")
    held = made.held(call)
    assert ("official", "anthropic_messages") == (held.route, held.dialect_out)
    settled = made.end(held)
    assert isinstance(settled, Settled)
    assert ("openai_chat", "anthropic_messages") == (settled.dialect_in, settled.dialect_out)
    assert [] == made.disagreeing()


def test_what_cannot_be_said_keeps_a_candidate_away() -> None:
    """The member is named by its path, and a candidate that can be asked is what is meant."""
    made = bench(RELAY, OFFICIAL, relay=ANTHROPIC)
    held = made.held(made.route(uncarried={"anthropic_messages": "logprobs"}))
    assert ("official", "first", [(RELAY, "no_capability", "logprobs")]) == (held.route, held.role, over(held))


def test_nobody_can_be_asked_so() -> None:
    """400 where another request is asked for; the kind of call is named where no member is to blame."""
    made = bench(RELAY, OFFICIAL, relay=ANTHROPIC, openai=ANTHROPIC)
    refused = made.refused(made.route(dialect_in="openai_embeddings"))
    assert ("no_capability", 400) == (refused.reason, refused.client_status)
    assert [(RELAY, "no_capability", "openai_embeddings"), (OFFICIAL, "no_capability", "openai_embeddings")] == over(
        refused
    )


def test_a_free_call_needs_no_money() -> None:
    """Tokens are counted on an empty wallet, on a used-up pool and without a price; the entry says zero."""
    made = Bench(terms=agreed(listed(RELAY, upstream={**config().upstream, "relay": ANTHROPIC})))
    held = made.held(made.route(dialect_in="anthropic_count_tokens"))
    settled = made.end(held)
    assert isinstance(settled, Settled)
    assert ("free", "0") == (held.hold_basis.kind, held.hold)
    assert ("0", "CNY", "zero", {}, "none", "") == (
        settled.charge,
        settled.unit,
        settled.certainty,
        settled.usage,
        settled.usage_source,
        settled.list,
    )


def test_a_free_call_counts_nothing_in_a_pool() -> None:
    """A pool of requests is not one request poorer."""
    made = Bench(terms=agreed(listed(PLAN, upstream={**config().upstream, "plan": ANTHROPIC})))
    made.attempt(made.route(dialect_in="anthropic_count_tokens"))
    assert [] == list(made.fold.book.state("plan", "requests").windows)
    assert [] == made.disagreeing()


def test_a_free_call_counts_against_no_budget() -> None:
    """Not by its list price either: it has none, and a budget that is used up does not stand against it."""
    usd = Budget(limit="0.0001 USD", count="list", per="day")
    conf = listed(RELAY, upstream={**config().upstream, "relay": ANTHROPIC}, key={"k": Key(budget=usd)})
    made = Bench(terms=agreed(conf))
    held = made.held(made.route(dialect_in="anthropic_count_tokens"))
    settled = made.end(held)
    assert isinstance(settled, Settled)
    assert (["0"], ["0"]) == ([one.amount for one in held.counted], [one.amount for one in settled.counted])
    assert [] == made.disagreeing()


@pytest.mark.parametrize(
    ("tier", "asked", "there", "expected"),
    [
        ("flex", "openai_chat", OPENAI, "flex"),
        ("flex", "openai_responses", OPENAI, "flex"),
        ("flex", "openai_responses", ANTHROPIC, ""),
        ("priority", "openai_chat", ANTHROPIC, ""),
        ("fast", "anthropic_messages", ANTHROPIC, "fast"),
        ("fast", "anthropic_messages", OPENAI, ""),
        ("flex", "openai_embeddings", ANTHROPIC, "flex"),
        ("flex", "", ANTHROPIC, "flex"),
    ],
)
def test_the_tier_that_an_upstream_is_asked_for(tier: str, asked: str, there: Upstream, expected: str) -> None:
    """Its own name for it, where the client's word goes there at all."""
    assert expected == tier_out(tier, asked, there)


@pytest.mark.parametrize(("served", "certainty"), [("", "computed"), ("standard", "computed"), ("fast", "estimated")])
def test_a_tier_that_is_not_asked_for_is_not_paid_for(served: str, certainty: str) -> None:
    """CASES 8: `speed` is left out for a chat upstream: neither hold nor charge is of a tier that it never heard of."""
    made = bench(RELAY)
    call = made.route(dialect_in="anthropic_messages", tier_asked="fast")
    held = made.held(call)
    settled = made.end(held, finished(tier_served=served))
    assert isinstance(settled, Settled)
    assert ("0.062", certainty) == (held.hold, settled.certainty)
    assert [] == made.disagreeing()


LOGIN = replace(OPENAI, credential=CLIENT)


def test_an_upstream_that_takes_a_login() -> None:
    """With a login it serves, without one it is passed over and not what is meant."""
    made = bench(RELAY, OFFICIAL, relay=LOGIN)
    assert "relay" == made.held(made.route(login=True)).route
    held = made.held(made.route())
    assert ("official", "first", [(RELAY, "no_client_credential", "")]) == (held.route, held.role, over(held))


def test_nobody_brought_a_login() -> None:
    """401: the client is to bring one."""
    made = bench(RELAY, relay=LOGIN)
    refused = made.refused(made.route())
    assert ("no_client_credential", 401) == (refused.reason, refused.client_status)


def test_a_login_never_follows_a_fallback() -> None:
    """What was meant for one upstream goes to no other, also to one that takes a login as well."""
    made = bench(RELAY, PLAN, OFFICIAL, relay=LOGIN, plan=LOGIN)
    call = made.route(login=True)
    made.attempt(call, "rate_limited")
    held = made.held(call)
    assert ("official", [(PLAN, "no_client_credential", "meant_elsewhere")]) == (held.route, over(held)[1:])
    made = bench(OFFICIAL, RELAY, relay=LOGIN)
    call = made.route(login=True)
    made.attempt(call, "rate_limited")
    refused = made.refused(call)
    assert (RELAY, "no_client_credential", "meant_elsewhere") in over(refused)
    assert [] == made.disagreeing()


def test_the_limit_of_a_login_is_the_clients_own() -> None:
    """Its client is to hear of it as the provider said it, where nobody else may answer; of a key of ours likewise."""
    made = bench(RELAY, relay=LOGIN)
    call = made.route(login=True)
    made.attempt(call, "rate_limited")
    refused = made.refused(call)
    assert ("exhausted", "rate_limited", 429) == (refused.reason, refused.error, refused.client_status)
    made = bench(RELAY)
    call = made.route()
    made.attempt(call, "rate_limited")
    assert 429 == made.refused(call).client_status
    assert [] == made.disagreeing()


def test_a_login_goes_to_its_own_provider() -> None:
    """What one provider's tool sends as its own goes to no other's upstream, though the request could be said there."""
    made = bench(RELAY, OFFICIAL, relay=replace(ANTHROPIC, credential=CLIENT))
    held = made.held(made.route(login=True, dialect_in="openai_chat"))
    assert ("official", [(RELAY, "no_client_credential", "of_another_provider")]) == (held.route, over(held))
    assert "relay" == made.held(made.route(login=True, dialect_in="anthropic_messages")).route
    assert [] == made.disagreeing()


def test_a_login_that_is_refused_cools_nothing() -> None:
    """DESIGN 7: a client's own 401 is returned as it is; other clients' logins are as good as before."""
    made = bench(RELAY, relay=LOGIN)
    made.attempt(made.route(login=True), "login_refused")
    assert [] == made.cooldowns()


RESPONSES = replace(OPENAI, endpoints=("responses", "chat"))


def keeping() -> Bench:
    """Return a bench on which two routes keep responses, and the second has made one."""
    made = bench(RELAY, OFFICIAL, relay=RESPONSES, openai=RESPONSES)
    call = made.route(dialect_in="openai_responses", stored=True)
    made.attempt(call, "rate_limited")
    made.attempt(call, finished(upstream_id="resp_1"))
    return made


def test_what_goes_on_from_a_response_goes_to_its_route() -> None:
    """`previous_response_id`: no other route may answer, and that one is what is meant."""
    made = keeping()
    call = made.route(dialect_in="openai_responses", previous="resp_1")
    assert ("official", OFFICIAL) == (made.open(call).routed.made_by, made.open(call).routed.intended)
    held = made.held(call)
    assert ("official", "first", [(RELAY, "not_pinned", "previous_response_id")]) == (held.route, held.role, over(held))
    made.end(held, "rate_limited")
    assert "exhausted" == made.refused(call).reason
    assert [] == made.disagreeing()


def test_a_response_whose_route_may_not_answer_is_lost() -> None:
    """Its client is told by the code of OpenAI's; where its route may answer later, that is said."""
    made = keeping()
    call = made.route(dialect_in="openai_responses", previous="resp_1", previous_kind="response", pinned="relay")
    refused = made.refused(call)
    assert ("not_allowed", "previous_response_not_found", 400) == (
        refused.reason,
        refused.error,
        refused.client_status,
    )
    call = made.route(dialect_in="openai_responses", previous="resp_1", previous_kind="response")
    made.attempt(call, "rate_limited")
    assert "rate_limited" == made.refused(call).error
    assert [] == made.disagreeing()


def test_what_no_upstream_can_go_on_from() -> None:
    """A thread, or a response, that only a translation could name: by the code for it; any other member by none."""
    for member, code in (
        ("thread", "thread_unsupported_request"),
        ("previous_response_id", "previous_response_not_found"),
        ("top_k", "no_capability"),
    ):
        made = bench(RELAY)
        refused = made.refused(made.route(dialect_in="anthropic_messages", uncarried={"openai_chat": member}))
        assert ("no_capability", code, 400) == (refused.reason, refused.error, refused.client_status)


def test_a_thread_whose_route_can_not_answer_is_lost() -> None:
    """Its client has the whole conversation and begins anew elsewhere, at once; not for want of money."""
    made = keeping()
    call = made.route(dialect_in="openai_responses", previous="resp_1", previous_kind="message")
    made.attempt(call, "rate_limited")
    decision = decide(made.terms, made.fold, made.open(call), made.at)
    assert isinstance(decision, Refuse)
    assert ("exhausted", "thread_not_found", 404, False) == (
        decision.reason,
        decision.error,
        decision.status,
        decision.passes,
    )
    assert 0 == may_outlast_ms(made.terms, decision, made.at, waited_ms=0)
    assert "thread_not_found" == made.refused(call).error
    assert [] == made.disagreeing()


def test_a_response_that_nobody_knows() -> None:
    """It is as good anywhere: its upstream says so, or knows it from before."""
    made = keeping()
    made.later(minutes=5)
    call = made.route(dialect_in="openai_responses", previous="resp_2")
    assert ("", RELAY) == (made.open(call).routed.made_by, made.open(call).routed.intended)


@pytest.mark.parametrize(
    ("stored", "dialect", "response"),
    [
        (False, "openai_responses", "resp_2"),
        (True, "openai_responses", ""),
        (True, "openai_chat", "resp_2"),
    ],
)
def test_only_what_an_upstream_keeps_is_known(stored: bool, dialect: str, response: str) -> None:
    """Not what the client did not let it keep, nor what has no id, nor an answer in another dialect."""
    made = keeping()
    made.later(minutes=5)
    made.attempt(made.route(dialect_in=dialect, stored=stored), finished(upstream_id=response))
    assert {"resp_1": "official"} == made.fold.responses.made_by


def told(**changes: object) -> list[tuple[str, str]]:
    """Return what is said of an upstream with these settings."""
    conf = Config(upstream={"u": replace(OPENAI, **changes)})
    return [(".".join(one.path), one.what) for one in check(conf) if one.path[:1] == ("upstream",)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"endpoints": ("chat", "responses")}, []),
        (
            {"endpoints": ("messages",)},
            [
                (
                    "upstream.u.endpoints",
                    '`messages` is not of `dialect = "openai"`, which has '
                    + ", ".join(
                        f"`{name}`" for name in ("chat", "completions", "embeddings", "moderations", "responses")
                    ),
                )
            ],
        ),
        (
            {"endpoints": (), "dialect": "anthropic"},
            [("upstream.u.endpoints", "it can be asked for nothing: write some of `messages`")],
        ),
        ({"credential": CLIENT, "passes": ("GET /models",)}, []),
        (
            {"passes": ("GET /models",)},
            [("upstream.u.passes", 'other paths pass only with the client\'s own login: `credential = "client"`')],
        ),
        (
            {"credential": CLIENT, "passes": ("models", "POST /resp*", "POST /v1/chat/*", "PUSH /x")},
            [
                ("upstream.u.passes", "`models` is no method and path: write `GET /models`"),
                ("upstream.u.passes", "`POST /resp*` would let calls pass that are metered: list no such path"),
                ("upstream.u.passes", "`POST /v1/chat/*` would let calls pass that are metered: list no such path"),
                ("upstream.u.passes", "`PUSH /x` is no method and path: write `GET /models`"),
            ],
        ),
    ],
)
def test_what_is_wrong_with_an_upstream(changes: dict[str, object], expected: list[tuple[str, str]]) -> None:
    """CASES 34: nothing that is metered can be listed as free; each finding says what to write."""
    assert expected == told(**changes)


def test_a_call_of_before_has_its_defaults() -> None:
    """Lines that were written before these members were known read as they were meant."""
    routed = Routed(
        id="tf_1", key="k", model_asked="m", dialect_in="openai_chat", stream=False, input_estimate=1, output_bound=1
    )
    assert ({}, (), False) == (routed.uncarried, routed.dropped, routed.login)


@pytest.mark.parametrize(
    ("upstreams", "own", "translated"),
    [
        ((), (), ()),
        ((OPENAI,), ("chat",), ("responses", "messages")),
        ((ANTHROPIC,), ("messages",), ("chat", "responses")),
        ((OPENAI, ANTHROPIC), ("chat", "messages"), ("responses",)),
        ((at("https://api.openai.com/v1"),), ("chat", "responses"), ("messages",)),
        ((replace(OPENAI, endpoints=("responses",)),), ("responses",), ()),
        ((replace(ANTHROPIC, credential=CLIENT),), ("messages",), ()),
        ((replace(OPENAI, endpoints=("embeddings", "moderations")),), ("embeddings", "moderations"), ()),
    ],
)
def test_in_which_dialects_a_model_can_be_asked(
    upstreams: tuple[Upstream, ...], own: tuple[Endpoint, ...], translated: tuple[Endpoint, ...]
) -> None:
    """Translated is only what none of them has itself."""
    assert (own, translated) == asked_in(upstreams)

"""Where a call may go and where it must stay: boundaries, money, keys and the bounds on attempts, as transcripts."""

from pathlib import Path

import pytest
from playbook import SHORT, Reply, Setup, playing
from upstreams import End, refusal

from tokens_forge.core.entries import Refused

ROUTED = "routed smart: relay/relay-gpt-5 official/gpt-5"
PAST_MONEY = "past relay/relay-gpt-5 balance_short"
FELL_BACK = ("x-tf-route", "x-tf-class", "x-tf-balance", "x-tf-attempts", "x-tf-fell-back")

WIDE = """
[balance.purse]
kind = "prepaid"
unit = "CNY"
[route.again]
class = "ordinary"
upstream = "relay"
balance = "wallet"
serves = ["second"]
prices = { second = [{ from = 2020-01-01, unit = "CNY", per = "ktok", input = 1, output = 10 }] }
[route.other]
class = "ordinary"
upstream = "relay"
balance = "purse"
serves = ["third"]
prices = { third = [{ from = 2020-01-01, unit = "CNY", per = "ktok", input = 1, output = 10 }] }
[model.wide]
routes = ["relay/gpt-5", "again/second", "other/third", "official/gpt-5"]
fallback = "BOUNDARY"
"""
"""A model over four routes: one, another on its balance, another of its class, another class."""

MYSTERY = """
[route.mystery]
class = "direct"
upstream = "official"
balance = "credit"
serves = ["mystery-*"]
price = "list"
"""
"""A route with a list price, for models that no price list knows."""


def wide(boundary: str) -> Setup:
    """Return a setup with the model `wide` within a boundary."""
    return Setup(
        more=WIDE.replace("BOUNDARY", boundary), fund={"wallet": "100 CNY", "purse": "100 CNY", "credit": "10 USD"}
    )


def told(reply: Reply) -> tuple[str, ...]:
    """Return where a reply came from, as its headers say."""
    return tuple(reply.said(*FELL_BACK).values())


GONE = refusal(404, "model_not_found")
"""Falls back at once and cools nothing."""

WIDE_ROUTED = "routed wide: relay/relay-gpt-5 again/second other/third official/gpt-5"


FIRST = ["held 1 first relay by wallet", "voided 1 rejected model_not_found 404 zero"]
SECOND = [
    "held 2 fallback again by wallet past relay/relay-gpt-5 failed_in_call after model_not_found",
    "voided 2 rejected model_not_found 404 zero",
]
PAST_TWO = "past relay/relay-gpt-5 failed_in_call, again/second failed_in_call"
THIRD = [
    f"held 3 fallback other by purse {PAST_TWO} after model_not_found",
    "voided 3 rejected model_not_found 404 zero",
]
PAST_THREE = f"{PAST_TWO}, other/third failed_in_call"
PAST_ONE = "past relay/relay-gpt-5 failed_in_call, again/second outside_boundary"
OUTSIDE = "official/gpt-5 outside_boundary; final 502"


@pytest.mark.parametrize(
    ("boundary", "lines"),
    [
        ("none", [*FIRST, f"refused exhausted {PAST_ONE}, other/third outside_boundary, {OUTSIDE}"]),
        ("balance", [*FIRST, *SECOND, f"refused exhausted {PAST_TWO}, other/third outside_boundary, {OUTSIDE}"]),
        ("class", [*FIRST, *SECOND, *THIRD, f"refused exhausted {PAST_THREE}, {OUTSIDE}"]),
    ],
)
async def test_a_call_stays_where_it_must(tmp_path: Path, boundary: str, lines: list[str]) -> None:
    """DESIGN 5: `none` is the intended candidate, `balance` its balance, `class` its class on any balance."""
    async with playing(tmp_path, wide(boundary)) as play:
        play.relay.answers(GONE, GONE, GONE)
        reply = await play.ask(model="wide")
        assert (502, "candidates_exhausted") == reply.error
        assert [WIDE_ROUTED, *lines] == play.transcript()
        assert [] == play.official.got


async def test_any_goes_everywhere(tmp_path: Path) -> None:
    """DESIGN 5: `any` may use every candidate; CASES 23: a reply says from where to where, and why."""
    async with playing(tmp_path, wide("any")) as play:
        play.relay.answers(GONE, GONE, GONE)
        reply = await play.ask(model="wide")
        assert 200 == reply.status
        assert ("official", "direct", "credit", "4", "relay/relay-gpt-5>official/gpt-5; model_not_found") == told(reply)
        assert [
            f"held 4 fallback official by credit {PAST_THREE} after model_not_found",
            "settled 4 ok 0.096 USD computed; final 200",
        ] == play.transcript()[-2:]


async def test_passed_over_for_money_is_a_fallback(tmp_path: Path) -> None:
    """DESIGN 1: passing the intended candidate over for money is a fallback, also before the first attempt."""
    async with playing(tmp_path, Setup(fund={"wallet": "0.01 CNY", "credit": "10 USD"})) as play:
        reply = await play.ask()
        assert ("official", "direct", "credit", "1", "relay/relay-gpt-5>official/gpt-5; balance_short") == told(reply)
        assert [
            ROUTED,
            f"held 1 fallback official by credit {PAST_MONEY} after balance_short",
            "settled 1 ok 0.096 USD computed; final 200",
        ] == play.transcript()
        assert [] == play.relay.got


async def test_passed_over_for_health_is_a_fallback(tmp_path: Path) -> None:
    """DESIGN 1: so is passing it over because it cools; CASES 41: the client never sees the 401."""
    async with playing(tmp_path) as play:
        play.relay.answers(refusal(401, "invalid_api_key"))
        assert 200 == (await play.ask()).status
        play.lines()
        reply = await play.ask()
        assert ("official", "direct", "credit", "1", "relay/relay-gpt-5>official/gpt-5; cooling") == told(reply)
        assert [
            ROUTED,
            "held 1 fallback official by credit past relay/relay-gpt-5 cooling after cooling",
            "settled 1 ok 0.096 USD computed; final 200",
        ] == play.transcript()


async def test_the_intended_candidate_says_no_fallback(tmp_path: Path) -> None:
    """DESIGN 3: without a fallback there is no `x-tf-fell-back`."""
    async with playing(tmp_path) as play:
        assert ("relay", "ordinary", "wallet", "1") == told(await play.ask())


async def test_a_class_without_money_burns_no_other(tmp_path: Path) -> None:
    """DESIGN 5: an empty wallet does not silently burn premium credit; CASES 38: the client is not to try again."""
    async with playing(tmp_path, Setup(fallback="class", fund={"credit": "10 USD"})) as play:
        reply = await play.ask()
        assert (402, "insufficient_balance") == reply.error
        assert {"x-should-retry": "false"} == reply.said("x-should-retry", "retry-after")
        assert [
            ROUTED,
            f"refused nothing_can_pay {PAST_MONEY}, official/gpt-5 outside_boundary; final 402",
        ] == play.transcript()


async def test_402_names_every_candidate(tmp_path: Path) -> None:
    """CASES 38: out of money is final, and says what stood against each candidate, in figures."""
    async with playing(tmp_path, Setup(fund={"wallet": "0.01 CNY"})) as play:
        reply = await play.ask()
        assert (402, "insufficient_balance") == reply.error
        call_id = reply.headers["x-request-id"]
        refused = play.closing()
        assert isinstance(refused, Refused)
        relay, official = refused.passed_over
        assert (
            "Nothing can pay for this call. "
            f"relay/relay-gpt-5 by wallet: 0.01 CNY available, {relay.need} CNY needed; "
            f"official/gpt-5 by credit: 0 USD available, {official.need} USD needed. "
            f"`tf explain {call_id}` tells more."
        ) == reply.message
        assert {"x-should-retry": "false"} == reply.said("x-should-retry", "retry-after")


async def test_no_price_is_not_zero(tmp_path: Path) -> None:
    """CASES 12: a model that must be paid and has no known price is refused."""
    async with playing(tmp_path, Setup(more=MYSTERY)) as play:
        reply = await play.ask(model="mystery-1")
        assert (501, "no_price") == reply.error
        assert (
            "To set it: `tf prices set mystery mystery-1 --input … --output … --unit USD`; or a newer list may know "
            'it: `tf prices update --from FILE`, a file or an address; or `[settle] unpriced = "sibling"` charges the '
            "newest model known of its family, as an estimate."
        ) in reply.message
        assert {"x-should-retry": "false"} == reply.said("x-should-retry", "retry-after")
        assert [
            "routed mystery-1: mystery/mystery-1",
            "refused no_price past mystery/mystery-1 no_price; final 501",
        ] == play.transcript()


@pytest.mark.parametrize("unpriced", ["refuse", "sibling"])
async def test_a_tier_without_a_price_is_named(tmp_path: Path, unpriced: str) -> None:
    """CASES 8: the command prices the tier and leaves the rest; neither a sibling nor another name is the way out."""
    setup = Setup(more=f'[settle]\nunpriced = "{unpriced}"')
    async with playing(tmp_path, setup) as play:
        reply = await play.ask(model="gpt-5", service_tier="scale")
        assert (501, "no_price") == reply.error
        call_id = reply.headers["x-request-id"]
        assert (
            "No price is known for `gpt-5` in the tier `scale`, so it can't be metered. "
            "relay/relay-gpt-5 by wallet: its price in the tier `scale` is not known; "
            "official/gpt-5 by credit: its price in the tier `scale` is not known. "
            "To set it: `tf prices set relay relay-gpt-5 --service scale --input … --output … --unit CNY`; "
            "`tf prices set official gpt-5 --service scale --input … --output … --unit USD`; "
            "or a newer list may know it: `tf prices update --from FILE`, a file or an address. "
            f"`tf explain {call_id}` tells more."
        ) == reply.message


async def test_unpriced_is_said(tmp_path: Path) -> None:
    """CASES 12: `unpriced = "zero"` allows it, and then it shows as unpriced."""
    async with playing(tmp_path, Setup(more=f'{MYSTERY}[settle]\nunpriced = "zero"')) as play:
        assert 200 == (await play.ask(model="mystery-1")).status
        assert [
            "routed mystery-1: mystery/mystery-1",
            "held 1 first mystery by credit",
            "settled 1 ok 0 USD unpriced; final 200",
        ] == play.transcript()


async def test_unpriced_needs_money_all_the_same(tmp_path: Path) -> None:
    """A call that may cost finds money on its balance, also when nobody knows how much."""
    setup = Setup(more=f'{MYSTERY}[settle]\nunpriced = "zero"', fund={"wallet": "1 CNY"})
    async with playing(tmp_path, setup) as play:
        assert (402, "insufficient_balance") == (await play.ask(model="mystery-1")).error


async def test_a_key_keeps_to_its_classes(tmp_path: Path) -> None:
    """DESIGN 1: what is intended is the first candidate that the key may use; passing the others is no fallback."""
    async with playing(tmp_path, Setup(more='[key.aider]\nclasses = ["direct"]')) as play:
        reply = await play.ask()
        assert ("official", "direct", "credit", "1") == told(reply)
        assert [
            ROUTED,
            "held 1 first official by credit past relay/relay-gpt-5 not_allowed",
            "settled 1 ok 0.096 USD computed; final 200",
        ] == play.transcript()


async def test_a_key_that_may_use_no_route(tmp_path: Path) -> None:
    """403 names the key and why, and nothing is sent."""
    async with playing(tmp_path, Setup(more='[key.aider]\nclasses = ["local"]')) as play:
        reply = await play.ask()
        assert (403, "not_allowed") == reply.error
        assert reply.message.startswith(
            "Key `aider` may use none of the routes for `smart`. relay/relay-gpt-5 by wallet: its "
        )
        assert [
            ROUTED,
            "refused not_allowed past relay/relay-gpt-5 not_allowed, official/gpt-5 not_allowed; final 403",
        ] == play.transcript()


async def test_an_unknown_model(tmp_path: Path) -> None:
    """DESIGN 2: an unknown model is routed, then refused; the message names the nearest that the key may use."""
    async with playing(tmp_path) as play:
        reply = await play.ask(model="smrat")
        assert (404, "model_not_found") == reply.error
        assert reply.message.startswith("No model named `smrat`. Did you mean `smart`?")
        assert ["routed smrat", "refused unknown_model; final 404"] == play.transcript()


async def test_an_unknown_model_that_is_like_none(tmp_path: Path) -> None:
    """What there is is named, patterns too, as far as the key may use it."""
    more = (
        '[key.aider]\nclasses = ["direct"]\n[model."own-*"]\nroutes = ["more/gpt-4"]\n'
        '[route.more]\nclass = "direct"\nupstream = "official"\nbalance = "credit"\nserves = ["gpt-4*"]\n'
        'price = "free"\n'
        '[route.other]\nclass = "local"\nupstream = "official"\nbalance = "credit"\nserves = ["o*"]\nprice = "free"'
    )
    async with playing(tmp_path, Setup(more=more)) as play:
        reply = await play.ask(model="claude")
        assert (404, "model_not_found") == reply.error
        there = "`gpt-4*`, `gpt-5`, `gpt-5-mini`, `own-*`, `smart`"
        assert f"No model named `claude`. There are: {there}." == reply.message


async def test_at_most_two_attempts_a_candidate(tmp_path: Path) -> None:
    """CASES 24, 26: two a candidate, four a call, one owner of retries; what failed is not tried again."""
    async with playing(tmp_path) as play:
        play.relay.answers(refusal(500), refusal(500))
        play.official.answers(refusal(500), refusal(500))
        reply = await play.ask()
        assert (502, "candidates_exhausted") == reply.error
        assert "The last attempt ended in server_error with status 500." in reply.message
        assert {"x-tf-attempts": "4"} == reply.said("x-tf-attempts", "retry-after")
        assert [
            ROUTED,
            "held 1 first relay by wallet",
            "voided 1 error server_error 500 assumed_zero",
            "held 2 retry relay by wallet after server_error",
            "voided 2 error server_error 500 assumed_zero",
            "held 3 fallback official by credit past relay/relay-gpt-5 attempts_used after server_error",
            "voided 3 error server_error 500 assumed_zero",
            "held 4 retry official by credit after server_error",
            "voided 4 error server_error 500 assumed_zero",
            "refused exhausted past relay/relay-gpt-5 attempts_used, official/gpt-5 attempts_used; final 502",
        ] == play.transcript()


async def test_at_most_four_attempts_a_call(tmp_path: Path) -> None:
    """CASES 24: the bound on the call is a bound over all candidates."""
    async with playing(tmp_path, wide("any")) as play:
        play.relay.answers(*[refusal(500)] * 4)
        assert (502, "candidates_exhausted") == (await play.ask(model="wide")).error
        assert (4, 0) == (len(play.relay.got), len(play.official.got))
        assert (
            "refused exhausted past relay/relay-gpt-5 attempts_used, again/second attempts_used, "
            "other/third attempts_used, official/gpt-5 attempts_used; final 502"
        ) == play.transcript()[-1]


async def test_retries_have_a_budget(tmp_path: Path) -> None:
    """DESIGN 7: retries are at most a fifth of the last minute's calls, three at least; then a call falls back."""
    failed = refusal(500)
    async with playing(tmp_path) as play:
        for _call in range(3):
            play.relay.answers(failed)
            assert "2" == (await play.ask()).headers["x-tf-attempts"]
        play.lines()
        play.relay.answers(failed)
        reply = await play.ask()
        assert "relay/relay-gpt-5>official/gpt-5; server_error" == reply.headers["x-tf-fell-back"]
        assert [
            ROUTED,
            "held 1 first relay by wallet",
            "voided 1 error server_error 500 assumed_zero",
            "held 2 fallback official by credit past relay/relay-gpt-5 retry_budget after server_error",
            "settled 2 ok 0.096 USD computed; final 200",
        ] == play.transcript()
        play.clock.on(minutes=1, seconds=1)
        play.relay.answers(failed)
        reply = await play.ask()
        assert ("relay", "ordinary", "wallet", "2") == told(reply)


async def test_the_deadline_ends_a_wait_for_a_retry(tmp_path: Path) -> None:
    """DESIGN 7: one deadline for the whole call, waits included; 504 says what was tried."""
    async with playing(tmp_path, Setup(more='[policy]\ndeadline = "300ms"')) as play:
        play.relay.answers(refusal(429, headers={"retry-after": "2"}))
        reply = await play.ask()
        assert (504, "deadline") == reply.error
        assert reply.message.startswith(
            "The call's deadline of 300ms passed before a reply: relay/relay-gpt-5 rate_limited 429."
        )
        assert [
            ROUTED,
            "held 1 first relay by wallet",
            "voided 1 rejected rate_limited 429 zero",
            "refused deadline; final 504",
        ] == play.transcript()


async def test_the_deadline_ends_an_attempt(tmp_path: Path) -> None:
    """CASES 55: what was sent and not answered in time may have been billed; nothing else is tried after it."""
    async with playing(tmp_path, Setup(more='[policy]\ndeadline = "300ms"')) as play:
        play.relay.answers((End.NEVER,))
        assert (504, "deadline") == (await play.ask()).error
        settled = play.transcript()
        assert "held 1 first relay by wallet" == settled[1]
        assert settled[2].startswith("settled 1 unanswered deadline ")
        assert ["refused deadline; final 504"] == settled[3:]
        assert [] == play.official.got


async def test_a_slow_candidate_leaves_time_for_another(tmp_path: Path) -> None:
    """DESIGN 7: an upstream's own timeout falls back within the deadline, without a retry on the same route."""
    async with playing(tmp_path, Setup(relay=SHORT)) as play:
        play.relay.answers((End.NEVER,))
        reply = await play.ask()
        assert "relay/relay-gpt-5>official/gpt-5; first_byte_timeout" == reply.headers["x-tf-fell-back"]
        assert "2" == reply.headers["x-tf-attempts"]


async def test_money_is_looked_at_anew_on_a_fallback(tmp_path: Path) -> None:
    """CASES 33: a candidate's balance is checked when its turn comes, not when the call began."""
    async with playing(tmp_path, Setup(fund={"wallet": "100 CNY"})) as play:
        play.relay.answers(GONE)
        reply = await play.ask()
        assert (502, "candidates_exhausted") == reply.error
        assert [
            ROUTED,
            *FIRST,
            "refused exhausted past relay/relay-gpt-5 failed_in_call, official/gpt-5 balance_short; final 502",
        ] == play.transcript()

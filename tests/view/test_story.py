"""A story on a screen answers at first glance which balance paid how much, for whom, why, and what ran before."""

import msgspec
from ledgers import (
    at,
    call_id,
    held_official,
    held_relay,
    refused,
    routed,
    settled_official,
    settled_relay,
    voided_relay,
)
from screens import printed

from tokens_forge.core.entries import (
    Adjusted,
    AnyEntry,
    Cause,
    ChargeLine,
    Cooled,
    HoldBasis,
    Limit,
    Line,
    PassedOver,
    Ranked,
    Recovered,
    WindowHeld,
)
from tokens_forge.core.story import tell
from tokens_forge.view.story import story_view

CALL = call_id(at("10:00:00"))


def lines(*entries: AnyEntry, width: int = 80) -> list[str]:
    """Return the picture of entries that follow each other by a second."""
    told = [Line(seq=n, ts=at(f"10:00:{n:02}"), entry=entry) for n, entry in enumerate(entries)]
    return printed(story_view(tell(told)), width)


def text(*entries: AnyEntry) -> str:
    """Return the picture on one wide line a line."""
    return "\n".join(lines(*entries, width=300))


def test_a_call_that_fell_back() -> None:
    """The whole picture at 80 columns, without colour."""
    expected = """\
call tf_01a20cff7d0070008000000000000001  answered 200 in 4.000 s
  paid       0.0036 USD by openai-credit (computed)
  for        key aider, task research-42
  fell back  relay/gpt-5 → official/gpt-5: attempt 1 ended with rate_limited
             (429)
  asked      smart, streamed, 7 messages, conversation 9f2c77ab, from
             OpenAI/Python 3.54.0
  at         2026-11-24 10:00:00 UTC; about 1,180 tokens in, at most 4,096 out

Why openai-credit (order: listed; may fall back: any)
  relay/gpt-5     rmb-wallet     taken in attempt 1
                                 passed over for attempt 2: failed earlier in
                                 this call (rate_limited)
  official/gpt-5  openai-credit  taken in attempt 2

Attempts
  1  first     relay/gpt-5 (ordinary) at relay, balance rmb-wallet
               held 0.0412 CNY for 1,416 tokens in and 4,096 out, at
               relay/gpt-5@2026-11-01
               rejected, 429 rate_limited, asked to wait 12 s: 0 CNY (zero)
               began after 1.000 s, took 212 ms
  2  fallback  official/gpt-5 (direct) at openai, balance openai-credit
               held 0.0428 USD for 1,416 tokens in and 4,096 out, at
               official/gpt-5@2025-08-07
               ok, 200, finish stop: 0.0036 USD (computed)
               began after 3.000 s, first byte after 412 ms, took 1.834 s,
               served as gpt-5-2026-08-07, tier default, the upstream's id
               chatcmpl-77

Charge of attempt 2
  input       400  x 1.25 USD/Mtok   0.0005 USD
  cache_read  800  x 0.125 USD/Mtok  0.0001 USD
  output      300  x 10 USD/Mtok      0.003 USD
  charge                             0.0036 USD
  card openai/gpt-5 by genai-prices 0.2.3, valid from 2025-08-07, tier base
  usage (reported): 400 input, 800 cache_read, 300 output (reasoning 100 of it)
  list price 0.0036 USD, saving 0 USD
  balance openai-credit: 12.1 USD before, 12.0964 USD after"""
    actual = lines(routed(CALL), held_relay(CALL), voided_relay(CALL), held_official(CALL), settled_official(CALL))
    assert expected.splitlines() == actual


def test_a_refused_call() -> None:
    """A refusal names its reason, the client's code, and each candidate's numbers."""
    said = text(routed(CALL), refused(CALL))
    assert "refused 402 in 1.000 s" in said
    assert "  paid     nothing\n" in said
    assert "  refused  nothing_can_pay; the client's error code is insufficient_balance" in said
    assert "rmb-wallet  passed over: 0.01 CNY available, 0.0412 CNY needed" in said
    assert "official/gpt-5  -           not looked at" in said


def test_a_call_refused_at_last() -> None:
    """What was passed over after the last attempt says that it was at last."""
    said = text(routed(CALL), held_relay(CALL), voided_relay(CALL), refused(CALL, reason="exhausted"))
    assert "passed over at last: 0.01 CNY available" in said


def test_an_open_call() -> None:
    """A call under way says so; what may follow is not told as done."""
    said = text(routed(CALL), held_relay(CALL))
    assert "open: no closing entry yet" in said
    assert "  paid   nothing yet" in said
    assert "under way" in said


def test_passed_over_before_any_attempt() -> None:
    """Falling back without an attempt tells the numbers that caused it."""
    over = PassedOver(
        candidate="relay/gpt-5", balance="rmb-wallet", reason="balance_short", available="0", need="1", unit="CNY"
    )
    held = held_official(CALL, n=1, passed_over=(over,), cause=Cause(n=0, error="balance_short"))
    said = text(routed(CALL), held, settled_official(CALL, n=1))
    assert "fell back  relay/gpt-5 → official/gpt-5: 0 CNY available, 1 CNY needed" in said
    assert "relay/gpt-5     rmb-wallet     passed over: 0 CNY available, 1 CNY needed" in said


def test_a_fallback_whose_numbers_are_gone() -> None:
    """Without the numbers the cause's own word is told; without a cause none."""
    held = held_official(CALL, n=1, passed_over=(), cause=Cause(n=0, error="balance_short"))
    assert "→ official/gpt-5: balance_short" in text(routed(CALL), held)
    assert "→ official/gpt-5\n" in text(routed(CALL), held_official(CALL, cause=None))
    connect = held_official(CALL, cause=Cause(n=1, error="not_sent"))
    assert "attempt 1 ended with not_sent\n" in text(routed(CALL), connect)


def test_everything_that_can_be_said() -> None:
    """Windows, limits, share and exchange, rounding, overrun, flags, corrections and cooldowns have their words."""
    card = settled_official(CALL).card
    assert card is not None
    shared = msgspec.structs.replace(
        card, list_share="0.35", fx="7.1", valid_from="", per="token", factors={"geo us": "1.1"}
    )
    window = WindowHeld(window="first-use/5h", start=at("10:00:00"), end=at("15:00:00"))
    said = text(
        routed(CALL, tier_asked="flex", client_retry=2),
        held_relay(CALL, windows=(window,), jitter_ms=30, hold_basis=HoldBasis(kind="count")),
        settled_relay(
            CALL,
            card=shared,
            lines=(
                ChargeLine(usage_class="requests", quantity=1, rate="0.02", amount="0.02"),
                ChargeLine(usage_class="rounding", quantity=1, rate="0.0000000000001", amount="0.0000000000001"),
            ),
            overrun="0.001",
            flags=("cache_write_unsplit",),
            reported_cost="0.0029",
            limits=(Limit(window="requests", remaining="59", limit="60"),),
            usage={},
            list="",
            saving="",
            balance_after="",
        ),
        Cooled(scope="candidate", name="relay/gpt-5", until=at("10:01:00"), level=1, error="rate_limited"),
        Recovered(scope="candidate", name="relay/gpt-5", by=f"{CALL}/1"),
        Adjusted(balance="rmb-wallet", amount="0.01", unit="CNY", reason="refund", corrects=CALL, ref="R", note="N"),
        Adjusted(balance="rmb-wallet", amount="-0.01", unit="CNY", reason="fee", corrects=CALL),
    )
    for part in (
        "tier flex, the client's retry 2",
        "held 0.0412 CNY: what the pool counts",
        "counted in window first-use/5h, 2026-11-24 10:00:00 UTC to 2026-11-24 15:00:00 UTC",
        "put off by 30 ms at random",
        "the upstream says: 59 of 60 requests left",
        "requests  1  x 0.02 CNY/one",
        "rounding                     0.0000000000001 CNY",
        "tier base, x 0.35 of list, x 1.1 for geo us, x 7.1 per USD",
        "usage (reported): none",
        "cache_write_unsplit: cache writes without a lifetime: the hour that was asked for, else the shortest",
        "the upstream reported a cost of 0.0029",
        "over its hold by 0.001 CNY",
        "0.01 CNY given back to rmb-wallet (refund): R; N",
        "0.01 CNY taken from rmb-wallet (fee)",
        "candidate relay/gpt-5 cools until 2026-11-24 10:01:00 UTC (rate_limited)",
        "candidate relay/gpt-5 recovered",
    ):
        assert part in said


def test_a_pool_counts_without_a_card() -> None:
    """A count has no rate card: its line shows the count alone. A call without a price says that none is known."""
    count = ChargeLine(usage_class="requests", quantity=1, rate="1", amount="1")
    settled = settled_relay(CALL, charge="1", unit="requests", card=None, lines=(count,))
    said = text(
        routed(CALL), held_relay(CALL, hold="0", hold_basis=HoldBasis(kind="bound", input=2, output=3)), settled
    )
    assert "requests  1  x 1  1 requests" in said
    assert "held 0 CNY for 2 tokens in and 3 out: no price is known" in said
    bare = HoldBasis(kind="bound", input=1, output=2)
    assert "held 0.0412 CNY for 1 tokens in and 2 out\n" in text(routed(CALL), held_relay(CALL, hold_basis=bare))


def test_what_a_hold_covers_besides() -> None:
    """What the provider keeps, what its cache may cost and what it does besides are told with the hold."""
    basis = HoldBasis(
        kind="bound", input=1_500, output=2, kept=1_000, input_class="cache_write_1h", beside="0.02", card="relay/m"
    )
    said = " ".join(text(routed(CALL), held_relay(CALL, hold_basis=basis)).split())
    assert (
        "for 1,500 tokens in (1,000 of them kept by the provider, held as cache_write_1h) and 2 out, at relay/m; "
        "0.02 CNY of it for what is done besides"
    ) in said


def test_a_free_balance() -> None:
    """What a free balance gave is nothing paid, and nothing was held for it."""
    free = {"balance": "local", "unit": "free", "hold": "0"}
    held = held_relay(CALL, **free, hold_basis=HoldBasis(kind="free"))
    said = text(routed(CALL, turn=1), held, settled_relay(CALL, **free, charge="0", card=None, lines=()))
    assert "paid   nothing: local is free" in said
    assert "held nothing: the balance is free" in said
    assert "ok, 200, finish stop: free (computed)" in said
    assert "1 message," in said


def test_a_story_without_its_beginning() -> None:
    """What is missing is left out, not shown as zero."""
    said = text(voided_relay(CALL, final=True, client_status=400, error="bad_request", status=400, wait_s=""))
    assert said.startswith(f"call {CALL}  failed 400\n  paid   nothing\n  asked\n")
    assert "relay/gpt-5 at relay, balance rmb-wallet" in said
    assert "Candidates (in order)" not in said
    assert "(in order)" in text(held_relay(CALL))


def test_texts_of_clients_are_no_markup() -> None:
    """A client's name can't colour the screen or hide a line."""
    said = text(routed(CALL, agent="[bold red]x\x1b[2J", key="a[/]b"), refused(CALL, key="x"))
    assert "from [bold red]x\\x1b[2J" in said
    assert "key a[/]b" in said


def test_a_pool_that_is_used_up_is_named_beside_the_balance_that_paid_beyond_it() -> None:
    """One candidate, two balances: each verdict says whose it is where it is not the one in the column."""
    over = PassedOver(
        candidate="relay/gpt-5", balance="plan", reason="pool_used_up", available="0", need="1", unit="requests"
    )
    said = text(routed(CALL), held_relay(CALL, passed_over=(over,)), settled_relay(CALL))
    assert "relay/gpt-5     rmb-wallet  balance plan passed over: used up: 0 requests left" in said


def test_how_a_name_led_to_its_card() -> None:
    """CASES 13: a prefix and a date that were taken off are told beside the card."""
    way = ("openai/gpt-5-2025-08-07", "gpt-5-2025-08-07", "openai/gpt-5")
    plain = settled_official(CALL).card
    assert plain is not None
    said = text(
        routed(CALL),
        held_official(CALL, n=1),
        settled_official(CALL, n=1, card=msgspec.structs.replace(plain, resolved=way)),
    )
    assert "found by openai/gpt-5-2025-08-07 → gpt-5-2025-08-07 → openai/gpt-5" in " ".join(said.split())


def test_what_the_client_narrowed_and_the_request_needs() -> None:
    """Pins, a cap and a boundary of the client's own stand with what was asked."""
    asked = routed(
        CALL,
        model="smart",
        needs=("tools", "vision"),
        pinned_class="ordinary",
        fallback_asked="none",
        boundary="none",
        max_charge="0.05 USD",
    )
    told = text(msgspec.structs.replace(asked, model_asked="quick"), held_relay(CALL))
    assert (
        "quick (routed as smart), streamed, 7 messages, conversation 9f2c77ab, needs tools and vision, pinned to class "
        "ordinary, at most 0.05 USD" in told
    )
    assert "order: listed; may fall back: none, by the client" in told
    assert "pinned to route relay" in text(routed(CALL, pinned="relay"), held_relay(CALL))


def test_the_numbers_behind_an_order() -> None:
    """Each candidate's expected cost, compared in the report's unit, and what would be lost."""
    ranked = (
        Ranked(candidate="relay/gpt-5", cost="0.035", unit="CNY", compared="0.0049", left="100", ends="2026-12-24"),
        Ranked(candidate="official/gpt-5", cost="0.0035", unit="USD", compared="0.0035"),
        Ranked(candidate="plan/m", cost="0", unit="requests", compared="0", left="3", ends=at("15:00:00")),
        Ranked(candidate="max/m", cost="0", unit="percent", compared="0", left="90"),
        Ranked(candidate="far/m", cost="1", unit="EUR"),
        Ranked(candidate="odd/m", unit="USD"),
    )
    names = tuple(place.candidate for place in ranked)
    told = text(routed(CALL, burn="use-or-lose", ranked=ranked, candidates=names), held_relay(CALL))
    for expected in (
        "0.035 CNY expected (0.0049 compared); 100 CNY would be lost after 2026-12-24",
        "0.0035 USD expected\n",
        "no money expected; 3 requests would be lost at 2026-11-24 15:00:00 UTC",
        "no money expected; 90 percent would be lost at its reset",
        "1 EUR expected (no exchange rate)",
        "its cost is not known",
    ):
        assert expected in told


def kept(candidate: str, sticky: str = "") -> AnyEntry:
    """Return a call of a conversation that was on `candidate` and left 800 tokens in the cache there."""
    return routed(CALL, kept=candidate, kept_cache=800, sticky=sticky)


def test_what_became_of_a_conversations_cache() -> None:
    """It stayed, it moved for a reason, or it could not be kept; what moving cost is said with its unit (CASES 50)."""
    official = settled_official(CALL, usage={"input": 900, "output": 300})
    moved = (kept("relay/gpt-5", "relay/gpt-5"), held_relay(CALL), voided_relay(CALL), held_official(CALL), official)
    assert (
        "the conversation moved from relay/gpt-5 to official/gpt-5: failed earlier in this call (rate_limited); its "
        "last answer left 800 tokens in the cache there, 800 were billed anew, 0.0009 USD more than as cache reads"
        in text(*moved)
    )
    stayed = text(kept("official/gpt-5", "official/gpt-5"), held_official(CALL), settled_official(CALL))
    assert "the conversation stayed on official/gpt-5, not relay/gpt-5; 800 tokens read from the cache" in stayed
    again = text(kept("official/gpt-5"), held_official(CALL), settled_official(CALL))
    assert "the conversation came to official/gpt-5 again; 800 tokens read from the cache" in again
    back = text(kept("official/gpt-5"), held_relay(CALL), settled_relay(CALL))
    assert (
        "moved from official/gpt-5 to relay/gpt-5: it is no candidate of the class and balance of relay/gpt-5" in back
    )
    left = settled_official(CALL, usage={"input": 900, "output": 3}, usage_source="estimated")
    unsure = text(kept("official/gpt-5", "official/gpt-5"), held_official(CALL), left)
    assert "stayed on official/gpt-5, not relay/gpt-5; what was read from the cache is not known" in unsure
    cold = routed(CALL, kept="official/gpt-5")
    assert "of relay/gpt-5; no cache there is known to hold any of it\n" in text(
        cold, held_relay(CALL), settled_relay(CALL)
    )
    waiting = text(kept("relay/gpt-5"), held_relay(CALL))
    assert "the conversation was on relay/gpt-5; its last answer left 800 tokens in the cache there" in waiting


def test_a_crossing_is_seen() -> None:
    """An attempt beyond where the call must stay says by whose permission."""
    told = text(routed(CALL), held_official(CALL, crossed="direct"), settled_official(CALL))
    assert "official/gpt-5 (direct, crossed into by the model's permission) at openai" in told


def test_a_call_that_was_translated() -> None:
    """From which dialect into which, and what was left out on the way."""
    asked = routed(CALL, dialect_in="anthropic_messages")
    held = held_relay(CALL, dialect_out="openai_chat", dropped=("top_k",))
    expected = "asked in openai_chat, translated from anthropic_messages, without top_k\n"
    assert expected in text(asked, held)
    assert "asked in openai_chat, translated from another, without top_k\n" in text(held)

"""A call's story on a screen: who paid how much for whom, why that balance, what ran before, and from which figures.

The same renderable serves ``tf explain`` and the monitor. It reads without colour and at 80 columns; it decides nothing
and adds nothing up.
"""

from collections.abc import Iterator, Mapping

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tokens_forge.core.book import COUNT_UNITS, FREE_UNIT
from tokens_forge.core.entries import ROUNDING_CLASS, CardUsed, Cause, ChargeLine, Counted, HoldBasis, Limit, Ranked
from tokens_forge.core.flags import flag_text
from tokens_forge.core.story import (
    AttemptTold,
    Bill,
    CandidateTold,
    Correction,
    Ended,
    HealthTold,
    Payment,
    Story,
    Verdict,
    clock,
    reason_text,
)
from tokens_forge.core.switch import Switch
from tokens_forge.core.usage import COUNT_CLASSES
from tokens_forge.core.visible import visible
from tokens_forge.view.figures import NONE, amount, count, duration, shown

_STYLE: dict[Ended, str] = {"answered": "bold green", "open": "bold cyan", "failed": "bold red", "refused": "bold red"}
_PER = {"mtok": "Mtok", "ktok": "ktok", "token": "token"}


def story_view(story: Story) -> RenderableType:
    """Return what to print or show for a story. What matters at first glance stands first."""
    return Group(
        *_parts(
            _headline(story),
            _why(story),
            _attempts(story),
            *(_charge(attempt, attempt.bill) for attempt in story.attempts if attempt.bill),
            _corrections(story.corrections),
            _health(story.health),
        )
    )


def _parts(*sections: RenderableType | None) -> Iterator[RenderableType]:
    """Yield the sections that there are, an empty line between them."""
    first = True
    for section in sections:
        if section is not None:
            if not first:
                yield Text()
            yield section
            first = False


def _section(title: str, body: RenderableType) -> RenderableType:
    return Group(Text(visible(title), style="bold"), Padding(body, (0, 0, 0, 2), expand=False))


def _headline(story: Story) -> RenderableType:
    title = Text.assemble(("call ", "dim"), visible(story.id), "  ", (story.ended, _STYLE[story.ended]))
    if story.client_status:
        title.append(f" {story.client_status}", _STYLE[story.ended])
    if story.total_ms is not None:
        title.append(f" in {duration(story.total_ms)}")
    if story.ended == "open":
        title.append(": no closing entry yet")
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for label, said in _glance(story):
        table.add_row(label, said)
    return Group(title, Padding(table, (0, 0, 0, 2), expand=False))


def _glance(story: Story) -> Iterator[tuple[str, Text]]:
    """Yield what answers at first glance: which balance paid how much, for which key, and what ran before."""
    for payment in story.payments:
        yield "paid", shown(_payment(payment), "bold")
    if not story.payments:
        yield "paid", Text("nothing" if story.ended != "open" else "nothing yet", style="bold")
    if story.key:
        yield "for", shown(f"key {story.key}{f', task {story.task}' if story.task else ''}")
    for step in _fell_back(story):
        yield "fell back", shown(step, "yellow")
    if story.refusal:
        waited = f" after waiting {duration(story.refusal.waited_ms)}" if story.refusal.waited_ms else ""
        yield (
            "refused",
            shown(f"{story.refusal.reason}{waited}; the client's error code is {story.refusal.error}", "red"),
        )
    if story.conversation and not story.refusal:
        yield "cache", shown(_conversation(story, story.conversation))
    yield "asked", shown(", ".join(_asked(story)))
    if story.at:
        bounds = f"about {count(story.input_estimate)} tokens in, at most {count(story.output_bound)} out"
        yield "at", shown(f"{clock(story.at)}; {bounds}")


def _payment(payment: Payment) -> str:
    if payment.unit == FREE_UNIT:
        return f"nothing: {payment.balance} is free"
    sure = f" ({', '.join(payment.certainty)})" if payment.certainty else ""
    return f"{amount(payment.charge, payment.unit)} by {payment.balance}{sure}"


def _fell_back(story: Story) -> Iterator[str]:
    """Yield each step to another candidate: from where, to where, and what caused it."""
    before = story.intended
    for attempt in story.attempts:
        if attempt.role == "fallback":
            why = f": {_cause(story, attempt.cause)}" if attempt.cause else ""
            yield f"{before} → {attempt.candidate}{why}"
        before = attempt.candidate


def _conversation(story: Story, switch: Switch) -> str:
    """Return whether the conversation stayed where it was, and what of its prompt cache was lost when it moved."""
    there = f"its last answer left {count(switch.cached)} tokens in the cache there"
    held = there if switch.cached else "no cache there is known to hold any of it"
    if switch.stayed is None:
        return f"the conversation was on {switch.was}; {held}"
    if switch.stayed:
        meant = f", not {story.intended}" if story.intended not in {"", switch.was} else ""
        # By a fallback it may come to the same place again, without being kept there.
        where = "came to" if switch.other_terms else "stayed on"
        again = " again" if switch.other_terms else meant
        read = "what was read from the cache is not known"
        if switch.read is not None:
            read = f"{count(switch.read)} tokens read from the cache"
        return f"the conversation {where} {switch.was}{again}; {read}"
    why = f": {reason_text(switch.why)}" if switch.why else ""
    if switch.other_terms and not switch.why:
        why = f": it is no candidate of the class and balance of {story.intended}"
    lost = f", {count(switch.missed)} were billed anew" if switch.cached and switch.missed is not None else ""
    dearer = f", {amount(switch.cost, switch.unit)} more than as cache reads" if switch.cost else ""
    return f"the conversation moved from {switch.was} to {switch.now}{why}; {held}{lost}{dearer}"


def _cause(story: Story, cause: Cause) -> str:
    if cause.n:
        status = f" ({cause.status})" if cause.status else ""
        return f"attempt {cause.n} ended with {cause.error}{status}"
    for candidate in story.candidates:
        for verdict in candidate.verdicts:
            if candidate.candidate == story.intended and verdict.n == 1 and verdict.passed_over:
                return reason_text(verdict.passed_over)
    return cause.error


def _asked(story: Story) -> Iterator[str]:
    if story.model_asked:
        yield f"{story.model_asked}{f' (routed as {story.model})' if story.model else ''}"
    if story.stream is not None:
        yield "streamed" if story.stream else "not streamed"
    if story.turn:
        yield "1 message" if story.turn == 1 else f"{count(story.turn)} messages"
    if story.thread:
        yield f"conversation {story.thread[:8]}"
    if story.tier_asked:
        yield f"tier {story.tier_asked}"
    yield from _narrowed(story)
    if story.client_retry:
        yield f"the client's retry {story.client_retry}"
    if story.agent:
        yield f"from {story.agent}"


def _narrowed(story: Story) -> Iterator[str]:
    """Yield what the request needs, and what its client's headers narrowed."""
    if story.needs:
        yield f"needs {' and '.join(story.needs)}"
    if story.pinned or story.pinned_class:
        yield f"pinned to {f'route {story.pinned}' if story.pinned else f'class {story.pinned_class}'}"
    if story.max_charge:
        yield f"at most {story.max_charge}"


def _why(story: Story) -> RenderableType | None:
    """Return each candidate in order with what every decision made of it."""
    if not story.candidates:
        return None
    table = Table.grid(padding=(0, 2))
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    decisions = {verdict.n for candidate in story.candidates for verdict in candidate.verdicts}
    places = {place.candidate: place_text(place) for place in story.ranked}
    for candidate in story.candidates:
        verdicts = _verdicts(story, candidate, len(decisions))
        if place := places.get(candidate.candidate):
            verdicts = Text("\n").join((shown(place, "dim"), verdicts))
        table.add_row(shown(candidate.candidate), shown(candidate.balance or NONE), verdicts)
    bound = f"{story.boundary}, by the client" if story.fallback_asked else story.boundary
    order = f"order: {story.burn}; may fall back: {bound}" if story.burn else "in order"
    balances = dict.fromkeys(payment.balance for payment in story.payments)
    title = f"Why {' and '.join(balances)}" if balances else "Candidates"
    return _section(f"{title} ({order})", table)


def place_text(place: Ranked) -> str:
    """Return the numbers that gave a candidate its place in the order."""
    cost = f"{amount(place.cost, place.unit)} expected" if place.cost else "its cost is not known"
    if place.unit in COUNT_UNITS:
        cost = "no money expected"
    elif place.compared not in {"", place.cost} or (place.cost and not place.compared):
        cost += f" ({place.compared} compared)" if place.compared else " (no exchange rate)"
    if not place.left:
        return cost
    when = f"at {clock(place.ends)}" if "T" in place.ends else f"after {place.ends}" if place.ends else "at its reset"
    return f"{cost}; {amount(place.left, place.unit)} would be lost {when}"


def _verdicts(story: Story, candidate: CandidateTold, decisions: int) -> Text:
    if not candidate.verdicts:
        return Text("not needed: an earlier one was taken" if story.attempts else "not looked at", style="dim")
    return Text("\n").join(_verdict(story, verdict, candidate.balance, decisions) for verdict in candidate.verdicts)


def _verdict(story: Story, verdict: Verdict, balance: str, decisions: int) -> Text:
    if verdict.passed_over is None:
        return Text(f"taken in attempt {verdict.n}", style="green")
    # Beside a balance that pays beyond a pool, the pool that is used up must be named.
    whose = verdict.passed_over.balance
    by = "" if whose in {"", balance} else f"balance {whose} "
    when = ""
    if decisions > 1:
        when = f" for attempt {verdict.n}" if any(attempt.n == verdict.n for attempt in story.attempts) else " at last"
    return shown(f"{by}passed over{when}: {reason_text(verdict.passed_over)}")


def _attempts(story: Story) -> RenderableType | None:
    if not story.attempts:
        return None
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right")
    table.add_column()
    table.add_column(overflow="fold")
    for attempt in story.attempts:
        table.add_row(str(attempt.n), attempt.role, Text("\n").join(_attempt(attempt, story.dialect_in)))
    return _section("Attempts", table)


def _attempt(attempt: AttemptTold, dialect_in: str) -> Iterator[Text]:
    crossed = ", crossed into by the model's permission" if attempt.crossed else ""
    named = f" ({attempt.route_class}{crossed})" if attempt.route_class else ""
    yield shown(f"{attempt.candidate}{named} at {attempt.upstream}, balance {attempt.balance}", "bold")
    if attempt.dialect_out:
        left_out = f", without {', '.join(attempt.dropped)}" if attempt.dropped else ""
        yield shown(f"asked in {attempt.dialect_out}, translated from {dialect_in or 'another'}{left_out}")
    yield shown(_held(attempt))
    for window in attempt.windows:
        yield shown(f"counted in window {window.window}, {clock(window.start)} to {clock(window.end)}")
    for one in attempt.counted:
        yield shown(_counted(one))
    yield _outcome(attempt)
    if timing := ", ".join(_timing(attempt)):
        yield shown(timing, "dim")
    if attempt.limits:
        said = ", ".join(_limit(limit) for limit in attempt.limits)
        yield shown(f"the upstream says: {said}", "dim")


def _counted(one: Counted) -> str:
    """Return what an attempt takes of a budget, with the exchange rate where money of another unit paid (CASES 51)."""
    rate = f" at {one.fx} for one {one.unit}" if one.fx != "1" else ""
    until = f", in the period to {clock(one.end)}" if one.end else ""
    listed = " at list price" if one.by == "list" else ""
    return f"counts {amount(one.amount, one.unit)}{listed} against budget {one.budget}{rate}{until}"


def _held(attempt: AttemptTold) -> str:
    """Return what was reserved, and how that was reckoned."""
    if attempt.unit == FREE_UNIT:
        return "held nothing: the balance is free"
    held, basis = f"held {amount(attempt.hold, attempt.unit)}", attempt.hold_basis
    if basis is None:
        return held
    match basis.kind:
        case "free":
            told = "held nothing: such a call is free there"
        case "provider":
            told = "held nothing: the provider counts"
        case "reported":
            told = f"{held}: the highest cost that the upstream reported of late"
        case "count":
            told = f"{held}: what the pool counts"
        case "bound" | "expected":
            at = f", at {basis.card}" if basis.card else ": no price is known" if attempt.hold == "0" else ""
            most = " as most such calls need" if basis.kind == "expected" else ""
            told = f"{held} for {count(basis.input)} tokens in{_input(basis)} and {count(basis.output)} out{most}{at}"
            told += f"; {amount(basis.beside, attempt.unit)} of it for what is done besides" if basis.beside else ""
    return told


def _input(basis: HoldBasis) -> str:
    """Return what is said of the input that is held for: what of it nobody sent, and what it may be billed as."""
    said = [f"{count(basis.kept)} of them kept by the provider"] if basis.kept else []
    said += [f"held as {name}" for name in (basis.input_class, basis.output_class) if name]
    return f" ({', '.join(said)})" if said else ""


def _limit(limit: Limit) -> str:
    if limit.window.startswith(("provider/", "model/")):
        left = f" {limit.remaining} % left" if limit.remaining else ""
        word = f" ({limit.status})" if limit.status else ""
        reset = f" until {clock(limit.reset)}" if limit.reset else ""
        return f"{limit.window}{left}{word}{reset}"
    return f"{limit.remaining or NONE} of {limit.limit or NONE} {limit.window} left"


def _outcome(attempt: AttemptTold) -> Text:
    if not attempt.outcome:
        return Text("under way", style="cyan")
    said = [attempt.outcome]
    if attempt.status or attempt.error:
        said.append(" ".join(part for part in (str(attempt.status or ""), attempt.error) if part))
    if attempt.finish:
        said.append(f"finish {attempt.finish}")
    if attempt.wait_s:
        said.append(f"asked to wait {attempt.wait_s} s")
    if attempt.no_retry:
        said.append("not to be sent again by its own word")
    cost = amount(attempt.bill.charge, attempt.bill.unit) if attempt.bill else amount("0", attempt.unit)
    return shown(f"{', '.join(said)}: {cost} ({attempt.certainty})", "" if attempt.outcome == "ok" else "yellow")


def _timing(attempt: AttemptTold) -> Iterator[str]:
    if attempt.after_ms is not None:
        yield f"began after {duration(attempt.after_ms)}"
    if attempt.waited_ms:
        yield f"waited {duration(attempt.waited_ms)} before it"
    if attempt.jitter_ms:
        yield f"put off by {duration(attempt.jitter_ms)} at random"
    if attempt.first_byte_ms is not None:
        yield f"first byte after {duration(attempt.first_byte_ms)}"
    if attempt.total_ms is not None:
        yield f"took {duration(attempt.total_ms)}"
    if attempt.model_served:
        yield f"served as {attempt.model_served}"
    if attempt.tier_served:
        yield f"tier {attempt.tier_served}"
    if attempt.upstream_id:
        yield f"the upstream's id {attempt.upstream_id}"


def _charge(attempt: AttemptTold, bill: Bill) -> RenderableType:
    """Return a charge line by line, and the figures beside it."""
    table = Table.grid(padding=(0, 2))
    table.add_column(overflow="fold")
    table.add_column(justify="right")
    table.add_column(overflow="fold")
    table.add_column(justify="right")
    for line in bill.lines:
        rounding = line.usage_class == ROUNDING_CLASS
        rate = "" if rounding else f"x {_rate(line, bill)}"
        quantity = "" if rounding else count(line.quantity)
        table.add_row(shown(_line_name(line, bill)), quantity, shown(rate), amount(line.amount, bill.unit))
    table.add_row("charge", "", "", amount(bill.charge, bill.unit), style="bold")
    return _section(f"Charge of attempt {attempt.n}", Group(table, *(shown(said) for said in _beside(attempt, bill))))


def _line_name(line: ChargeLine, bill: Bill) -> str:
    """Return what a line is for: its usage class, and which work beside the reply, where it is of such."""
    if not 0 < line.iteration <= len(bill.iterations):
        return line.usage_class
    return f"{line.usage_class} of {_iteration_name(bill, line.iteration)}"


def _iteration_name(bill: Bill, place: int) -> str:
    return f"{bill.iterations[place - 1].kind} {place}"


def _rate(line: ChargeLine, bill: Bill) -> str:
    """Return a rate with its unit and what it buys (CASES 11)."""
    card = bill.iterations[line.iteration - 1].card if 0 < line.iteration <= len(bill.iterations) else bill.card
    if card is None:
        return line.rate
    per = "one" if line.usage_class in COUNT_CLASSES else _PER.get(card.per, card.per)
    return f"{amount(line.rate, bill.unit)}/{per}"


def _card(card: CardUsed) -> str:
    said = [f"card {card.id} by {card.source}"]
    if card.valid_from:
        said.append(f"valid from {card.valid_from}")
    if card.resolved:
        said.append(f"found by {' → '.join(card.resolved)}")
    said.append(f"tier {card.tier}")
    if card.list_share != "1":
        said.append(f"x {card.list_share} of list")
    said += [f"x {factor} for {what}" for what, factor in card.factors.items()]
    if card.fx != "1":
        said.append(f"x {card.fx} per {card.unit}")
    return ", ".join(said)


def _beside(attempt: AttemptTold, bill: Bill) -> Iterator[str]:
    if bill.card:
        yield _card(bill.card)
    if bill.answered_by:
        yield f"{bill.answered_by} stepped in for {attempt.upstream_model} and is billed by its own rates"
    yield f"usage ({bill.usage_source}): {_usage(bill.usage)}"
    for place, one in enumerate(bill.iterations, start=1):
        priced = _card(one.card) if one.card else "no price is known"
        yield f"beside it {_iteration_name(bill, place)} by {one.model}: {_usage(one.usage)}; {priced}"
    for flag in bill.flags:
        yield f"{flag}: {flag_text(flag)}"
    if bill.list:
        saving = f", saving {amount(bill.saving, bill.list_unit)}" if bill.saving else ""
        yield f"list price {amount(bill.list, bill.list_unit)}{saving}"
    if bill.reported_cost:
        yield f"the upstream reported a cost of {bill.reported_cost}"
    if bill.balance_after:
        after = amount(bill.balance_after, bill.unit)
        yield f"balance {attempt.balance}: {amount(bill.balance_before, bill.unit)} before, {after} after"
    if bill.overrun not in ("", "0"):
        yield f"over its hold by {amount(bill.overrun, bill.unit)}"


def _usage(usage: Mapping[str, int]) -> str:
    told = ", ".join(f"{count(number)} {name}" for name, number in usage.items() if name != "reasoning")
    reasoning = f" (reasoning {count(usage['reasoning'])} of it)" if usage.get("reasoning") else ""
    return f"{told or 'none'}{reasoning}"


def _corrections(corrections: tuple[Correction, ...]) -> RenderableType | None:
    if not corrections:
        return None
    return _section("Corrections", Group(*(shown(_correction(correction)) for correction in corrections)))


def _correction(correction: Correction) -> str:
    back = not correction.amount.startswith("-")
    moved = amount(correction.amount.removeprefix("-"), correction.unit)
    what = f"{moved} {'given back to' if back else 'taken from'} {correction.balance} ({correction.reason})"
    more = "; ".join(part for part in (correction.ref, correction.note) if part)
    return f"{clock(correction.ts)}: {what}{': ' if more else ''}{more}"


def _health(told: tuple[HealthTold, ...]) -> RenderableType | None:
    if not told:
        return None
    return _section("What it changed", Group(*(shown(_change(change)) for change in told)))


def _change(change: HealthTold) -> str:
    if not change.until:
        return f"{change.scope} {change.name} recovered"
    return f"{change.scope} {change.name} cools until {clock(change.until)} ({change.error})"

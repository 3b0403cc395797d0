"""What upstreams call their errors, and our word for each.

Decides from a status and an error's code, type and wording which row of the failure table (`core/fallback.py`) it is,
by a built-in table and before that by the config's own. It keeps nothing: no text of an upstream leaves it. A body that
can't be read has no names and no wording, and then the status alone decides.

The table is narrow on purpose. A wrong ``insufficient_quota`` passes a balance over for an hour and a wrong
``unauthorized`` a whole upstream for 15 minutes, so a wording counts only with the statuses that it was seen with,
and a refusal that is about one model, one prompt or one region locks nobody out. Three readings that were weighed:

- Gemini's 429 `RESOURCE_EXHAUSTED` stays a rate limit, also when its details name a quota of the day: those quotas are
  of a project and a model, so the candidate cools and the balance may still pay for other models. Only the wording
  of spent prepaid credits is empty.
- OpenRouter's 402 "can only afford N" tokens is empty, as a 402 is that names no wait: what is left can't pay for such
  calls. So is its `weight_exceeds_budget`: one request that is larger than all that may be under way.
- Mistral answers a spent plan with the same 401 as a wrong key (diegosouzapw/OmniRoute issue 7638): nothing to read.

Each row names its source, read 2026-11: a provider's document by its title, else the code or the issue with a body as
the provider wrote it. *Captured* is a body that stands alike in tests of several public repositories.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from tokens_forge.core.config import UpstreamError
from tokens_forge.wire.usage_objects import given

MOST_ERROR_BYTES = 4_096
"""Bytes of an upstream's error that are looked at when it is no JSON."""

MOST_WORDING = 400
"""Characters of a message in which a wording of the table is looked for: what follows may repeat a prompt."""

ErrorWord = Literal[
    "rate_limited",
    "insufficient_quota",
    "context_too_long",
    "model_not_found",
    "unauthorized",
    "bad_request",
    "timeout_upstream",
    "server_error",
]
"""Our words for an upstream's error, as the failure table (`core/fallback.py`) knows them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What an upstream says of an error."""

    status: int
    """The reply's; of an error inside a success the one that its code names."""
    names: frozenset[str]
    """Its codes and type as they are written, without empty ones."""
    message: str


def read_error(status: int, body: bytes) -> Said:
    """Return what the error in a body says of itself (`error_object`).

    A stream's error has status 200; then a numeric code in the body is taken for the status.
    """
    error = _error_in(body)
    if status < _ERRORS_FROM and _STATUS.fullmatch(error.code):
        status = int(error.code)
    return Said(status=status, names=frozenset({error.code, error.type, error.detailed}) - {""}, message=error.message)


def own_word(own: Sequence[UpstreamError], said: Said) -> ErrorWord | Literal[""]:
    """Return what the first row of a config's own table that knows the error says it means; empty when none does."""
    for row in own:
        if (
            row.status in {0, said.status}
            and (not row.code or row.code in said.names)
            and row.message.casefold() in said.message.casefold()
        ):
            return "insufficient_quota" if row.means == "empty" else row.means
    return ""


def word_for(said: Said, *, waits: bool = False) -> ErrorWord:
    """Return our word for an error by the built-in table, else by its status; a success with an error is a server's.

    A 402 is about money, whatever else it says; one that `waits`, as it says when to come again, is about requests
    under way: OpenRouter reserves the cost of each ("Limits", "In-flight spending budget"; the wording is that of
    macanderson/stella issue 4380).
    """
    if said.status == 402:  # noqa: PLR2004 - Payment Required
        return "rate_limited" if waits or _IN_FLIGHT.search(said.message[:MOST_WORDING]) else "insufficient_quota"
    names = {name.casefold() for name in said.names}
    wording = said.message[:MOST_WORDING]
    for row in _TABLE:
        if row.knows(said.status, names, wording):
            return row.word
    return _word_of_status(said.status)


def knows_no_thread(said: Said) -> bool:
    """Say whether an upstream of Messages that knows no threads refused a request for its `thread`, in its own words.

    One that knows them says so by a code. By pydantic's words, which the API has too, or by those of a beta that is not
    known (Anthropic, "Beta headers").
    """
    if said.status not in _WRONG or any(name.startswith("thread_") for name in said.names):
        return False
    return _NO_THREAD.search(said.message[:MOST_WORDING]) is not None


_WRONG = frozenset({400, 422})
_NO_THREAD = re.compile(
    r"\bthread\b.{0,80}(extra|unexpected|unknown|unrecogni[sz]ed|unsupported|not (permitted|supported|allowed))"
    r"|(extra|unexpected|unknown|unrecogni[sz]ed|unsupported).{0,80}\bthread\b|message-threads-",
    re.IGNORECASE,
)
_IN_FLIGHT = re.compile(r"\bin-flight requests settle", re.IGNORECASE)
_ERRORS_FROM = 400
_STATUS = re.compile(r"[45][0-9]{2}")
_ANY: frozenset[int] = frozenset()
_REFUSALS = frozenset({400, 401, 403, 429})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One row of the table; what it gives must all match."""

    word: ErrorWord
    names: frozenset[str] = frozenset()
    """Codes and types, in small letters; any of them."""
    statuses: frozenset[int] = _ANY
    """Any of them; an error inside a success has none, and is known by the rest."""
    wording: re.Pattern[str] | None = None

    def knows(self, status: int, names: set[str], wording: str) -> bool:
        return (
            (not self.statuses or status < _ERRORS_FROM or status in self.statuses)
            and (not self.names or not self.names.isdisjoint(names))
            and (self.wording is None or self.wording.search(wording) is not None)
        )


def _row(word: ErrorWord, *names: str, statuses: frozenset[int] = _ANY, wording: str = "") -> _Row:
    pattern = re.compile(wording, re.IGNORECASE) if wording else None
    return _Row(word=word, names=frozenset(names), statuses=statuses, wording=pattern)


_TABLE = (
    # Alibaba's 429 of this name is the limit of tokens a minute, and links there (Model Studio, "Error codes").
    _row("rate_limited", "insufficient_quota", wording=r"error-code#token-limit"),
    # OpenAI, guides "Error codes" and "Spend limits": 429, the type is insufficient_quota, the code the cause; before
    # 2026 the billing_… codes.
    _row(
        "insufficient_quota",
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "billing_hard_limit_reached",
        "billing_not_active",
    ),
    # new-api, `types/error.go` and one-api, `relay/controller`: 403 (forks 402, 429) for the user's money. The same for
    # the key's own quota is also the code of a database that fails, so it counts by its status.
    _row("insufficient_quota", "insufficient_user_quota"),
    _row("insufficient_quota", "pre_consume_token_quota_failed", statuses=frozenset({401, 403, 429})),
    # The wordings behind those codes, for what gives none: the Messages shape of new-api (type new_api_error), and the
    # 401 of a key whose quota is used up (new-api `i18n/locales`, `model/token.go`; one-api `model/token.go`).
    _row(
        "insufficient_quota",
        statuses=frozenset({401, 403, 429}),
        wording=r"额度已用尽|额度不足|预扣费额度失败|TokenStatusExhausted|(?:token|user) quota is not enough",
    ),
    # Relays on sub2api: 403 INSUFFICIENT_BALANCE (Wei-Shaw/sub2api issue 890); Venice has the same name.
    _row("insufficient_quota", "insufficient_balance"),
    # DeepSeek's wording, where a relay gives it another status (its own is 402; "Error Codes"; Aider issue 4851).
    _row("insufficient_quota", statuses=_REFUSALS, wording=r"\AInsufficient (?:account )?balance\b"),
    # Moonshot, "Errors": 429; the money is spent or the account is suspended for it.
    _row("insufficient_quota", "exceeded_current_quota_error"),
    # Kimi Code, "Error Reference": 403 when the plan's week, window or billing cycle is used up.
    _row(
        "insufficient_quota", statuses=frozenset({403}), wording=r"reached your (?:[\w-]+ )?(?:\([\w-]+\) )?usage limit"
    ),
    # Anthropic: 400 invalid_request_error (anthropics/claude-code issue 66314); "Rate limits": 400 for a limit that the
    # customer set, 429 for the tier's; 402 billing_error is one by its status.
    _row("insufficient_quota", statuses=frozenset({400}), wording=r"credit balance is too low to access the"),
    _row(
        "insufficient_quota",
        statuses=frozenset({400, 429}),
        wording=r"reached your (?:specified (?:workspace )?)?API usage limits",
    ),
    # OpenRouter, "Limits": a key may have a limit of its own, of a day, a week, a month or in total: 403 (captured).
    # The account's is a 402.
    _row("insufficient_quota", statuses=frozenset({403}), wording=r"\AKey limit exceeded \("),
    # xAI: 403 or 429 (continuedev/continue issues 10373 and 12670, warpdotdev/warp issue 14863).
    _row(
        "insufficient_quota",
        statuses=frozenset({403, 429}),
        wording=r"used all available credits or reached its monthly spending limit|doesn't have any credits",
    ),
    # Google: 429 RESOURCE_EXHAUSTED like its rate limits, known by the wording alone (dyad-sh/dyad issue 3626).
    _row("insufficient_quota", statuses=frozenset({429}), wording=r"prepayment credits are depleted"),
    # Groq, "Spend Limits": 400 for every key of the organization.
    _row("insufficient_quota", "blocked_api_access"),
    # SiliconFlow: 403 (documented in "Error codes") or 402, code 30001.
    _row("insufficient_quota", "30001", statuses=frozenset({403}), wording=r"account balance is insufficient"),
    # Volcengine Ark, "Error codes": 403. Alibaba Model Studio, "Error codes": 400.
    _row("insufficient_quota", "accountoverdueerror"),
    _row("insufficient_quota", "arrearage"),
    # Zhipu and Z.ai, "Error codes": 429; 1113 no money, 1309 a coding plan that has ended.
    _row(
        "insufficient_quota",
        "1113",
        statuses=frozenset({429}),
        wording=r"欠费|余额不足|insufficient balance",
    ),
    _row("insufficient_quota", "1309", statuses=frozenset({429}), wording=r"套餐已到期|package has expired"),
    # What a model's own free allowance ends in at Alibaba: 403, of that model alone ("Error codes").
    _row("rate_limited", "allocationquota.freetieronly"),
    # A request that is larger than all that a minute allows will not fit later: 413 at Groq, 429 at OpenAI, both with
    # code rate_limit_exceeded (captured).
    _row("context_too_long", statuses=frozenset({413, 429}), wording=r"\ARequest too large for "),
    # OpenAI; llama.cpp; Baidu Qianfan "Error codes"; Zhipu 1261 with its wording below.
    # Copilot's code, where it gives one (jjleng/copilot-more issue 35, ericc-ch/copilot-api issue 65).
    _row(
        "context_too_long",
        "context_length_exceeded",
        "exceed_context_size_error",
        "tokens_too_long",
        "model_max_prompt_tokens_exceeded",
    ),
    # By the wording alone: vLLM, OpenRouter, DeepSeek, Together ("Error codes": 403) and Mistral, Anthropic, Google,
    # xAI, Groq, Moonshot ("Errors"), Zhipu; then Anthropic where the maximum is what does not fit (docker/docker-agent
    # issue 569), SGLang (QwenLM/Qwen3 issue 1321, sgl-project/sglang issue 4048), Alibaba (QwenLM/qwen-code issue 98),
    # LM Studio (lmstudio-ai/lmstudio-bug-tracker issue 237) and Copilot. In this order.
    _row(
        "context_too_long",
        statuses=frozenset({400, 403, 413, 422}),
        wording=r"maximum context length|context window|context size|must be less than the context length"
        r"|\Aprompt is too long|input token count .{0,40}exceeds the maximum"
        r"|maximum prompt length is|reduce the length of the messages"
        r"|exceeded model token limit|Input token length too long|Prompt 超长"
        r"|exceed context limit|is longer than the model's context length"
        r"|Input length \(\d+ tokens\) exceeds the maximum allowed length|Range of input length should be \["
        r"|\ATrying to keep the first \d+ tokens when context the overflows"
        r"|prompt token count of \d+ exceeds the limit of",
    ),
    # OpenAI: 404, and 403 for a project without it (cursor/cursor issue 2953). new-api: 503 without a channel for it
    # (`middleware/distributor.go`). Mistral: 400, by its type (captured). Groq: 400 for one that is no more, 403 for
    # one that the organization or the project blocks (captured). Zhipu 1211.
    _row("model_not_found", "model_not_found", "model_not_exist", "invalid_model", "model_decommissioned"),
    _row("model_not_found", "model_permission_blocked_org", "model_permission_blocked_project"),
    _row("model_not_found", "1211", statuses=frozenset({400}), wording=r"模型不存在|model"),
    # Zhipu 1311: a model outside the plan. SiliconFlow 20012. Volcengine Ark: an account must open each model.
    _row("model_not_found", "1311", statuses=frozenset({400, 403, 429}), wording=r"套餐|plan"),
    _row("model_not_found", "20012", statuses=frozenset({400}), wording=r"model does not exist"),
    _row("model_not_found", "modelnotopen", "model.accessdenied"),
    # 401 and 403 that are about this model alone: OpenAI's projects and unverified organizations (continuedev/continue
    # issue 10120; captured), new-api's keys with a list of models (`i18n/locales`), Kimi Code and Groq (captured).
    _row(
        "model_not_found",
        statuses=frozenset({400, 401, 403}),
        wording=r"(?:does not|do not|has no|don't) have access to (?:the |this )?model|has no access to (?:any )?model"
        r"|无权访问(?:任何)?模型|must be verified to use the model|model .{0,100} is blocked at the",
    ),
    # A region: this candidate can't be had from here, and a relay's other models may be. OpenAI: 403 (guide "Error
    # codes"; home-assistant/core issue 120072). Google: 400 FAILED_PRECONDITION (captured).
    _row("model_not_found", "unsupported_country_region_territory"),
    _row("model_not_found", statuses=frozenset({400, 403}), wording=r"location is not supported for the API use"),
    # OpenAI and Groq; Anthropic ("Errors").
    _row("rate_limited", "rate_limit_exceeded", "rate_limit_error", "slow_down"),
    # What the client goes on from is not there, or can't be gone on from: it goes on without. Anthropic,
    # "Message threads" (`error.details.error_code` of anthropic 2.14.0); OpenAI's Responses (captured: 400 and 404).
    _row(
        "bad_request",
        "thread_not_found",
        "thread_already_continued",
        "thread_continue_in_flight",
        "thread_fingerprint_mismatch",
        "thread_unsupported_request",
        "previous_response_not_found",
    ),
    _row(
        "bad_request",
        statuses=frozenset({400, 404}),
        wording=r"\A(Previous response|Conversation|Item) with id .{1,200} not found",
    ),
    # Anthropic, "Errors": what has a status of its own comes in a stream of status 200 by its type alone. What it says
    # of a permission or a wrong request may be of this model alone, so there it stays a server's failure, as
    # overloaded_error is.
    _row("unauthorized", "authentication_error", statuses=frozenset({401})),
    _row("insufficient_quota", "billing_error", statuses=frozenset({402})),
    _row("model_not_found", "not_found_error", statuses=frozenset({404})),
    _row("timeout_upstream", "timeout_error", statuses=frozenset({408})),
    # What was asked is not allowed, whoever is asked: OpenAI, Azure, Moonshot ("Errors"), new-api (`types/error.go`),
    # Alibaba.
    _row(
        "bad_request",
        "content_filter",
        "content_policy_violation",
        "sensitive_words_detected",
        "prompt_blocked",
        "data_inspection_failed",
        "datainspectionfailed",
    ),
    # What a response failed of, inside a success (the types of OpenAI's Python library 3.54.0, `ResponseError`): the
    # prompt or an image in it, which the next candidate would get too.
    _row(
        "bad_request",
        "invalid_prompt",
        "bio_policy",
        "misalignment_policy_violation",
        "invalid_image",
        "invalid_image_format",
        "invalid_base64_image",
        "invalid_image_url",
        "invalid_image_mode",
        "image_too_large",
        "image_too_small",
        "image_parse_error",
        "image_content_policy_violation",
        "image_file_too_large",
        "image_file_not_found",
        "unsupported_image_media_type",
        "empty_image_file",
        "failed_to_download_image",
        statuses=frozenset({400}),
    ),
    # OpenRouter, "Errors": 403 for a prompt that a model's moderation flags. xAI: 403 (QuantumNous/new-api,
    # `service/violation_fee.go`).
    _row(
        "bad_request",
        statuses=frozenset({403}),
        wording=r"requires moderation on .{1,80}Your input was flagged|\AContent violates usage guidelines",
    ),
    # A wrong key that is answered as a wrong request: Google and xAI, 400 (captured).
    _row(
        "unauthorized",
        statuses=frozenset({400}),
        wording=r"\AAPI key not valid|\AIncorrect API key provided",
    ),
)


def _word_of_status(status: int) -> ErrorWord:
    match status:
        case 401 | 403:
            return "unauthorized"
        case 404:
            return "model_not_found"
        case 408:
            return "timeout_upstream"
        case 429:
            return "rate_limited"
        case _:
            return "bad_request" if _ERRORS_FROM <= status < 500 else "server_error"  # noqa: PLR2004 - the range of client errors


class _ErrorMembers(msgspec.Struct):
    error: msgspec.Raw = msgspec.Raw()
    response: msgspec.Raw = msgspec.Raw()
    code: msgspec.Raw = msgspec.Raw()
    type: msgspec.Raw = msgspec.Raw()
    message: msgspec.Raw = msgspec.Raw()
    msg: msgspec.Raw = msgspec.Raw()
    detail: msgspec.Raw = msgspec.Raw()
    details: msgspec.Raw = msgspec.Raw()


class _Details(msgspec.Struct):
    error_code: msgspec.Raw = msgspec.Raw()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Error:
    """An upstream's error; members are empty where they are not given."""

    code: str = ""
    type: str = ""
    detailed: str = ""
    """The code in its details (Anthropic)."""
    message: str = ""


_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_error = msgspec.json.Decoder(_ErrorMembers).decode
_decode_details = msgspec.json.Decoder(_Details).decode
_decode_plain = msgspec.json.Decoder(str | int).decode


def error_object(body: bytes) -> msgspec.Raw | None:
    """Return the JSON object of the error in a body: its `error`, or the body itself; of a list (Gemini) the first.

    The event of a response that failed (Responses) has it in its `response`. Where the error is a bare text with its
    code beside it (xAI), it is the object around it. None for what is no JSON object.
    """
    try:
        found = _decode_list(body)[:1] if body.lstrip().startswith(b"[") else [msgspec.Raw(body)]
        around = found[0] if found else msgspec.Raw(b"{}")
        members = _decode_error(around)
        if given(members.response) and not given(members.error):
            around = members.response
            members = _decode_error(around)
    except _UNREADABLE:
        return None
    return members.error if bytes(members.error).startswith(b"{") else around


def _error_in(body: bytes) -> _Error:
    found = error_object(body)
    if found is None:
        return _Error(message=body[:MOST_ERROR_BYTES].decode("utf-8", "replace"))
    error = _decode_error(found)
    told = (error.error, error.message, error.msg, error.detail)
    message = next((text for raw in told if (text := _plain(raw))), "")
    detailed = _plain(_details(error.details))
    return _Error(code=_plain(error.code), type=_plain(error.type), detailed=detailed, message=message)


def _details(raw: msgspec.Raw) -> msgspec.Raw:
    """Return the code in an error's details; nothing where they are no object."""
    try:
        return _decode_details(raw).error_code if given(raw) else msgspec.Raw()
    except _UNREADABLE:
        return msgspec.Raw()


def _plain(raw: msgspec.Raw) -> str:
    """Return a text or a whole number as a text; empty for anything else."""
    try:
        return str(_decode_plain(raw)) if given(raw) else ""
    except _UNREADABLE:
        return ""

"""What upstreams call their errors: bodies as the providers write them, and our word for each."""

import json

import pytest

from tokens_forge.core.config import UpstreamError
from tokens_forge.wire.upstream_errors import MOST_WORDING, knows_no_thread, own_word, read_error, word_for

Body = dict[str, object]


def openai(message: str, kind: str = "invalid_request_error", code: object = None) -> Body:
    """Return an error in OpenAI's shape."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def messages(message: str, kind: str) -> Body:
    """Return an error in the shape of Anthropic's Messages."""
    return {"type": "error", "error": {"type": kind, "message": message}}


def gemini(status: int, word: str, message: str, *details: Body) -> list[Body]:
    """Return an error as Google's OpenAI endpoint writes it: a list."""
    return [{"error": {"code": status, "message": message, "status": word, "details": details}}]


def test_a_402_that_names_a_wait() -> None:
    """OpenRouter holds the cost of requests under way: that is no empty balance, unlike a request that never fits."""
    in_flight = openai(
        "This request would exceed your available credits given your current in-flight requests. Retry after in-flight "
        "requests settle, or add credits.",
    )
    assert "rate_limited" == word(402, in_flight)
    heavy = read_error(402, json.dumps(openai("too heavy", code="weight_exceeds_budget")).encode())
    assert "insufficient_quota" == word_for(heavy)
    assert "rate_limited" == word_for(heavy, waits=True)


def word(status: int, body: object) -> str:
    """Return our word for an error with a body in JSON."""
    return word_for(read_error(status, json.dumps(body).encode()))


def thread_error(code: object, message: str = "x") -> object:
    """Return an error of Anthropic's with details."""
    error = {"type": "not_found_error", "message": message, "details": code}
    return {"type": "error", "error": error}


@pytest.mark.parametrize("code", ["thread_not_found", "thread_already_continued", "thread_continue_in_flight"])
def test_what_is_gone_on_from_and_is_not_there(code: str) -> None:
    """It judges one request and no model: its client goes on without it, and nobody else is asked."""
    assert "bad_request" == word(404, thread_error({"error_code": code}))
    assert "bad_request" == word(404, openai("x", code=code))
    assert "bad_request" == word(404, openai("Previous response with id 'resp_1' not found."))
    assert "bad_request" == word(404, openai("Conversation with id 'conv_1' not found."))
    assert "bad_request" == word(404, openai("Item with id 'rs_1' not found. Items are not persisted."))
    for details in ({}, {"error_code": 7}, "no", None):
        assert "model_not_found" == word(404, thread_error(details))


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (400, "thread: Extra inputs are not permitted", True),
        (422, "Unsupported field: thread", True),
        (400, "Unexpected value(s) `message-threads-2026-08-12` for the `anthropic-beta` header", True),
        (400, "messages: too many", False),
        (500, "thread: Extra inputs are not permitted", False),
    ],
)
def test_an_upstream_that_knows_no_threads(status: int, message: str, *, expected: bool) -> None:
    """By its own words; one that has a code for it knows them."""
    assert expected is knows_no_thread(read_error(status, json.dumps(thread_error({}, message)).encode()))
    known = thread_error({"error_code": "thread_unsupported_request"}, message)
    assert not knows_no_thread(read_error(status, json.dumps(known).encode()))


NO_CREDITS = (
    "Your team 16f2151a-40f4-4a80-8ad0-cae00c27e8dd has either used all available credits or reached its monthly "
    "spending limit. To continue making API requests, please purchase more credits or raise your spending limit."
)
EXCEEDED = "You exceeded your current quota, please check your plan and billing details."

EMPTY: dict[str, tuple[int, object]] = {
    "openai": (429, openai(EXCEEDED, "insufficient_quota", "insufficient_quota")),
    "openai, no code": (429, openai(EXCEEDED, "insufficient_quota")),
    "openai, credits": (429, openai("Your credit balance is exhausted.", "billing_error", "credit_balance_exhausted")),
    "openai, project": (429, openai("x", "insufficient_quota", "project_spend_limit_exceeded")),
    "openai, organization": (429, openai("x", "billing_error", "organization_spend_limit_exceeded")),
    "openai, usage tier": (429, openai("x", "billing_error", "organization_usage_limit_exceeded")),
    "openai, hard limit": (400, openai("Billing hard limit has been reached", code="billing_hard_limit_reached")),
    "openai, no billing": (429, openai("Your account is not active.", "billing_not_active", "billing_not_active")),
    "anthropic": (
        400,
        messages(
            "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or "
            "purchase credits.",
            "invalid_request_error",
        ),
    ),
    "anthropic, own limit": (
        400,
        messages(
            "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.",
            "invalid_request_error",
        ),
    ),
    "anthropic, workspace": (
        400,
        messages("You have reached your specified workspace API usage limits.", "invalid_request_error"),
    ),
    "anthropic, tier": (
        429,
        messages(
            "You have reached your API usage limits: your organization has crossed its monthly API usage threshold.",
            "rate_limit_error",
        ),
    ),
    "anthropic, billing": (402, messages("Your payment failed.", "billing_error")),
    "new-api, user": (
        403,
        openai("用户额度不足, 剩余额度: $-1.097764 (request id: 2026)", "new_api_error", "insufficient_user_quota"),
    ),
    "new-api, too little": (
        403,
        openai(
            "预扣费额度失败, 用户剩余额度: $0.189056, 需要预扣费额度: $0.594642",
            "new_api_error",
            "insufficient_user_quota",
        ),
    ),
    "new-api, key": (
        403,
        openai(
            "token quota is not enough, token remain quota: $0.100000, need quota: $0.290000",
            "new_api_error",
            "pre_consume_token_quota_failed",
        ),
    ),
    "new-api, in the Messages shape": (
        403,
        messages("预扣费额度失败, 用户剩余额度: ¥0.053950, 需要预扣费额度: ¥0.191160", "new_api_error"),
    ),
    "new-api, key used up": (401, openai("该令牌额度已用尽 TokenStatusExhausted[sk-abc***xyz]", "new_api_error", "")),
    "new-api, key used up, in English": (
        401,
        openai("This token quota is exhausted TokenStatusExhausted[sk-abc***xyz]", "new_api_error", ""),
    ),
    "new-api, as an event": (200, messages("预扣费额度失败, 用户剩余额度: ¥0.05", "new_api_error")),
    "one-api, key used up": (401, openai("该令牌额度已用尽", "one_api_error", "")),
    "one-api, older": (401, openai("该 token 额度已用尽", "one_api_error")),
    "one-api, user": (403, openai("user quota is not enough", "one_api_error", "insufficient_user_quota")),
    "one-api, key": (403, openai("令牌额度不足", "one_api_error", "pre_consume_token_quota_failed")),
    "sub2api": (403, {"code": "INSUFFICIENT_BALANCE", "message": "Insufficient account balance"}),
    "deepseek": (402, openai("Insufficient Balance", "unknown_error", "invalid_request_error")),
    "deepseek through a relay": (400, openai("Insufficient Balance", "unknown_error", "invalid_request_error")),
    "moonshot": (
        429,
        openai(
            "Your account is suspended due to insufficient balance, please recharge your account or check your plan "
            "and billing details",
            "exceeded_current_quota_error",
        ),
    ),
    "kimi code": (
        403,
        openai(
            "You've reached your usage limit for this billing cycle. Your quota will be refreshed in the next cycle.",
            "access_terminated_error",
        ),
    ),
    "kimi code, week": (403, messages("You've reached your weekly (7-day) usage limit.", "permission_error")),
    "kimi code, window": (
        403,
        messages(
            "You've reached your 5-hour usage limit. Your quota will reset when the current 5-hour window ends.",
            "permission_error",
        ),
    ),
    "openrouter": (402, {"error": {"code": 402, "message": "Insufficient credits"}}),
    "openrouter, too little": (
        402,
        {
            "error": {
                "code": 402,
                "message": "This request requires more credits, or fewer max_tokens. You requested up to 65536 tokens, "
                "but can only afford 14114.",
            }
        },
    ),
    "openrouter, key": (
        403,
        {
            "error": {
                "code": 403,
                "message": "Key limit exceeded (weekly limit). Manage it using https://openrouter.ai/settings/keys",
            }
        },
    ),
    "xai": (
        403,
        {"code": "The caller does not have permission to execute the specified operation", "error": NO_CREDITS},
    ),
    "xai, 429": (429, {"code": "Some resource has been exhausted", "error": NO_CREDITS}),
    "xai, new": (
        403,
        {
            "code": "The caller does not have permission to execute the specified operation",
            "error": "Your newly created team doesn't have any credits or licenses yet. You can purchase those on "
            "https://console.x.ai/team/481c7584.",
        },
    ),
    "google": (
        429,
        gemini(
            429,
            "RESOURCE_EXHAUSTED",
            "Your prepayment credits are depleted. Please go to AI Studio at https://ai.studio/projects to manage your "
            "project and billing.",
        ),
    ),
    "groq": (400, openai("Your organization has reached its spend limit.", code="blocked_api_access")),
    "siliconflow": (403, {"code": 30001, "message": "Sorry, your account balance is insufficient", "data": None}),
    "volcengine": (
        403,
        openai(
            "The request failed because your account has an overdue balance. Request ID: 0217",
            "Forbidden",
            "AccountOverdueError",
        ),
    ),
    "alibaba": (
        400,
        openai("Access denied, please make sure your account is in good standing.", "Arrearage", "Arrearage"),
    ),
    "zhipu": (429, {"error": {"code": "1113", "message": "您的账户已欠费\uff0c请充值后重试"}}),
    "z.ai": (
        429,
        {"error": {"code": "1113", "message": "Insufficient balance or no resource package. Please recharge."}},
    ),
    "z.ai, a number, in a success": (
        200,
        {"error": {"code": 1113, "message": "Insufficient balance or no resource package. Please recharge."}},
    ),
    "z.ai, plan": (
        429,
        {
            "error": {
                "code": "1309",
                "message": "Your GLM Coding Plan package has expired and is temporarily unavailable.",
            }
        },
    ),
}


@pytest.mark.parametrize("name", EMPTY)
def test_no_money_left_is_known_by_its_own_words(name: str) -> None:
    """CASES 54: whatever status a provider gives it, a balance that is spent is one, and its upstream is well."""
    assert "insufficient_quota" == word(*EMPTY[name])


FREE_TIER = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"

LIMITED: dict[str, tuple[int, object]] = {
    "openai": (
        429,
        openai("Rate limit reached for gpt-5 on requests per min (RPM): Limit 3", "requests", "rate_limit_exceeded"),
    ),
    "openai, older": (400, openai("x", "rate_limit_error")),
    "anthropic": (429, messages("Number of request tokens has exceeded your rate limit", "rate_limit_error")),
    "google": (
        429,
        gemini(429, "RESOURCE_EXHAUSTED", f"{EXCEEDED}\nPlease retry in 11.1s.", {"violations": []}),
    ),
    "google, a day": (
        429,
        gemini(429, "RESOURCE_EXHAUSTED", EXCEEDED, {"violations": [{"quotaId": FREE_TIER}]}),
    ),
    "alibaba, tokens a minute": (
        429,
        openai(
            f"{EXCEEDED} For details, see: https://help.aliyun.com/zh/model-studio/error-code#token-limit",
            "insufficient_quota",
            "insufficient_quota",
        ),
    ),
    "alibaba, one model's free tier": (
        403,
        openai(
            "The free tier of the model has been exhausted. If you want to continue access the model on a paid basis, "
            'please disable the "use free tier only" mode in the management console.',
            "AllocationQuota.FreeTierOnly",
            "AllocationQuota.FreeTierOnly",
        ),
    ),
    "mistral": (
        429,
        {"object": "error", "message": "Rate limit exceeded", "type": "rate_limited", "code": "1300"},
    ),
    "moonshot, overloaded": (429, openai("The engine is currently overloaded", "engine_overloaded_error")),
    "zhipu, 5 hours": (429, {"error": {"code": "1308", "message": "已达到 5 小时的使用上限"}}),
    "z.ai, no balance for more": (
        429,
        {"error": {"code": "1316", "message": "Usage limit reached. Insufficient balance for extra usage."}},
    ),
    "a body that can't be read": (429, "too many"),
}


@pytest.mark.parametrize("name", LIMITED)
def test_a_rate_limit_empties_no_balance(name: str) -> None:
    """Words about quotas and billing come with limits of a minute too: only the candidate waits."""
    assert "rate_limited" == word(*LIMITED[name])


NOT_THIS_MODEL: dict[str, tuple[int, object]] = {
    "openai": (404, openai("The model `x` does not exist or you do not have access to it.", code="model_not_found")),
    "openai, project": (403, openai("Project `proj_1` does not have access to model `gpt-5`", code="model_not_found")),
    "openai, project, no code": (403, openai("Project `proj_1` does not have access to model `gpt-5`")),
    "openai, unverified": (403, openai("Your organization must be verified to use the model `gpt-5`.")),
    "openai, region": (
        403,
        openai(
            "Country, region, or territory not supported", "request_forbidden", "unsupported_country_region_territory"
        ),
    ),
    "google, region": (
        400,
        gemini(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
    ),
    "new-api, no channel": (503, openai("分组 default 下模型 x 无可用渠道", "new_api_error", "model_not_found")),
    "new-api, key": (403, openai("该令牌无权访问模型 gpt-5", "new_api_error", "")),
    "new-api, key, in English": (403, openai("This token has no access to model gpt-5", "new_api_error", "")),
    "new-api, key without any": (403, openai("This token has no access to any models", "new_api_error", "")),
    "kimi code": (403, messages("You do not have access to model k3-preview", "permission_error")),
    "groq, gone": (400, openai("The model `x` has been decommissioned", code="model_decommissioned")),
    "groq, blocked": (
        403,
        openai(
            "The model `x` is blocked at the project level.", "permissions_error", "model_permission_blocked_project"
        ),
    ),
    "groq, blocked, no code": (
        403,
        openai("The model `llama-3.3-70b-versatile` is blocked at the organization level.", "permissions_error"),
    ),
    "mistral": (400, {"object": "error", "message": "Invalid model: x", "type": "invalid_model", "code": "1500"}),
    "siliconflow": (400, {"code": 20012, "message": "Model does not exist. Please check it carefully.", "data": None}),
    "volcengine": (404, openai("Your account 21 has not activated the model x.", "NotFound", "ModelNotOpen")),
    "zhipu": (400, {"error": {"code": "1211", "message": "模型不存在\uff0c请检查模型代码"}}),
    "z.ai, not in the plan": (
        429,
        {"error": {"code": "1311", "message": "Your current subscription plan does not yet include access to GLM-5.2"}},
    ),
    "a page": (404, "<html>"),
}


@pytest.mark.parametrize("name", NOT_THIS_MODEL)
def test_a_refusal_of_one_model_locks_nothing_out(name: str) -> None:
    """A 401 or 403 that is about this model, or about this region, says nothing of the credential."""
    assert "model_not_found" == word(*NOT_THIS_MODEL[name])


TOO_LONG: dict[str, tuple[int, object]] = {
    "openai": (400, openai("x", code="context_length_exceeded")),
    "openai, more than a minute": (
        429,
        openai("Request too large for gpt-5 on tokens per min (TPM): Limit 3", "tokens", "rate_limit_exceeded"),
    ),
    "groq, more than a minute": (
        413,
        openai(
            "Request too large for model `x` in organization `o` on TPM: Limit 6000", "tokens", "rate_limit_exceeded"
        ),
    ),
    "groq": (400, openai("Please reduce the length of the messages or completion.")),
    "anthropic, with its maximum": (
        400,
        messages(
            "input length and `max_tokens` exceed context limit: 178959 + 64000 > 200000, decrease input length or "
            "`max_tokens` and try again",
            "invalid_request_error",
        ),
    ),
    "sglang": (
        400,
        {
            "object": "error",
            "message": "The input (61709 tokens) is longer than the model's context length (40960 tokens).",
            "type": "BadRequestError",
            "code": 400,
        },
    ),
    "sglang, memory": (
        400,
        openai("Input length (160062 tokens) exceeds the maximum allowed length (59862 tokens)."),
    ),
    "alibaba": (
        400,
        openai("<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 204800]"),
    ),
    "lm studio": (
        400,
        {"error": "Trying to keep the first 15857 tokens when context the overflows. However, the model is loaded"},
    ),
    "copilot": (400, openai("prompt token count of 93854 exceeds the limit of 90000", "", "")),
    "copilot, code": (400, {"error": {"message": "too long", "code": "model_max_prompt_tokens_exceeded"}}),
    "vllm": (400, {"object": "error", "message": "This model's maximum context length is 9 tokens.", "code": 400}),
    "llama.cpp": (400, openai("the request exceeds the available context size", "exceed_context_size_error", 400)),
    "openrouter": (400, {"error": {"code": 400, "message": "This endpoint's maximum context length is 64000 tokens."}}),
    "openrouter, in a success": (
        200,
        {"error": {"message": "This endpoint's maximum context length is 64000 tokens."}},
    ),
    "together": (403, openai("Input token count + max_tokens must be less than the context length of the model")),
    "anthropic": (400, messages("prompt is too long: 210000 tokens > 200000 maximum", "invalid_request_error")),
    "google": (
        400,
        gemini(
            400,
            "INVALID_ARGUMENT",
            "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).",
        ),
    ),
    "xai": (
        400,
        {
            "code": "Client specified an invalid argument",
            "error": "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
        },
    ),
    "moonshot": (400, openai("Your request exceeded model token limit : 8192")),
    "qianfan": (400, openai("Prompt tokens too long", code="tokens_too_long")),
    "zhipu": (400, {"error": {"code": "1261", "message": "Prompt 超长"}}),
}


@pytest.mark.parametrize("name", TOO_LONG)
def test_what_is_too_long_here_may_fit_elsewhere(name: str) -> None:
    """Another candidate is asked, and nothing cools: a request that never fits is no rate limit."""
    assert "context_too_long" == word(*TOO_LONG[name])


OTHER: dict[str, tuple[int, object, str]] = {
    "a wrong key": (401, openai("Incorrect API key provided: sk-1.", code="invalid_api_key"), "unauthorized"),
    "deepseek, a wrong key": (401, openai("Authentication Fails", "authentication_error"), "unauthorized"),
    "google, a wrong key": (
        400,
        gemini(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
        "unauthorized",
    ),
    "xai, a wrong key": (
        400,
        {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: xx."},
        "unauthorized",
    ),
    "mistral, a wrong key or a spent plan": (401, {"detail": "Unauthorized"}, "unauthorized"),
    "new-api, banned": (403, openai("该用户已被禁用", "new_api_error", ""), "unauthorized"),
    "new-api, its database": (
        500,
        openai("driver: bad connection", "new_api_error", "pre_consume_token_quota_failed"),
        "server_error",
    ),
    "openrouter, moderation": (
        403,
        {
            "error": {
                "code": 403,
                "message": "anthropic/claude-3-5-haiku requires moderation on Amazon Bedrock. Your input was flagged "
                'for "violence". No credits were charged.',
                "metadata": {"reasons": ["violence"], "flagged_input": "..."},
            }
        },
        "bad_request",
    ),
    "xai, moderation": (
        403,
        {
            "code": "The caller does not have permission to execute the specified operation",
            "error": "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO",
        },
        "bad_request",
    ),
    "openai, policy": (403, openai("x", code="content_policy_violation"), "bad_request"),
    "moonshot, policy": (
        400,
        openai("The request was rejected because it was considered high risk", "content_filter"),
        "bad_request",
    ),
    "new-api, policy": (500, openai("user sensitive words detected", code="sensitive_words_detected"), "bad_request"),
    "a wrong request": (422, [], "bad_request"),
    "a server's limit of bytes": (413, "<html>", "bad_request"),
    "an odd error": (400, {"error": {"code": 1.5, "type": None, "message": ["x"]}}, "bad_request"),
    "a wrong request about money": (
        400,
        openai("Invalid value for messages[0].content: 'insufficient balance, the quota is not enough'"),
        "bad_request",
    ),
    "a prompt that is repeated": (
        400,
        openai(f"{'x' * MOST_WORDING} your credit balance is too low to access the API"),
        "bad_request",
    ),
    "a number that means something elsewhere": (403, {"code": 30001, "message": "no rights"}, "unauthorized"),
    "a timeout": (408, {}, "timeout_upstream"),
    "no word": (500, {"error": {}}, "server_error"),
    "a server that says too long": (500, openai("maximum context length"), "server_error"),
    "anthropic, overloaded": (529, messages("Overloaded", "overloaded_error"), "server_error"),
    "a redirect": (302, "", "server_error"),
    "a number in a success": (200, {"error": {"code": "402", "message": "x"}}, "insufficient_quota"),
    "another number in a success": (200, {"error": {"code": 429, "message": "x"}}, "rate_limited"),
    "a response that failed": (
        200,
        {"type": "response.failed", "response": {"id": "r", "error": {"code": "rate_limit_exceeded", "message": "x"}}},
        "rate_limited",
    ),
    "a response that failed of its prompt": (
        200,
        {"type": "response.failed", "response": {"error": {"code": "invalid_base64_image", "message": "x"}}},
        "bad_request",
    ),
    "the nearer of two errors": (
        200,
        {"status": "failed", "error": {"code": "invalid_prompt"}, "response": {"error": {"code": "slow_down"}}},
        "bad_request",
    ),
    "a response in a response": (200, {"response": {"response": {"error": {"code": "slow_down"}}}}, "server_error"),
    "a server that speaks of images": (500, openai("x", code="invalid_image"), "server_error"),
    "no number in a success": (200, {"error": "overloaded"}, "server_error"),
    "anthropic, a key in a success": (200, messages("x", "authentication_error"), "unauthorized"),
    "anthropic, money in a success": (200, messages("x", "billing_error"), "insufficient_quota"),
    "anthropic, a model in a success": (200, messages("model: claude-9", "not_found_error"), "model_not_found"),
    "anthropic, a timeout in a success": (200, messages("x", "timeout_error"), "timeout_upstream"),
    "anthropic, a timeout": (504, messages("x", "timeout_error"), "server_error"),
    "anthropic, overloaded in a success": (200, messages("Overloaded", "overloaded_error"), "server_error"),
    "anthropic, a permission in a success": (200, messages("x", "permission_error"), "server_error"),
    "too long a number": (200, {"error": {"code": "9" * 9_999}}, "server_error"),
}


@pytest.mark.parametrize("name", OTHER)
def test_our_word_for_an_upstreams_error(name: str) -> None:
    """The code, type and wording decide before the status does, and only where they are sure."""
    status, body, expected = OTHER[name]
    assert expected == word(status, body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "rate_limited"),
        (b'{"error":{"code":1.5,"type":"\xff","message":["x"]}}', "rate_limited"),
        (b'{"error":{"code":%s}}' % (b"9" * 9_999), "rate_limited"),
        (b"Insufficient Balance", "insufficient_quota"),
        ("该令牌额度已用尽".encode(), "insufficient_quota"),
    ],
    ids=str,
)
def test_a_body_that_is_no_json_is_read_as_text(body: bytes, expected: str) -> None:
    """Some relays answer with a bare text; what can't be read leaves the status to decide."""
    assert expected == word_for(read_error(429, body))


class TestOwnTable:
    """`[upstream.NAME] errors`: what the user knows of an upstream goes before what is built in."""

    @staticmethod
    def means(status: int, body: object, *rows: UpstreamError) -> str:
        """Return what the rows say of an error."""
        return own_word(rows, read_error(status, json.dumps(body).encode()))

    @pytest.mark.parametrize(
        ("row", "expected"),
        [
            (UpstreamError(means="empty", status=403), "insufficient_quota"),
            (UpstreamError(means="empty", code="no_money"), "insufficient_quota"),
            (UpstreamError(means="rate_limited", code="relay_error"), "rate_limited"),
            (UpstreamError(means="bad_request", message="OUT OF MONEY"), "bad_request"),
            (UpstreamError(means="server_error", status=403, code="no_money", message="out of"), "server_error"),
            (UpstreamError(means="empty", status=402, code="no_money"), ""),
            (UpstreamError(means="empty", status=403, code="No_Money"), ""),
            (UpstreamError(means="empty", status=403, message="in the money"), ""),
        ],
        ids=str,
    )
    def test_what_is_given_must_match(self, row: UpstreamError, expected: str) -> None:
        """A code is the code or the type as it is written; a message is a part of it, whatever the case."""
        assert expected == self.means(403, openai("You are out of money", "relay_error", "no_money"), row)

    def test_the_first_row_counts(self) -> None:
        """So an exception stands before the rule."""
        rows = (
            UpstreamError(means="rate_limited", status=403, message="slow down"),
            UpstreamError(means="empty", status=403),
        )
        assert "rate_limited" == self.means(403, openai("Please slow down"), *rows)
        assert "insufficient_quota" == self.means(403, openai("You are out"), *rows)
        assert "" == self.means(403, openai("You are out"))

    def test_a_number_in_a_success_is_its_status(self) -> None:
        """An error inside a stream of status 200 is matched by the status that it names."""
        assert "insufficient_quota" == self.means(
            200, {"error": {"code": 418}}, UpstreamError(means="empty", status=418)
        )

    @pytest.mark.parametrize("member", ["message", "msg", "detail"])
    def test_a_message_has_several_names(self, member: str) -> None:
        """FastAPI says `detail`, some providers `msg`."""
        assert "unauthorized" == self.means(
            400, {member: "No seat"}, UpstreamError(means="unauthorized", message="seat")
        )

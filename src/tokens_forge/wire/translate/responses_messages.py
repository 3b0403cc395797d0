"""A client that speaks OpenAI's Responses is answered by an upstream that speaks Anthropic's Messages: the pair."""

from tokens_forge.wire.translate.responses_messages_request import translate_request

__all__ = ["translate_request"]

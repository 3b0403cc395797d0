"""A client that speaks OpenAI's Responses is answered by an upstream that speaks chat completions: the pair."""

from tokens_forge.wire.translate.responses_chat_reply import ResponsesStream, translate_reply
from tokens_forge.wire.translate.responses_chat_request import translate_request
from tokens_forge.wire.translation import Translation

TRANSLATION = Translation(request=translate_request, reply=translate_reply, stream=ResponsesStream)

"""A client that speaks OpenAI's Responses is answered by an upstream that speaks Anthropic's Messages: the pair.

The request is translated in `responses_messages_request.py`, the reply in `responses_messages_reply.py`.
"""

from tokens_forge.wire.translate.responses_messages_reply import ResponsesStream, translate_reply
from tokens_forge.wire.translate.responses_messages_request import translate_request
from tokens_forge.wire.translation import Translation

TRANSLATION = Translation(request=translate_request, reply=translate_reply, stream=ResponsesStream)

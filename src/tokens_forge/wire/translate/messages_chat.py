"""Messages to chat completions: the client speaks Anthropic's dialect, the upstream OpenAI's.

Decides nothing itself: the request is written in `messages_chat_request.py`, the reply and the stream in
`messages_chat_reply.py`.
"""

from tokens_forge.wire.translate.messages_chat_reply import MessagesStream, translate_reply
from tokens_forge.wire.translate.messages_chat_request import translate_request
from tokens_forge.wire.translation import Translation

TRANSLATION = Translation(request=translate_request, reply=translate_reply, stream=MessagesStream)

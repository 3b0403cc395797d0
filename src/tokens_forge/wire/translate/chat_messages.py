"""A client that speaks chat completions, answered by an upstream that speaks Anthropic's Messages.

Only the pair stands here: what is asked is written in `chat_messages_request.py`, what is answered in
`chat_messages_reply.py`.
"""

from tokens_forge.wire.translate.chat_messages_reply import ChatStream, translate_reply
from tokens_forge.wire.translate.chat_messages_request import translate_request
from tokens_forge.wire.translation import Translation

TRANSLATION = Translation(request=translate_request, reply=translate_reply, stream=ChatStream)

"""A client that speaks chat completions, answered by an upstream that speaks Anthropic's Messages.

Only the pair stands here: what is asked is written in `chat_messages_request.py`, what is answered in
`chat_messages_reply.py`.
"""

from tokens_forge.wire.translate.chat_messages_reply import ChatStream, reply
from tokens_forge.wire.translate.chat_messages_request import request
from tokens_forge.wire.translation import Translation

TRANSLATION = Translation(request=request, reply=reply, stream=ChatStream)

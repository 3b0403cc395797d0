"""Words that a translator adds to a request for a chat completion.

The model reads them, so both translators to chat completions say the same. What a client said is never changed here.
"""

PARAGRAPH = "\n\n"
"""Between two texts that a client said apart: servers differ in what they make of lists of texts."""

ATTACHED = "What it returned follows."
"""What a tool returned that is no text: a chat has it in the user's message after it."""

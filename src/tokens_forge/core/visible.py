"""Texts from outside, safe to print: control characters become visible escapes.

A config's value, a model's name or a provider's word may hold escape sequences that move a terminal's cursor or
change its title. Whatever goes to a terminal or into a free text of the ledger passes here first.
"""

import unicodedata

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories that print as nothing, or as something else than they are: controls, formatting (the
bidirectional overrides among it), lone surrogates, separators of lines and paragraphs."""


def visible(text: str, *, keep: str = "") -> str:
    r"""Return `text` with each control character as its escape (``\x1b``), but for those in `keep`."""
    if text.isprintable():
        return text
    return "".join(
        character if character in keep or unicodedata.category(character) not in _UNSEEN else _escape(character)
        for character in text
    )


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")

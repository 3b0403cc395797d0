"""A request in the dialects of its candidates that are not its client's own, each translated once.

Decides what may be shown of a translation: a client names its members as it likes, and the paths of those that are
left out stand in a header and in the ledger. Which dialects there are is `core/dialects.py`'s part.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from tokens_forge.core.dialects import DialectName
from tokens_forge.core.entries import CacheLife
from tokens_forge.core.own_tokens import without_tokens
from tokens_forge.core.visible import visible
from tokens_forge.wire.cache_marks import cache_life
from tokens_forge.wire.dialects import TRANSLATIONS
from tokens_forge.wire.output_cap import MAXIMA, capped, maxima_above
from tokens_forge.wire.provider_facts import suited
from tokens_forge.wire.request import Fields, Request, raw_of
from tokens_forge.wire.translation import NotCarried, Translated

MOST_DROPPED = 64
"""Members that were left out which are named."""

MOST_PATH = 120
"""Characters of a member's path that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Translations:
    """What became of a request, by dialect."""

    made: Mapping[str, Translated]
    refused: Mapping[str, NotCarried]
    """Where it can't be said."""

    @property
    def uncarried(self) -> dict[str, str]:
        """Return the path of the member that can't be said, by dialect."""
        return {spoken: _path(no.field) for spoken, no in self.refused.items()}

    @property
    def caches(self) -> dict[str, CacheLife]:
        """Return how long the prompt's marks keep it in a cache, by dialect; those that have marks."""
        return {spoken: one.caches for spoken, one in self.made.items() if one.caches is not None}

    def dropped(self, spoken: str) -> tuple[str, ...]:
        """Return the paths of what is left out in a dialect; nothing in the client's own."""
        return self.made[spoken].dropped if spoken in self.made else ()

    def unsuited(self, spoken: str, model: str) -> tuple[str, ...]:
        """Return the paths of what a model is not asked though its dialect has it."""
        if spoken != "anthropic_messages" or spoken not in self.made:
            return ()
        return suited(self.made[spoken].fields, model)[1]

    def as_taken(self, request: Request, spoken: str, model: str) -> Request:
        """Return the request of `asked` as a model takes it; a client's own, in its own dialect, as it is."""
        if spoken != "anthropic_messages" or spoken not in self.made:
            return request
        return replace(request, fields=suited(request.fields, model)[0])

    def lowered(self, request: Request, spoken: str, *, cap: int) -> tuple[str, ...]:
        """Return the paths of what is lowered to `cap` in a dialect, in the client's words.

        `cap`: tokens of output that the route says the model gives; 0 where it does not say.
        """
        asked = maxima_above(request.fields, cap)
        if not asked:
            return ()
        sent = self.made[spoken].fields if spoken in self.made else request.fields
        return (*asked, *(path for path in capped(sent, cap)[1] if path not in MAXIMA))

    def asked(self, request: Request, spoken: str, *, of_openai: bool, most: int, cap: int = 0) -> Request:
        """Return the client's request with the members of the dialect in which an upstream is asked.

        `of_openai`: it is OpenAI's own, whose newer models take the maximum of a chat completion under another name.
        `most`: tokens of output that the model gives; where the client names no maximum and the dialect must have one,
        it is that, and no answer is cut at what was held for it. `cap`: as of `lowered`; no maximum is above it.
        """
        if spoken not in self.made:
            fields = capped(request.fields, cap)[0]
            return request if fields is request.fields else replace(request, fields=fields)
        fields = self.made[spoken].fields
        stands_in = not request.output_asked and fields.get("max_tokens") == raw_of(request.output_bound)
        if stands_in and most > request.output_bound:
            fields = fields | {"max_tokens": raw_of(most)}
        fields = capped(fields, cap)[0]
        return replace(request, fields=_renamed(fields) if of_openai else fields)


def translations(request: Request, asked_in: DialectName, spoken: Iterable[DialectName | None]) -> Translations:
    """Return the request of a client that speaks `asked_in` in every dialect of its candidates."""
    made: dict[str, Translated] = {}
    refused: dict[str, NotCarried] = {}
    for name in dict.fromkeys(spoken):
        if name is None or name == asked_in:
            continue
        try:
            made[name] = _shown(TRANSLATIONS[asked_in, name].request(request))
        except NotCarried as no:
            refused[name] = no
    return Translations(made=made, refused=refused)


def _shown(translated: Translated) -> Translated:
    dropped = dict.fromkeys(_path(path) for path in translated.dropped[:MOST_DROPPED])
    return replace(translated, dropped=tuple(dropped), caches=cache_life(translated.fields))


def _path(written: str) -> str:
    return without_tokens(visible(written))[:MOST_PATH]


def _renamed(fields: Fields) -> Fields:
    return {"max_completion_tokens" if name == "max_tokens" else name: raw for name, raw in fields.items()}

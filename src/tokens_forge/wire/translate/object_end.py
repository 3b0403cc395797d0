"""Where a JSON object ends that comes in pieces, such as the arguments of a tool's call.

Each piece is looked at once, so that a call of many pieces costs no more than one of few. Whether what ended is JSON at
all is the reader's part.
"""

import re

_OUTSIDE = re.compile(r'["{}]')
_INSIDE = re.compile(r'["\\]')
_BLANKS = " \t\r\n"


class ObjectEnd:
    """Follows the pieces of a text up to the brace that closes the first one."""

    def __init__(self) -> None:
        self._depth = 0
        self._inside = False
        """Within a string."""
        self._escaped = False
        """The next piece begins with the character of an escape."""
        self._ended = False
        self._spoilt = False
        """It is no object, whatever comes."""

    @property
    def reached(self) -> bool:
        """Whether the object ended, and nothing but blanks followed."""
        return self._ended and not self._spoilt

    def add(self, piece: str) -> None:
        """Take the next piece."""
        place = 0
        if self._escaped and piece:
            self._escaped, place = False, 1
        while not (self._ended or self._spoilt):
            found = (_INSIDE if self._inside else _OUTSIDE).search(piece, place)
            if found is None:
                return
            place = found.end()
            match found[0]:
                case '"':
                    self._inside = not self._inside
                case "\\":
                    self._escaped, place = place == len(piece), place + 1
                case "{":
                    self._depth += 1
                case _:
                    self._depth -= 1
                    self._ended, self._spoilt = self._depth == 0, self._depth < 0
        self._spoilt = self._spoilt or piece[place:].strip(_BLANKS) != ""

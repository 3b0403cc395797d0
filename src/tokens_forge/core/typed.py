"""Amounts as people write them: ``10 usd``, ``$10``, ``￥500``, ``5,000 CNY``; and what is never guessed.

`read_typed` is the one reader of what a person typed, wherever that is; what the ledger and a config in force hold was
written by `Amount` and is read back by `money.read_amount`. A code of ISO 4217 may be in any case. A unit of the user's
own is taken as it is written in a config, else in capitals: an unknown lower-case word never becomes a currency.
"""

import re
from collections.abc import Collection
from decimal import Decimal

from tokens_forge.core.config import near_name
from tokens_forge.core.currencies import COUNTS, CURRENCIES, POINT_PARTS_THOUSANDS, SIGNS, UNDECIDED, WORDS, meant
from tokens_forge.core.errors import MoneyError
from tokens_forge.core.money import Amount, is_unit, read_amount
from tokens_forge.core.visible import visible

_LONGEST = 100
_WHOLE_DIGITS = 20
_DECIMALS = 24
_GROUP = 3
_SEPARATORS = ",_' "

_PLAIN = {
    **{wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)},  # full-width letters, digits and signs
    **dict.fromkeys(map(ord, "\t\u00a0\u1680\u202f\u205f\u3000"), " "),
    **dict.fromkeys(range(0x2000, 0x200B), " "),
    **dict.fromkeys((0x200B, 0x200E, 0x200F, 0x2060, 0xFEFF), None),  # what pages hide between the characters
    **dict.fromkeys((0x2010, 0x2011, 0x2012, 0x2013, 0x2212), "-"),  # hyphens, an en dash, the minus sign
    ord("\ufe69"): "$",
    ord("\uffe1"): "£",
    ord("\uffe5"): "¥",
    ord("\uffe6"): "₩",
    ord("\u2019"): "'",
}
"""Characters that mean the same as a plain one. Not Unicode's own equivalents: they make 102 of 10²."""

_TYPED = re.compile(
    r" *(?P<sign>[+-])? *(?P<before>(?i:rs\.)|[^\s0-9.,+-]+)? *(?P<inner>[+-])? *"
    rf"(?P<number>[0-9.](?:[0-9.{_SEPARATORS}]*[0-9])?) *(?P<after>[^\s0-9.,]\S*)? *"
)

_LIKE_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}\.[0-9]{3}")
"""What is ``5.000`` to one person and 5000 to another."""

_SHORTEST_OWN = 3


def read_typed(written: str, unit: str = "", known: Collection[str] = ()) -> Amount:
    """Return the amount that a person wrote, keeping every digit.

    `unit` is what a bare number is in, and what a sign means that may mean it: ``$`` is a dollar of Canada on a balance
    in CAD, and USD elsewhere. `known` are further units of the config, taken as they are written there. A comma parts
    thousands, and nothing else; but a point before three digits does so too where some currencies are at home. Raises
    MoneyError, with a question where more than one amount may be meant.
    """
    match = _TYPED.fullmatch(written.translate(_PLAIN)) if len(written) <= _LONGEST else None
    written = visible(written)  # from here on it is only told
    if match is None or (match["sign"] and match["inner"]):
        raise _no_amount(written)
    number = _number(match["number"], written)
    named = _unit(match["before"] or "", match["after"] or "", written, unit, known)
    if named.upper() in POINT_PARTS_THOUSANDS and _LIKE_THOUSANDS.fullmatch(match["number"]):
        raise MoneyError(
            f"`{written}` is no amount for sure: is it {number} or {number.replace('.', '')}? Write `{number}0` for "
            f"the first, and `{number.replace('.', ',')}` for the second"
        )
    sign = match["sign"] or match["inner"] or ""
    return Amount(value=Decimal(f"{sign}{number}"), unit=named)


def unasked(written: str) -> str:
    """Return an amount of the ledger (``1.019 EUR``) as one that `read_typed` does not ask about (``1.0190 EUR``)."""
    number, space, unit = written.partition(" ")
    asked = unit in POINT_PARTS_THOUSANDS and _LIKE_THOUSANDS.fullmatch(number.lstrip("+-"))
    return f"{number}0{space}{unit}" if asked else written


def kept_form(written: str, unit: str = "", known: Collection[str] = ()) -> str:
    """Return what a person wrote as the ledger and a config in force hold it: as it is, where it has that form.

    Raises MoneyError as `read_typed` does.
    """
    amount = read_typed(written, unit, known)
    try:
        return written if read_amount(written) == amount else f"{amount.value:f} {amount.unit}"
    except MoneyError:
        return f"{amount.value:f} {amount.unit}"


def read_typed_unit(word: str, known: Collection[str] = ()) -> str:
    """Return the unit that a person named, as the config has it. Raises MoneyError for one that is unknown."""
    return _named(word.translate(_PLAIN).strip(), visible(word), "", known)


def near_unit(word: str) -> str:
    """Return the currency whose code, sign or name is not quite `word`, as in ``usd``; empty for a unit of its own."""
    code = word.upper()
    if word in CURRENCIES or (is_unit(word) and word == code):
        return ""
    if code in CURRENCIES:
        return code
    candidates = meant(word)
    if candidates and word not in UNDECIDED:
        return candidates[0]
    return near_name(code, CURRENCIES).partition("`")[2].partition("`")[0]


def _unit(before: str, after: str, written: str, unit: str, known: Collection[str]) -> str:
    """Return the unit of an amount by what stands before and after its number."""
    if not before and not after:
        if not unit:
            raise _no_amount(written)
        return unit
    named = _named(after or before, written, unit, known)
    if before and after and before != named and not _may_mean(before, named):
        raise MoneyError(f"`{written}` names two units, `{visible(before)}` and `{after}`: write one of them")
    return named


def _may_mean(sign: str, unit: str) -> bool:
    """Say whether a sign or word stands for a unit: ``$`` for each dollar, the user's own ``RELAY$`` among them."""
    sign = WORDS.get(sign.casefold(), sign)
    same = {unit, unit.upper(), *meant(unit)[:1]}  # a balance may be in RMB, or in the usd of its first entry
    return not same.isdisjoint(meant(sign)) or (sign in SIGNS and unit.endswith(sign))


def _named(word: str, written: str, unit: str, known: Collection[str]) -> str:
    """Return the unit that a word or sign names."""
    if word == unit or word in known:
        return word
    if unit and (word.casefold() == unit.casefold() or _may_mean(word, unit)):
        return unit
    code = word.upper()
    if code not in CURRENCIES:
        code = COUNTS.get(word.casefold()) or _by_sign(word, written, known)
    return _as_known(code or word, known) or code or _own(word, written, unit, known)


def _as_known(code: str, known: Collection[str]) -> str:
    """Return the unit of the config that is `code` but for its case: a ledger may have begun in usd. Empty for none."""
    if code in known:
        return code
    like = [one for one in known if one.casefold() == code.casefold()]
    return like[0] if len(like) == 1 else ""


def _by_sign(word: str, written: str, known: Collection[str]) -> str:
    """Return the currency that a sign means; empty for what is no sign."""
    candidates = meant(word)
    if word not in UNDECIDED:
        return candidates[0] if candidates else ""
    paid = [one for one in candidates if one in known]
    if len(paid) == 1:
        return paid[0]
    raise MoneyError(f"`{written}`: `{word}` may be {' or '.join(candidates)}; write which, such as `5.00 CNY`")


def _own(word: str, written: str, unit: str, known: Collection[str]) -> str:
    """Return a unit of the user's own. Raises MoneyError for an unknown one that is not in capitals."""
    if not is_unit(word):
        raise _no_amount(written)
    # Of letters alone so few are a part of a sign: the US of ``US$``, the R of Rand.
    if word == word.upper() and not (len(word) < _SHORTEST_OWN and word.isalpha()):
        return word
    near = near_name(word, [one for one in (unit, *known) if one]) or near_name(word.upper(), CURRENCIES)
    raise MoneyError(
        f"`{word}` is not a unit that is known here.{near} Write the code of a currency, such as `USD`; a unit of your "
        "own is written as in the config, or in capitals, three letters at least"
    )


def _number(number: str, written: str) -> str:
    """Return the digits of a number, its thousands no longer parted. Raises MoneyError where two may be meant."""
    whole, _point, decimals = number.partition(".")
    signs = {sign for sign in whole if sign in _SEPARATORS}
    head, *groups = re.split(f"[{_SEPARATORS}]", whole)
    parted = len(head) <= _GROUP and head[:1] not in {"", "0"} and all(len(one) == _GROUP for one in groups)
    if not (decimals == "" or decimals.isdigit()) or len(signs) > 1 or (signs and not parted):
        raise _question(number, written)
    digits = "".join((head, *groups))
    if not (digits or decimals):
        raise _no_amount(written)
    if len(digits) > _WHOLE_DIGITS:
        raise MoneyError(f"`{written}` is too large: an amount has at most {_WHOLE_DIGITS} digits before the point")
    if len(decimals) > _DECIMALS:
        raise MoneyError(f"`{written}` is too exact: an amount has at most {_DECIMALS} digits after the point")
    return f"{digits or '0'}.{decimals}" if decimals else digits


def _question(number: str, written: str) -> MoneyError:
    """Return what asks which of two numbers was meant, by whether the last sign in it begins the decimals."""
    cut = max(number.rfind(sign) for sign in f".{_SEPARATORS}")
    whole, tail = re.sub(r"\D", "", number[:cut]), number[cut + 1 :]
    return MoneyError(
        f"`{written}` is no amount for sure: is it {whole or '0'}.{tail} or {int(whole + tail)}? Write a point before "
        "decimals, and a comma only between thousands, as in `1,234.56`"
    )


def _no_amount(written: str) -> MoneyError:
    return MoneyError(f"`{written}` is no amount: write a number and a unit, such as `5.00 USD`")

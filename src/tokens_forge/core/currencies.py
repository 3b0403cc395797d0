"""What people call money: the codes of ISO 4217, the signs and words for them, and which of several a sign may mean.

One table for each. A unit of the user's own (``RELAY$``, ``credits``) stands in none of them; what a text means is
decided by `core/typed.py`.
"""

_CODES = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY",
    "COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR",
    "ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK",
    "MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF",
    "SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU",
    "UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG",
)

CURRENCIES = frozenset(code for row in _CODES for code in row.split())
"""The active codes of ISO 4217, table A.1 as published by SIX on 2026-01-01 (six-group.com, "Data Standards"; read
2026-11 through the package iso4217 1.16.20260101). Without funds, metals, units of account and test codes: nobody pays
a provider in them."""

_DOLLARS = (
    *("USD", "AUD", "BBD", "BMD", "BND", "BSD", "BZD", "CAD", "FJD", "GYD", "HKD", "JMD", "KYD", "LRD", "NAD", "NZD"),
    *("SBD", "SGD", "SRD", "TTD", "TWD", "XCD", "ARS", "CLP", "COP", "CUP", "DOP", "MXN", "UYU"),
)
"""Pesos have the same sign."""

SIGNS: dict[str, tuple[str, ...]] = {
    "$": _DOLLARS,
    "¥": ("CNY", "JPY"),
    "€": ("EUR",),
    "£": ("GBP", "EGP", "FKP", "GIP", "LBP", "SDG", "SHP", "SSP", "SYP"),
    "₹": ("INR",),
    "₩": ("KRW", "KPW"),
    "₽": ("RUB",),
    "₺": ("TRY",),
    "₫": ("VND",),
    "₴": ("UAH",),
    "₦": ("NGN",),
    "₱": ("PHP", "CUP"),
    "฿": ("THB",),
    "₪": ("ILS",),
    "₸": ("KZT",),
    "₾": ("GEL",),
    "₼": ("AZN",),
    "₲": ("PYG",),
    "₡": ("CRC", "SVC"),
    "₵": ("GHS",),
    "₮": ("MNT",),
    "₭": ("LAK",),
    "元": ("CNY", "TWD", "HKD"),
    "円": ("JPY",),
    "원": ("KRW",),
    "US$": ("USD",),
    "A$": ("AUD",),
    "AU$": ("AUD",),
    "C$": ("CAD", "NIO"),
    "CA$": ("CAD",),
    "HK$": ("HKD",),
    "MX$": ("MXN",),
    "NT$": ("TWD",),
    "NZ$": ("NZD",),
    "R$": ("BRL",),
    "S$": ("SGD",),
    "CN¥": ("CNY",),
    "JP¥": ("JPY",),
    "RMB": ("CNY",),
    "RS": ("INR", "LKR", "MUR", "NPR", "PKR", "SCR"),
    "RS.": ("INR", "LKR", "MUR", "NPR", "PKR", "SCR"),
}
"""Signs and what they may mean, the first where nothing says otherwise (Unicode CLDR 48, "currency symbols", English;
read 2026-11 through babel 2.19.0). A sign of `UNDECIDED` has no first."""

UNDECIDED = frozenset({"¥"})
"""Signs of two currencies that providers bill in alike: which is meant must be known."""

WORDS: dict[str, str] = {
    "dollar": "$",
    "dollars": "$",
    "euro": "€",
    "euros": "€",
    "pound": "£",
    "pounds": "£",
    "yuan": "元",
    "renminbi": "RMB",
    "yen": "円",
    "块": "元",
    "块钱": "元",
    "塊": "元",
    "人民币": "RMB",
    "人民幣": "RMB",
}
"""Words and the sign that they stand for."""

COUNTS: dict[str, str] = {
    "request": "requests",
    "requests": "requests",
    "token": "tokens",
    "tokens": "tokens",
    "percent": "percent",
    "%": "percent",
}
"""What is counted, and how people write it."""


POINT_PARTS_THOUSANDS = frozenset(
    {
        "ARS",
        "BAM",
        "BOB",
        "BRL",
        "CLP",
        "COP",
        "DKK",
        "EUR",
        "IDR",
        "ISK",
        "MKD",
        "PYG",
        "RON",
        "RSD",
        "TRY",
        "UYU",
        "VES",
        "VND",
    }
)
"""Currencies of countries in whose chief language a point parts thousands: ``5.000 EUR`` may be 5 or 5000 (Unicode CLDR
48, number symbols `group`; read 2026-11 through babel 2.19.0)."""


def meant(sign: str) -> tuple[str, ...]:
    """Return the currencies that a sign or word may mean, the likeliest first; none for what is no sign.

    A code before its sign (``USD$``) is that currency.
    """
    code = sign[:-1].upper()
    if code in SIGNS.get(sign[-1:], ()):
        return (code,)
    return SIGNS.get(WORDS.get(sign.casefold(), sign.upper()), ())

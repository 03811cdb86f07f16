"""Units and currencies: where they stand in an answer, and which names mean the same one."""

from __future__ import annotations

import re

from rewards.algebra.lexer import CONSTANTS, FUNCTIONS, GREEK
from rewards.checker.unit_names import CANONICAL, FOREIGN, MULTIPLIERS, NO_UNIT

__all__ = ["LEADING_CURRENCY", "canonical_unit", "split_letter_unit", "split_unit", "units_agree"]

_CURRENCY = r"(?:(?:US|HK|NZ|AU|CA|A|C|S) ?)?dollars|euros|pounds|yuan|rupees|(?:USD|EUR|GBP|CNY|RMB|Rs)\.?"
LEADING_CURRENCY = re.compile(rf"([-+]?)\s*({_CURRENCY})\s*(?=[-+]?\s*(?:\d|\.\d|\\frac|\())")
_POWER = r"(?: ?\^ ?(?:\{ ?(-?\d) ?\}|(\d)))?"
_BOXED = re.compile(rf"(?: ?[*/]? ?\\text ?\{{[^{{}}]*\}}{_POWER})+$")
_BOX = re.compile(rf"([*/]?) ?\\text ?\{{([^{{}}]*)\}}{_POWER}")
_ORDINAL = re.compile(r"(?<=\d) ?\^ ?\{? ?(?:\\text ?\{)? ?(?:st|nd|rd|th) ?\}?\}?$")
_MODULUS = re.compile(
    r" ?\\pmod ?(?:\{ ?(\w+) ?\}|(\d))$| ?\( ?(?:\\b?mod|\\text ?\{ ?mod ?\}|mod) ?\{? ?(\w+) ?\}? ?\)$"
)
_DEGREE = re.compile(r"\s*\\degree\s*(?:\\text\s*\{\s*([CF])\s*\}|([CF]))?$")
_BARE = re.compile(r"(?:(?<=[\d})!%\]])( ?)|(?<=[A-Za-z])( ))([A-Za-z]+\.?(?:[ /*]+[A-Za-z]+\.?){0,5})" + _POWER + "$")
_FOREIGN = re.compile(r"(?<=[\d})!%]) ?([^\x00-\x7f][^\x00-\x2f:-@\[-`{-\x7f]*(?: [^\W\d_]+){0,4})$")
_ACCENTED = re.compile(r"(?<=[\d})!%]) ([^\W\d_]+(?: [^\W\d_]+){0,4})$")
_PHRASE = re.compile(r"[ (]*[A-Za-z][A-Za-z .'()/*^-]*[23]?[ )]*")
_KNOWN_WORDS = FUNCTIONS | GREEK | CONSTANTS.keys()
_LETTER = re.compile(r"(.*[\d})]) ([mgshLNJWVK])")


def split_unit(text: str) -> tuple[str, str]:
    """The quantity and its unit in canonical form, ``""`` where there is none; `text` is one normalised scalar.

    A word counts as a unit where it stands in a text box, after a currency sign, or bare after a blank; a single bare
    letter is a variable. Number words become factors: ``3 million dollars`` is ``(3)*10^6`` and ``dollar``.
    """
    if (match := LEADING_CURRENCY.match(text)) is not None:
        quantity, unit = split_unit(text[match.end() :])
        currency = canonical_unit(match.group(2))
        return match.group(1) + quantity, currency if unit in ("", currency) else f"{currency} {unit}"
    if "mod" in text and (match := _MODULUS.search(text)) is not None and match.start():
        return text[: match.start()].strip(), f"mod {next(filter(None, match.groups()))}"
    if text[-1:].isdigit() and "^" not in text:
        return text, ""
    text = _ORDINAL.sub(r" \\text{th}", text)
    if (match := _DEGREE.search(text)) is not None:
        if "\\" not in re.sub(r"\\(?:frac|pi|sqrt)(?![A-Za-z])", "", text[: match.start()]):
            return _checked(text, match.start(), canonical_unit(f"degree {match.group(1) or match.group(2) or ''}"))
        return text, ""
    if (match := _BOXED.search(text)) is not None:
        pieces = [(sign, phrase, power or digit) for sign, phrase, power, digit in _BOX.findall(match.group())]
        if match.start() and all(_is_phrase(phrase) for _, phrase, _ in pieces):
            return _scaled(text, match.start(), "".join(f"{s} {phrase}^{p or 1} " for s, phrase, p in pieces))
        return text, ""
    if not text.isascii():
        return _split_foreign(text)
    return _split_bare(text)


def split_letter_unit(text: str) -> tuple[str, str] | None:
    """``5 m`` as a quantity and the unit that its last letter may stand for; ``None`` where it can only be a
    variable.
    """
    match = _LETTER.fullmatch(text)
    return None if match is None else (match.group(1), canonical_unit(match.group(2)))


def canonical_unit(phrase: str) -> str:
    """One spelling of a unit: singular, abbreviations written out, ``per``, ``square`` and ``cubic`` as exponents.

    Known units are a product without order (``kilometer hour^-1``), any other words stay in theirs.
    """
    factors: list[tuple[str, int]] = []
    sign, prefix, known = 1, 1, True
    for word in re.findall(r"[^\W\d_]+|/|\^ ?-?\d|[23]", phrase.replace(".", "").replace("%", "")):
        if word in ("/", "per"):
            sign = -1
        elif word[0] == "^" or word in ("squared", "cubed", "2", "3"):
            power = 2 if word == "squared" else 3 if word == "cubed" else int(word.lstrip("^ "))
            if factors and power != 1:
                factors[-1] = (factors[-1][0], factors[-1][1] * power)
        elif word.lower() in ("square", "sq", "cubic", "cu"):
            prefix = 2 if word.lower() in ("square", "sq") else 3
        else:
            name = _canonical_word(word)
            known = known and name in _UNITS
            expanded = _COMPOUND.get(name, ((name, 1),))
            factors += [(unit, power * sign * prefix) for unit, power in expanded]
            sign, prefix = 1, 1
    if known:
        factors.sort()
    return " ".join(name if power == 1 else f"{name}^{power}" for name, power in factors)


_UNITS = frozenset(CANONICAL.values())
_COMPOUND = {
    "mph": (("mile", 1), ("hour", -1)),
    "kph": (("kilometer", 1), ("hour", -1)),
}


def units_agree(left: str, right: str) -> bool:
    """Whether two units agree: the same one, or at most one is written."""
    return not left or not right or left == right


def _canonical_word(word: str) -> str:
    if word in CANONICAL:
        return CANONICAL[word]
    word = word.lower()
    for form in (word, word.removesuffix("s"), word.removesuffix("es")):
        if form in CANONICAL and len(form) > 1:
            return CANONICAL[form]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word


def _checked(text: str, end: int, unit: str) -> tuple[str, str]:
    """The split, unless what is left is no quantity."""
    rest = text[:end].strip()
    return (rest, unit) if rest and (rest[-1].isalnum() or rest[-1] in ")}]!%'") else (text, "")


def _scaled(text: str, end: int, phrase: str) -> tuple[str, str]:
    """The split before `phrase`, whose leading number words multiply the quantity."""
    words = phrase.split()
    factor = ""
    while words and words[0].lower().split("^")[0] in MULTIPLIERS:
        factor += f"*{MULTIPLIERS[words.pop(0).lower().split('^')[0]]}"
    rest, unit = _checked(text, end, canonical_unit(" ".join(words)))
    if rest == text or not factor:
        return (rest, unit) if not factor else (text, "")
    return f"({rest}){factor}", unit


def _is_phrase(phrase: str) -> bool:
    """Whether words can be a unit: "apples", "square feet", and not "or", "is wrong", "squared"."""
    if not _PHRASE.fullmatch(phrase):
        return False
    words = re.findall(r"[a-z]+", phrase.lower())
    return not NO_UNIT.intersection(words) and words[0] not in ("squared", "cubed", "factorial")


def _split_bare(text: str) -> tuple[str, str]:
    match = _BARE.search(text)
    if match is None or not any(map(str.isdigit, text[: match.start()])):
        return text, ""
    phrase, power = match.group(3), match.group(4) or match.group(5) or ""
    first = re.split(r"[ /.*]", phrase, maxsplit=1)[0]
    blank = match.group(1) or match.group(2)
    known = _canonical_word(first) in _UNITS or first.lower() in MULTIPLIERS
    if first in _KNOWN_WORDS or not _is_phrase(phrase):
        return text, ""
    if len(first) < 2 and not (blank and "/" in phrase and known):
        return text, ""
    if (not blank and not (known and text[match.start() - 1].isdigit())) or (len(first) < 3 and not known):
        return text, ""
    return _scaled(text, match.start(), phrase + (f"^{power}" if power else ""))


def _split_foreign(text: str) -> tuple[str, str]:
    """A unit in letters beyond ASCII, with or without a blank before it: ``5个``, ``5 厘米``, ``18 долларов``."""
    match = _FOREIGN.search(text) or _ACCENTED.search(text)
    if match is None or set("不或错非约和与及") & set(match.group(1)):
        return text, ""
    name, factor = match.group(1).strip(), ""
    while name[:1] in ("万", "亿"):
        factor += "*10000" if name[0] == "万" else "*100000000"
        name = name[1:]
    unit = FOREIGN.get(name) or canonical_unit(name)
    if not unit and not factor:
        return text, ""
    rest, unit = _checked(text, match.start(), unit)
    return (f"({rest}){factor}" if factor and rest != text else rest), unit

"""Units and currencies: where they stand in an answer, and which names mean the same one."""

from __future__ import annotations

import re

from rewards.lexer import CONSTANTS, FUNCTIONS, GREEK

__all__ = ["canonical_unit", "split_unit", "units_agree"]

_NAMES = {
    "meter": "m meter metre",
    "centimeter": "cm centimeter centimetre",
    "millimeter": "mm millimeter millimetre",
    "kilometer": "km kilometer kilometre",
    "inch": "in inch inches",
    "foot": "ft foot feet",
    "yard": "yd yard",
    "mile": "mi mile",
    "gram": "g gm gram",
    "kilogram": "kg kilogram",
    "milligram": "mg milligram",
    "pound": "lb lbs pound",
    "ounce": "oz ounce",
    "ton": "ton tonne",
    "liter": "L l liter litre",
    "milliliter": "mL ml milliliter millilitre",
    "gallon": "gal gallon",
    "second": "s sec second",
    "minute": "min minute",
    "hour": "h hr hour",
    "day": "day",
    "week": "week",
    "month": "month",
    "year": "yr year",
    "dollar": "dollar usd USD bucks",
    "cent": "cent",
    "euro": "euro",
    "yuan": "yuan",
    "degree": "degree deg",
    "newton": "N newton",
    "joule": "J joule",
    "watt": "W watt",
    "volt": "V volt",
    "kelvin": "K kelvin",
    "hertz": "Hz hz hertz",
    "unit": "unit",
    "radian": "rad radian",
    "acre": "acre",
    "am": "am",
    "pm": "pm",
}
_CANONICAL = {name: unit for unit, names in _NAMES.items() for name in names.split()}
_PHRASES = {
    "mph": "mile per hour",
    "km/h": "kilometer per hour",
    "kph": "kilometer per hour",
    "m/s": "meter per second",
}
_LEADING = re.compile(r"([-+]?)\s*(dollars|euros|pounds|yuan)\s*(?=[-+]?\s*(?:\d|\.\d|\\frac|\())")
_BOXED = re.compile(r"\s*\\text\s*\{([^{}]*)\}\s*(?:\^\s*\{?\s*(\d)\s*\}?)?$")
_DEGREE = re.compile(r"\s*\\degree\s*([CF]?)$")
_BARE = re.compile(r"(?<=[\d})!%A-Za-z])(\s*)([A-Za-z]+\.?(?:[ /]+[A-Za-z]+\.?){0,5})(?:\^\s*\{?\s*(\d)\s*\}?)?$")
_KNOWN_WORDS = FUNCTIONS | GREEK | CONSTANTS.keys()


def split_unit(text: str) -> tuple[str, str]:
    """The quantity and its unit in canonical form, ``""`` where there is none; `text` is one normalised scalar.

    A word counts as a unit where it stands in a text box, after a currency sign, or bare after a blank; a single bare
    letter is a variable.
    """
    match = _LEADING.match(text)
    if match is not None:
        rest = text[match.end() :]
        inner, _ = split_unit(rest)
        return match.group(1) + inner, canonical_unit(match.group(2))
    match = _BOXED.search(text)
    if match is not None and match.start() > 0 and any(letter.isalpha() for letter in match.group(1)):
        return _checked(text, match.start(), canonical_unit(match.group(1), match.group(2) or ""))
    match = _DEGREE.search(text)
    if match is not None and "\\" not in text[: match.start()].replace("\\frac", "").replace("\\pi", ""):
        return _checked(text, match.start(), "degree" + match.group(1))
    return _split_bare(text)


def canonical_unit(name: str, exponent: str = "") -> str:
    """One spelling of a unit: singular, abbreviations written out, ``square`` and ``cubic`` as exponents."""
    name = name.strip().rstrip(".")
    if name.lower() in _PHRASES:
        return _PHRASES[name.lower()]
    words = [_canonical_word(word) for word in re.findall(r"[A-Za-z%]+|/", name.replace(".", ""))]
    while words and words[0] in ("square", "sq", "cubic", "cu"):
        exponent = exponent or ("2" if words[0] in ("square", "sq") else "3")
        words = words[1:]
    return " ".join(words) + (f"^{exponent}" if exponent and exponent != "1" else "")


def units_agree(left: str, right: str) -> bool:
    """Whether two units agree: the same one, or at most one is written."""
    return not left or not right or left == right


def _canonical_word(word: str) -> str:
    if word == "/":
        return "per"
    if word in _CANONICAL:
        return _CANONICAL[word]
    word = word.lower()
    for form in (word, word.removesuffix("s"), word.removesuffix("es")):
        if form in _CANONICAL and len(form) > 1:
            return _CANONICAL[form]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word


def _checked(text: str, end: int, unit: str) -> tuple[str, str]:
    """The split, unless what is left is no quantity."""
    rest = text[:end].strip()
    return (rest, unit) if rest and (rest[-1].isalnum() or rest[-1] in ")}]!%") else (text, "")


def _split_bare(text: str) -> tuple[str, str]:
    match = _BARE.search(text)
    if match is None or not any(letter.isdigit() for letter in text[: match.start()]):
        return text, ""
    blank, words, exponent = match.groups()
    first = re.split(r"[ /.]", words)[0]
    known = (
        first in _CANONICAL
        or first.lower() in _CANONICAL
        or first.lower().removesuffix("s") in _CANONICAL
        or words in _PHRASES
    )
    if first in _KNOWN_WORDS or len(first) < 2 or text[match.start(2) - 1] == "\\":
        return text, ""
    if (not blank and not (known and text[match.start() - 1].isdigit())) or (len(first) < 3 and not known):
        return text, ""
    return _checked(text, match.start(), canonical_unit(words, exponent or ""))

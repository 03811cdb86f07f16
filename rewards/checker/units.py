"""Units and currencies: where they stand in an answer, and which names mean the same one."""

from __future__ import annotations

import re

from rewards.algebra.lexer import CONSTANTS, FUNCTIONS, GREEK
from rewards.checker.closed_words import MONEY_MULTIPLIERS, has_closed_word, leading_multiplier, multiplier
from rewards.checker.unit_names import CANONICAL, FOREIGN

__all__ = ["LEADING_CURRENCY", "canonical_unit", "split_letter_unit", "split_unit", "units_agree"]

_CURRENCY = r"(?:(?:US|HK|NZ|AU|CA|A|C|S) ?)?dollars|euros|pounds|yuan|rupees|(?:USD|EUR|GBP|CNY|RMB|Rs)\.?"
LEADING_CURRENCY = re.compile(
    rf"([-+]?)\s*(?:\\text\s*\{{\s*)?({_CURRENCY})\s*\}}?\s*(?=[-+]?\s*(?:\d|\.\d|\\frac|\())"
)
_POWER = r"(?: ?\^ ?(?:\{ ?(-?\d) ?\}|(\d)))?"
_BOXED = re.compile(rf"(?: ?[*/]? ?\\text ?\{{[^{{}}]*\}}{_POWER})+$")
_BOX = re.compile(rf"([*/]?) ?\\text ?\{{([^{{}}]*)\}}{_POWER}")
_ORDINAL = re.compile(r"(?<=\d) ?\^ ?\{? ?(?:\\text ?\{)? ?(?:st|nd|rd|th) ?\}?\}?$")
_NESTED_BOX = re.compile(r"\\text\s*\{((?:[^{}]|\{[^{}]*\})*)\}")
_PLAIN = re.compile(r"[{}*]|\\(?:cdot|times)")
_UNIT = rf"\\text\s*\{{[^{{}}]*\}}{_POWER.replace('(', '(?:').replace('(?:?:', '(?:')}"
_UNIT_FRACTION = re.compile(rf"\\frac\s*\{{\s*({_UNIT})\s*\}}\s*\{{\s*({_UNIT})\s*\}}$")
_MONEY = re.compile(r"(?<=[\d)])\s*(?:\\text\s*\{\s*)?([kKmMbBT]|bn|mn|tn)\.?\s*\}?$")
_SYMBOLS = tuple(
    (re.compile(rf"(?<=[\d)}}])\s*(?:\\text\s*\{{\s*)?{pattern}\s*\}}{{0,2}}$"), rf" \\text{{{replacement}}}")
    for pattern, replacement in (
        (r"\\mu\s*(?:\\text\s*\{\s*)?(m|s|g|A|F|C|L|l|H|V|W|J|N|mol)", r"micro\1"),
        (r"([kKM])\s*\}?\s*\\Omega", r"\1ohm"),
        (r"\\Omega", "ohm"),
        (r"(?:\\AA|\\mathring\s*\{?\s*(?:\\text\s*\{)?A\}?|\xc5)", "angstrom"),
    )
)
_MODULUS = re.compile(
    r" ?\\pmod ?(?:\{ ?(\w+) ?\}|(\d))$| ?\( ?(?:\\b?mod|\\text ?\{ ?mod ?\}|mod) ?\{? ?(\w+) ?\}? ?\)$"
)
_DEGREE = re.compile(r"\s*\\degree\s*(?:\\text\s*\{\s*([CF])\s*\}|([CF]))?$")
_BARE = re.compile(r"(?:(?<=[\d})!%\]])( ?)|(?<=[A-Za-z])( ))([A-Za-z]+\.?(?:[ /*]+[A-Za-z]+\.?){0,5})" + _POWER + "$")
_FOREIGN = re.compile(r"(?<=[\d})!%]) ?([^\x00-\x7f][^\x00-\x2f:-@\[-`{-\x7f]*\.?(?: [^\W\d_]+){0,4})$")
_ACCENTED = re.compile(r"(?<=[\d})!%]) ([^\W\d_]+\.?(?: [^\W\d_]+){0,4})$")
_PHRASE = re.compile(r"[ (]*[A-Za-z](?:[A-Za-z .'()/*-]|\^ ?-?[1-9])*(?<! )[23]?[ )]*")
_KNOWN_WORDS = FUNCTIONS | GREEK | CONSTANTS.keys()
_LETTER = re.compile(r"(.*[\d})]) ([mgshLNJWVK])")
_LETTERS = r"\{ ?([A-Za-z]{1,3}(?: ?\^ ?\{?[1-9]\}?)?(?:[ *]{1,2}[A-Za-z]{1,3}(?: ?\^ ?\{?[1-9]\}?)?)?) ?\}"
_FRACTION_OF_LETTERS = re.compile(rf"(.*[\d}})])( ?)\\frac ?{_LETTERS} ?{_LETTERS}")


def split_unit(text: str) -> tuple[str, str]:
    """The quantity and its unit in canonical form, ``""`` where there is none; `text` is one normalised scalar.

    A word counts as a unit where it stands in a text box, after a currency sign, or bare after a blank; a single bare
    letter is a variable. Number words become factors: ``3 million dollars`` is ``(3)*10^6`` and ``dollar``. Behind a
    comparison, a negation, an operator or a number name (`closed_words`) nothing is split off.
    """
    if (match := LEADING_CURRENCY.match(text)) is not None:
        quantity, unit = split_unit(_MONEY.sub(_money_factor, text[match.end() :]))
        currency = canonical_unit(match.group(2))
        return match.group(1) + quantity, currency if unit in ("", currency) else f"{currency} {unit}"
    if "mod" in text and (match := _MODULUS.search(text)) is not None and match.start():
        return text[: match.start()].strip(), f"mod {next(filter(None, match.groups()))}"
    if text[-1:].isdigit() and "^" not in text:
        return text, ""
    text = _plainly_boxed(_ORDINAL.sub(r" \\text{th}", text))
    if (match := _DEGREE.search(text)) is not None:
        if "\\" not in re.sub(r"\\(?:frac|pi|sqrt)(?![A-Za-z])", "", text[: match.start()]):
            return _checked(text, match.start(), canonical_unit(f"degree {match.group(1) or match.group(2) or ''}"))
        return text, ""
    if (match := _BOXED.search(text)) is not None:
        if not match.group().isascii():
            return _split_foreign(re.sub(r"\s+", " ", _BOX.sub(r" \2", text)).strip())
        pieces = [(sign, phrase, power or digit) for sign, phrase, power, digit in _BOX.findall(match.group())]
        if match.start() and _is_phrase(" ".join(phrase for _, phrase, _ in pieces)):
            return _scaled(text, match.start(), "".join(f"{s} {phrase}^{p or 1} " for s, phrase, p in pieces))
        return text, ""
    if not text.isascii():
        return _split_foreign(text)
    return _split_bare(text)


def _money_factor(match: re.Match[str]) -> str:
    word = match.group(1)
    return f"*{MONEY_MULTIPLIERS.get(word) or multiplier(word)}"


def _plainly_boxed(text: str) -> str:
    r"""Units in one spelling: ``\frac{\text{m}}{\text{s}}`` as ``\text{m}/\text{s}``, µ and Ω in words."""
    if "\\text" in text:
        text = _NESTED_BOX.sub(lambda match: f"\\text{{{_PLAIN.sub(' ', match.group(1)).replace('^ ', '^')}}}", text)
        text = _UNIT_FRACTION.sub(r"\1/\2", text)
    if "\\mu" in text or "\\Omega" in text or "\\AA" in text or "ring" in text or "\xc5" in text:
        for pattern, replacement in _SYMBOLS:
            text = pattern.sub(replacement, text)
    return text


def split_letter_unit(text: str, *, bare: bool) -> tuple[str, str] | None:
    r"""``5 m`` and ``5 \frac{m}{s}`` as a quantity and the unit that their letters may stand for; ``None`` where they
    can only be variables.

    Args:
        text: a normalised scalar.
        bare: whether it meets a number without a unit; then only letters behind a blank are one.
    """
    if (match := _LETTER.fullmatch(text)) is not None:
        return match.group(1), canonical_unit(match.group(2))
    match = _FRACTION_OF_LETTERS.fullmatch(text) if "\\frac" in text else None
    if match is None or (bare and not match.group(2)):
        return None
    above, below = (re.sub(r"[{}]", "", side).replace("*", " ") for side in match.groups()[2:])
    if not all(_is_symbol(name) for name in re.findall(r"[A-Za-z]+", f"{above} {below}")):
        return None
    return match.group(1), canonical_unit(f"{above} " + re.sub(r"(?<![A-Za-z])(?=[A-Za-z])", "/", below))


def _is_symbol(name: str) -> bool:
    """Whether letters are a unit's symbol: m, s, km, kg, mol."""
    return name in CANONICAL and (len(name) > 1 or name in "mgshLNJWVK")


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
    if len(word) < 4 and word[1:] != word[1:].lower() and word.lower() not in CANONICAL:
        return word  # MW is not mW
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
    """The split before `phrase`, whose leading number words multiply the quantity; elsewhere they are no unit."""
    words = phrase.split()
    factor = ""
    while words and (value := multiplier(words[0].split("^")[0])) is not None:
        factor += f"*{value}"
        words.pop(0)
    if any(multiplier(word) for word in re.findall(r"[^\W\d_]+", " ".join(words))):
        return text, ""
    rest, unit = _checked(text, end, canonical_unit(" ".join(words)))
    if rest == text or not factor:
        return (rest, unit) if not factor else (text, "")
    return f"({rest}){factor}", unit


def _is_phrase(phrase: str) -> bool:
    """Whether words can be a unit: "apples", "square feet", and not "or", "is wrong", "squared"."""
    if not _PHRASE.fullmatch(phrase):
        return False
    first, *others = re.findall(r"[A-Za-z]+", phrase.replace("'", ""))
    if len(first) == 1 and not others and first not in CANONICAL and multiplier(first) is None:
        return False  # a variable in a text box
    return not has_closed_word(" ".join([first, *(word for word in others if word not in ("squared", "cubed"))]))


def _split_bare(text: str) -> tuple[str, str]:
    match = _BARE.search(text)
    if match is None or not any(map(str.isdigit, text[: match.start()])):
        return text, ""
    phrase, power = match.group(3), match.group(4) or match.group(5) or ""
    first = re.split(r"[ /.*]", phrase, maxsplit=1)[0]
    blank = match.group(1) or match.group(2)
    known = _canonical_word(first) in _UNITS or (len(first) > 2 and multiplier(first) is not None)
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
    if match is None:
        return text, ""
    name, factor = match.group(1).strip(), ""
    while name not in FOREIGN and not name.startswith(_PREFIXED_UNITS):
        value, name = leading_multiplier(name)
        if not value:
            break
        factor += f"*{value}"
    if name not in FOREIGN and has_closed_word(name):
        return text, ""
    if not factor and name not in FOREIGN:
        return _scaled(text, match.start(), name)
    if not factor:
        return _checked(text, match.start(), FOREIGN[name])
    rest, unit = _checked(text, match.start(), FOREIGN.get(name) or canonical_unit(name))
    return (f"({rest}){factor}", unit) if rest != text else (text, "")


_PREFIXED_UNITS = ("千克", "千米", "千瓦", "百分", "千卡", "千焦", "千帕", "千赫", "兆瓦", "兆字节", "兆赫")

r"""One spelling for the many ways of writing the same answer: LaTeX spacing, fonts, unicode, full-width characters.

Only spelling changes here, never meaning: what two texts share after `normalize` and `squeeze`, they share in meaning.
"""

from __future__ import annotations

import re
import unicodedata

from rewards.bounds import MAX_ANSWER_CHARS
from rewards.extraction import find_boxes, matching_brace

__all__ = ["normalize", "squeeze"]

_CHARACTERS = {
    "−": "-",
    "–": "-",
    "—": "-",
    "‐": "-",
    "‑": "-",
    "﹣": "-",
    "×": r"\times ",
    "·": r"\cdot ",
    "⋅": r"\cdot ",
    "∙": r"\cdot ",
    "÷": "/",
    "∕": "/",
    "⁄": "/",
    "π": r"\pi ",
    "∞": r"\infty ",
    "√": r"\sqrt ",
    "∛": r"\sqrt[3]",
    "°": r"\degree ",
    "º": r"\degree ",
    "≤": r"\le ",
    "≥": r"\ge ",
    "⩽": r"\le ",
    "⩾": r"\ge ",
    "≠": r"\ne ",
    "≈": r"\approx ",
    "∪": r"\cup ",
    "∩": r"\cap ",
    "∈": r"\in ",
    "±": r"\pm ",
    "∓": r"\mp ",
    "∅": r"\emptyset ",
    "θ": r"\theta ",
    "α": r"\alpha ",
    "β": r"\beta ",
    "γ": r"\gamma ",
    "λ": r"\lambda ",
    "φ": r"\phi ",
    "ω": r"\omega ",
    "’": "'",
    "′": "'",
    "“": '"',
    "”": '"',
    "、": ",",
    "。": ".",
    "，": ",",
    "；": ";",
    "\u200b": "",
    "\ufeff": "",
    "\x00": "",
    "\u00a0": " ",
    "\u202f": " ",
    "\u2009": " ",
    "\u3000": " ",
    "½": r"\frac{1}{2}",
    "⅓": r"\frac{1}{3}",
    "⅔": r"\frac{2}{3}",
    "¼": r"\frac{1}{4}",
    "¾": r"\frac{3}{4}",
    "⅛": r"\frac{1}{8}",
    "℃": r"\degree C",
    "€": " euros ",
    "£": " pounds ",
    "¥": " yuan ",
    "￥": " yuan ",
    "元": " yuan ",
}
_TRANSLATION = str.maketrans(_CHARACTERS)
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ", "0123456789-+n")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_NON_ASCII = re.compile(r"[^\x00-\x7f]")
_REWRITES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\\\\(?:\[[^\[\]]{0,9}\])?|\\cr(?![A-Za-z])", r"\\cr "),
        (r"\\(?:left|right)\s*\.", ""),
        (r"\\(?:left|right|[bB]igg?[lr]?|displaystyle|textstyle|limits|bf|it|rm)(?![A-Za-z])\s*", ""),
        (r"\\lbrace(?![A-Za-z])", r"\\{"),
        (r"\\rbrace(?![A-Za-z])", r"\\}"),
        (r"\\(?:lparen)(?![A-Za-z])", "("),
        (r"\\(?:rparen)(?![A-Za-z])", ")"),
        (r"\\(?:lbrack)(?![A-Za-z])", "["),
        (r"\\(?:rbrack)(?![A-Za-z])", "]"),
        (r"\\(?:lvert|rvert|vert|mid)(?![A-Za-z])", "|"),
        (r"\\(?:langle)(?![A-Za-z])", "("),
        (r"\\(?:rangle)(?![A-Za-z])", ")"),
        (r"\\(?:d|t|c)frac(?![A-Za-z])", r"\\frac"),
        (r"\\[dt]binom(?![A-Za-z])", r"\\binom"),
        (r"(?<=\d)\s*(?:\{,\}|,\\!|\\!,)(?:\s|\\!)*(?=\d{3})", ""),
        (r"(?<=\d),\s*\\!\s*(?=\d{3})", ""),
        (r"\\!", ""),
        (r"\\[ ,;:>]|~|\\(?:quad|qquad|thinspace|hspace\*?\{[^{}]*\})(?![A-Za-z])", " "),
        (r"\\phantom\s*(?:\{[^{}]*\}|[^\s\\])", ""),
        (
            r"\\(?:[mh]box|text(?:normal|rm|bf|it|sf|tt)|math(?:rm|bf|it|sf)|boldsymbol|bm|operatorname\*?|emph)\s*(?=\{)",
            r"\\text",
        ),
        (r"\{,\}", ","),
        (r"\\colon(?![A-Za-z])|\{:\}|\\:", ":"),
        (r"\\(?:cdot|times|ast)(?![A-Za-z])\s*", "*"),
        (r"\\div(?![A-Za-z])\s*", "/"),
        (r"\\(?:leq|leqslant|leqq)(?![A-Za-z])", r"\\le "),
        (r"\\(?:geq|geqslant|geqq)(?![A-Za-z])", r"\\ge "),
        (r"<=", r"\\le "),
        (r">=", r"\\ge "),
        (r"!=", r"\\ne "),
        (r"\\neq(?![A-Za-z])|\\not\s*=", r"\\ne "),
        (r"\\lt(?![A-Za-z])", "<"),
        (r"\\gt(?![A-Za-z])", ">"),
        (r"\\(?:varnothing|empty)(?![A-Za-z])", r"\\emptyset"),
        (r"\\%", "%"),
        (r"\\[$]", " dollars "),
        (r"\\#", "#"),
        (r"\\&", "&"),
        (r"\\_", "_"),
        (r"\^\s*\{?\s*(?:\\circ|\\degree)\s*\}?", r"\\degree "),
        (r"(?<=\d)\s*\\circ(?![A-Za-z])", r"\\degree "),
        (r"\\overrightarrow(?![A-Za-z])|\\vec(?![A-Za-z])", ""),
        (r"\\frac\s*(\d)\s*(\d)", r"\\frac{\1}{\2}"),
        (r"\\frac\s*(\d)\s*(?=\{)", r"\\frac{\1}"),
        (r"(\\frac\s*\{[^{}]*\})\s*(\d)", r"\1{\2}"),
        (r"\\sqrt\s*(\d)(?!\d)", r"\\sqrt{\1}"),
    )
)
_TEXT = re.compile(r"\\text\s*\{([^{}]*)\}")
_DIGITS_ONLY = re.compile(r"\s*[-+]?\d[\d,./]*\s*")
_SPACE = re.compile(r"\s+")
_REPEATING = re.compile(
    r"(\d{0,30})\.(\d{0,30})(?:\\(?:overline|bar)\s*\{(\d{1,30})\}|\\dot\s*\{(\d)\}(?:(\d{0,30})\\dot\s*\{(\d)\})?)"
)


def normalize(text: str) -> str:
    r"""`text` in one spelling: no math delimiters, fonts or sizing, ASCII where there is an equivalent.

    Text longer than `MAX_ANSWER_CHARS` only loses its outer blanks. Words keep their ``\text{...}``.
    """
    text = text.strip()
    if len(text) > MAX_ANSWER_CHARS:
        return text
    boxes = find_boxes(text)
    if len(boxes) == 1 and boxes[0] is not None and text.startswith("\\") and text.endswith("}"):
        text = boxes[0]
    if _NON_ASCII.search(text):
        text = _to_ascii(text)
    text = _without_delimiters(text)
    for pattern, replacement in _REWRITES if "\\" in text or _needs_rewrite(text) else ():
        text = pattern.sub(replacement, text)
    if "$" in text:
        text = text.replace("$", " dollars ")
    if "\\overline" in text or "\\bar" in text or "\\dot" in text:
        text = _REPEATING.sub(_repeating_decimal, text)
    text = _TEXT.sub(lambda match: match.group(1) if _is_plain(match.group(1)) else match.group(), text)
    text = re.sub(r"(?<=\d|[ {])([AaPp])\. ?([Mm])\.?(?![A-Za-z])", r"\1\2", text)
    text = _unwrapped(text.replace("\x00", ""))
    return _SPACE.sub(" ", text).strip().rstrip(".,;:").rstrip()


def squeeze(text: str) -> str:
    """A normalised text without the blanks and braces that carry no meaning: ``x^{2} + 1`` as ``x^2+1``."""
    tight = re.sub(r"(?<![A-Za-z0-9]) | (?![A-Za-z0-9])", "", text)
    return re.sub(r"([\^_])\{(\w)\}(?!\w)", r"\1\2", tight)


def _needs_rewrite(text: str) -> bool:
    return any(mark in text for mark in ("~", "{,}", "<=", ">=", "!=", "{:}"))


def _to_ascii(text: str) -> str:
    text = re.sub(r"√\s*(\d+(?:\.\d+)?)", r"\\sqrt{\1}", text)
    text = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ]+", lambda match: "^{" + match.group().translate(_SUPERSCRIPTS) + "}", text)
    text = re.sub(r"[₀₁₂₃₄₅₆₇₈₉]+", lambda match: "_{" + match.group().translate(_SUBSCRIPTS) + "}", text)
    return unicodedata.normalize("NFKC", text.translate(_TRANSLATION)).translate(_TRANSLATION)


def _without_delimiters(text: str) -> str:
    """Drops ``$...$``, ``\\(...\\)``, ``\\[...\\]`` and markdown emphasis around math; a lone ``$`` stays, as a
    currency.
    """
    text = re.sub(r"\\[()\[\]]", " ", text) if re.search(r"\\\(|\\\[", text) else text
    text = text.strip().strip("*").strip()
    bare = re.sub(r"\\[$]", "", text)
    if bare.count("$") >= 2 and bare.count("$") % 2 == 0:
        text = re.sub(r"(?<!\\)\$", " ", text)
    return text


def _is_plain(content: str) -> bool:
    """Whether a text box holds a number, a single letter or nothing, and so needs no box."""
    stripped = content.strip()
    return (
        stripped in ("e", "i")
        or (len(stripped) <= 1 and not stripped.isalpha())
        or _DIGITS_ONLY.fullmatch(content) is not None
    )


def _repeating_decimal(match: re.Match[str]) -> str:
    whole, fixed, bar, first, middle, last = (group or "" for group in match.groups())
    period = bar or first + middle + last
    top = int(whole + fixed + period) - int(whole + fixed or "0")
    return rf"\frac{{{top}}}{{{'9' * len(period)}{'0' * len(fixed)}}}"


def _unwrapped(text: str) -> str:
    """Without braces around the whole text."""
    text = text.strip()
    while text.startswith("{") and matching_brace(text, 0) == len(text) - 1:
        text = text[1:-1].strip()
    return text

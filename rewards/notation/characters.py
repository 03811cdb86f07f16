"""Characters beyond ASCII that an answer may be written in, and what they are in LaTeX."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["to_ascii"]

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
    "•": r"\cdot ",
    "・": r"\cdot ",
    "∗": "*",
    "÷": "/",
    "∕": "/",
    "⁄": "/",
    "∞": r"\infty ",
    "√": r"\sqrt ",
    "∛": r"\sqrt[3]",
    "°": r"\degree ",
    "º": r"\degree ",
    "˚": r"\degree ",
    "‰": r"*\frac{1}{1000}",
    "≤": r"\le ",
    "≥": r"\ge ",
    "⩽": r"\le ",
    "⩾": r"\ge ",
    "≦": r"\le ",
    "≧": r"\ge ",
    "⟨": "(",
    "⟩": ")",
    "ℝ": r"\mathbb{R}",
    "ℤ": r"\mathbb{Z}",
    "ℕ": r"\mathbb{N}",
    "ℚ": r"\mathbb{Q}",
    "ℂ": r"\mathbb{C}",
    "∖": r"\setminus ",
    "∧": r"\land ",
    "∨": r"\lor ",
    "≠": r"\ne ",
    "≃": r"\approx ",
    "≒": r"\approx ",
    "∶": ":",
    "✓": "",
    "✔": "",
    "✅": "",
    "☑": "",
    "∎": "",
    "■": "",
    "\ufe0f": "",
    "△": r"\triangle ",
    "∠": r"\angle ",
    "≈": r"\approx ",
    "∪": r"\cup ",
    "∩": r"\cap ",
    "∈": r"\in ",
    "±": r"\pm ",
    "∓": r"\mp ",
    "∅": r"\emptyset ",
    "’": "'",
    "′": "'",
    "“": '"',
    "«": '"',
    "»": '"',
    "”": '"',
    "「": '"',
    "」": '"',
    "、": ",",
    "。": ".",
    "，": ",",
    "；": ";",
    "\u200b": "",
    "\u2062": "",
    "\u200e": "",
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
    "⅜": r"\frac{3}{8}",
    "⅝": r"\frac{5}{8}",
    "⅞": r"\frac{7}{8}",
    "⅕": r"\frac{1}{5}",
    "⅖": r"\frac{2}{5}",
    "⅗": r"\frac{3}{5}",
    "⅘": r"\frac{4}{5}",
    "⅙": r"\frac{1}{6}",
    "⅚": r"\frac{5}{6}",
    "⅐": r"\frac{1}{7}",
    "⅑": r"\frac{1}{9}",
    "⅒": r"\frac{1}{10}",
    "℃": r"\degree C",
    "€": " euros ",
    "£": " pounds ",
    "₹": " rupees ",
    "¥": " yuan ",
    "￥": " yuan ",
}
_CHARACTERS |= {chr(0x2460 + k): f"({k + 1})" for k in range(9)}
_GREEK = (
    "αalpha βbeta γgamma δdelta εepsilon ζzeta ηeta θtheta κkappa λlambda μmu νnu ξxi πpi ρrho σsigma τtau φphi ϕphi "
    "χchi ψpsi ωomega ΓGamma ΔDelta ΘTheta ΛLambda ΞXi ΠPi ΣSigma ΦPhi ΨPsi ΩOmega"
)
_CHARACTERS |= {word[0]: rf"\{word[1:]} " for word in _GREEK.split()}
_TRANSLATION = str.maketrans(_CHARACTERS)
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ", "0123456789-+n")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_OVERLINED = re.compile("((?:\\d\u0305)+)")


def to_ascii(text: str) -> str:
    """`text` with LaTeX or ASCII in place of mathematical, typographic and full-width characters; letters stay."""
    text = _OVERLINED.sub(lambda match: r"\overline{" + match.group().replace("\u0305", "") + "}", text)
    text = re.sub(r"√\s*(\d+(?:\.\d+)?)", r"\\sqrt{\1}", text)
    text = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ]+", lambda match: "^{" + match.group().translate(_SUPERSCRIPTS) + "}", text)
    text = re.sub(r"[₀₁₂₃₄₅₆₇₈₉]+", lambda match: "_{" + match.group().translate(_SUBSCRIPTS) + "}", text)
    return unicodedata.normalize("NFKC", text.translate(_TRANSLATION)).translate(_TRANSLATION)

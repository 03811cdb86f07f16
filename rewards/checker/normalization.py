r"""One spelling for the many ways of writing the same answer: LaTeX spacing, fonts, unicode, full-width characters.

Only spelling changes here, never meaning: what two texts share after `normalize` and `squeeze`, they share in meaning.
"""

from __future__ import annotations

import functools
import re

from rewards.algebra.bounds import MAX_ANSWER_CHARS
from rewards.checker.extraction import find_boxes, matching_brace
from rewards.notation.characters import to_ascii
from rewards.notation.repeating import rewrite_repeating_decimals

__all__ = ["normalize", "squeeze"]

_REMEMBERED = 4_096  # texts: a gold answer meets every sample of its group, an answer is read and compared
_NON_ASCII = re.compile(r"[^\x00-\x7f]")
_REWRITES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\\\\(?:\[[^\[\]]{0,9}\])?|\\cr(?![A-Za-z])", r"\\cr "),
        (r"\\(?:left|right)\s*\.", ""),
        (r"\{\s*\}\s*(?=[\^_])", ""),
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
        (r"\\(?:d|t|c|nice|s)frac(?![A-Za-z])", r"\\frac"),
        (r"\\[dt]binom(?![A-Za-z])", r"\\binom"),
        (r"(?<=\d)\s*(?:\{\s*,\s*\}|,\\!|\\!,)(?:\s|\\!)*(?=\d{3})", ""),
        (r"(?<=\d),\s*\\!\s*(?=\d{3})", ""),
        (r"\\!", ""),
        (r"\\[ ,;:>]|~|\\(?:quad|qquad|thinspace|hspace\*?\{[^{}]*\})(?![A-Za-z])", " "),
        (r"\\phantom\s*(?:\{[^{}]*\}|[^\s\\])", ""),
        (
            r"\\(?:operatorname\*?|mathrm|text)\s*\{\s*(a?r?c?(?:sin|cos|tan)h?|cot|sec|csc|ln|log|lg|exp|cis)\s*\}",
            r"\\\1 ",
        ),
        (r"\\(?:operatorname\*?|mathrm|text)\s*\{\s*(gcd|lcm|max|min)\s*\}(?=\s*(?:\(|\\[{]|\\lbrace))", r"\\\1 "),
        (
            r"\\(?:[mh]box|text(?:normal|rm|bf|it|sf|tt)|mathrm|operatorname\*?|emph)\s*(?=\{)",
            r"\\text",
        ),
        (r"\{,\}", ","),
        (r"\\colon(?![A-Za-z])|\{:\}|\\:", ":"),
        (r"(?<![\\^_])\{\s*([-+])\s*\}", r"\1"),
        (r"\\imath(?![A-Za-z])", "i"),
        (r"\\surd(?![A-Za-z])", r"\\sqrt"),
        (r"\\(?:cdot|times|ast)(?![A-Za-z])\s*", "*"),
        (r"\\div(?![A-Za-z])\s*", "/"),
        (r"\\big(cup|cap)(?![A-Za-z])(?!\s*[_^])", r"\\\1 "),
        (r"\\(?:leq|leqslant|leqq)(?![A-Za-z])", r"\\le "),
        (r"\\(?:geq|geqslant|geqq)(?![A-Za-z])", r"\\ge "),
        (r":=", "="),
        (r"<=", r"\\le "),
        (r">=", r"\\ge "),
        (r"!=", r"\\ne "),
        (r"\\neq(?![A-Za-z])|\\not\s*=", r"\\ne "),
        (r"\\lt(?![A-Za-z])", "<"),
        (r"\\gt(?![A-Za-z])", ">"),
        (r"\\(?:varnothing|empty)(?![A-Za-z])", r"\\emptyset"),
        (r"\\(?:dots[cbmio]?|cdots|hdots)(?![A-Za-z])", r"\\ldots "),
        (r"\\%", "%"),
        (r"(\\[$])\s*\\text\s*\{\s*(?=\d)([^{}]*)\}", r"\1\2"),
        (r"\\[$]", " dollars "),
        (r"\\#", "#"),
        (r"\\&", "&"),
        (r"\\_", "_"),
        (
            r"\^\s*(?:\{\s*(?:\\circ|\\degree|o|\\text\s*\{\s*o\s*\})\s*\}|\\text\s*\{\s*o\s*\}"
            r"|\\circ(?![A-Za-z])|\\degree(?![A-Za-z])|o(?![A-Za-z]))",
            r"\\degree ",
        ),
        (r"(?<=\d)\s*\\circ(?![A-Za-z])", r"\\degree "),
        (r"\\overrightarrow(?![A-Za-z])|\\vec(?![A-Za-z])", ""),
        (r"\\textdegree(?![A-Za-z])", r"\\degree "),
        (r"\\(?:Bbb|mathds)(?=\s*(?:\{|[A-Z]))", r"\\mathbb"),
        (r"\\([RNZQ])(?![A-Za-z])", r"\\mathbb{\1}"),
        (r"\\mathbb\s*([A-Z])(?![A-Za-z])", r"\\mathbb{\1}"),
        (r"_\s*(?:\{\s*\\text\s*\{\s*(\w+)\s*\}\s*\}|\\text\s*\{\s*(\w+)\s*\})", r"_{\1\2}"),
        (r"\\(frac|binom)\s*(\d)\s*(\d)", r"\\\1{\2}{\3}"),
        (r"\\(frac|binom)\s*(\d)\s*(?=\{)", r"\\\1{\2}"),
        (r"(\\(?:frac|binom)\s*\{[^{}]*\})\s*(\d)", r"\1{\2}"),
        (r"\\sqrt\s*(\d)(?!\d)", r"\\sqrt{\1}"),
    )
)
_LAYOUT: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (
            r"(?<!\\)\\\\(?=(?:[dt]?frac|sqrt|pi|text|times|cdot|left|right|infty|pm|log|ln|sin|cos|tan"
            r"|theta)(?![A-Za-z]))",
            r"\\",
        ),
        (r"\\\\\s*\[\s*-?\d*\.?\d+\s*(?:[a-z]{2}|\\(?:base|line)skip)\s*\]", r"\\\\ "),  # a gap below a row
        (r"\\(?:text)?color\s*(?:\[[^\[\]{}]*\])?\s*\{[^{}]*\}", ""),
        (r"\\f?colorbox\s*\{[^{}]*\}\s*(?:\{[^{}]*\}\s*(?=\{))?", ""),
        (r"\\(?:smash|underline|uline|framebox|fbox|boxed|ensuremath|bbox(?:\[[^\[\]{}]*\])?)\s*(?=\{)", ""),
        (r"\\(?:tag\*?|label|vphantom|hphantom)\s*\{[^{}]*\}", ""),
        (r"\\(?:checkmark|blacksquare|qed|qedhere|nonumber|notag|strut|mathstrut|hfill|null|relax)(?![A-Za-z])", ""),
        (r"\\(?:tiny|scriptsize|small|normalsize|large|Large|LARGE|huge|Huge|scriptstyle)(?![A-Za-z])", ""),
        (r"\s*\\(?:square|Box)\s*$", ""),
        (r"\\(?:begin|end)\s*\{(?:equation|gather|displaymath|math|center|multline)\*?\}", " "),
        (r"\\(?:simeq|doteq|approxeq)(?![A-Za-z])", r"\\approx "),
    )
)
_ANY_LAYOUT = re.compile(
    r"\\(?:\\(?:[a-z]|\s*\[)"
    r"|(?:text)?color|f?colorbox|u(?:nder)?line|f(?:rame)?box|b(?:oxed|box|egin|lacksquare)|ensure|tag"
    r"|label|[vh]phantom"
    r"|checkmark|qed|no|smash|strut|mathstrut|hfill|null|relax|tiny|script|small|normalsize|[lL]arge|LARGE|[hH]uge|square"
    r"|Box|sim"
    r"|doteq|approxeq)"
)
_ONE_ROW = re.compile(r"\\begin\s*\{(align(?:ed|at)?\*?|split|gathered)\}((?:(?!\\\\|\\begin)[\s\S])*)\\end\s*\{\1\}")
_EDGES = re.compile(r"^(?:[&\s]|=(?!=))+|[&\s\\]+$")
_SWISS = re.compile(r"(?<![\d'.])\d{1,3}(?:'\d{3})+(?![\d'])")
_TEXT = re.compile(r"\\text\s*\{([^{}]*)\}")
_DIGITS_ONLY = re.compile(r"\s*[-+]?\d[\d,./]*\s*")
_SPACE = re.compile(r"\s+")
_INFIX = (
    (re.compile(r"\{([^{}]*)\\choose(?![A-Za-z])([^{}]*)\}"), r"\\binom{\1}{\2}"),
    (re.compile(r"\{([^{}]*)\\over(?![A-Za-z])([^{}]*)\}"), r"\\frac{\1}{\2}"),
    (re.compile(r"([^{},;=<>]*)\\over(?![A-Za-z])([^{},;=<>]*)"), r"\\frac{\1}{\2}"),
    (re.compile(r"([^{},;=<>]*)\\choose(?![A-Za-z])([^{},;=<>]*)"), r"\\binom{\1}{\2}"),
)
_FONT = re.compile(r"\\(?:math(?:bf|it|sf|cal|scr)|boldsymbol|bold|bm|pmb)\s*(?=\{)")
_BOX_COMMAND = re.compile(r"\\(?:text(?:bf|it|rm|normal|sf|tt)?|mathrm|[mh]box|emph)\s*(?=\{)")
_PRIMES = re.compile(r"\^\s*(?:\{\s*(?:\\prime\s*)+\}|\\prime(?![A-Za-z]))")
_SIGNED_INFINITY = re.compile(r"(?:(negative|minus)|positive|plus)\s+infinity\b", re.IGNORECASE)
_SIGN_WORD = re.compile(r"(?:\\text\s*\{\s*)?(?:negative|minus)\s*\}?\s+(?=\$?\d)|[负負](?=\d)", re.IGNORECASE)
_TIMES_TEN = re.compile(r"(?<=\d)\s?[xX]\s?(?=10\s?(?:\^|\*\*))")
_ANSWER_IS = re.compile(
    r"(?:\\text\s*\{\s*)?(?:(?:the|so|my|final)\s+)*answer(?:\s+is)?\s*[:=]?\s*(\}?)\s*=?\s*(?=\S)", re.IGNORECASE
)
_QUOTED = re.compile(r"([\"'`]{1,2})([^\"'`]+)[\"']{1,2}")
_PAIRS = (("\\(", "\\)"), ("\\[", "\\]"), ("**", "**"))
_LAYERS = frozenset("{\"'`$*\\ \t\n.,;:")
_PLAIN_LATEX = re.compile(
    r"(?:[^\\}]|\\(?:frac(?=\{)|sqrt(?=\{)|pi(?![A-Za-z])|(?<![_{]\\)(?<![_{] \\)text\{ ?(?!a?r?c?(?:sin|cos|tan)h? ?\}"
    r"|(?:cot|sec|csc|ln|log|lg|exp|cis|gcd|lcm|max|min) ?\})[a-z][a-z ]+\})|\}(?!\s*\d))*"
)
_REWRITE_MARKS = re.compile(r"~|\{ ?(?:,|[-+] ?\})|[<>!:]=|\{:\}|\^\{?o")


def normalize(text: str) -> str:
    r"""`text` in one spelling: no math delimiters, fonts or sizing, ASCII where there is an equivalent.

    Text longer than `MAX_ANSWER_CHARS` only loses its outer blanks. Words keep their ``\text{...}``.
    """
    text = text.replace("\x0crac", r"\frac").strip()  # a program took the \f for a form feed
    return text if len(text) > MAX_ANSWER_CHARS else _normalized(text)


@functools.lru_cache(maxsize=_REMEMBERED)
def _normalized(text: str) -> str:
    if text.startswith("\\") and text.endswith("}") and "box" in text:
        boxes = find_boxes(text)
        text = boxes[0] if len(boxes) == 1 and boxes[0] is not None else text
    if _NON_ASCII.search(text):
        text = to_ascii(text)
    text = _without_layout(text)
    text = _without_delimiters(_peeled(text))
    if "\\math" in text or "\\bo" in text or "\\bm" in text or "\\pmb" in text:
        text = _without_fonts(text)
    if (box := _BOX_COMMAND.match(text)) is not None and ("\\" in text[1:] or "$" in text):
        text = text[box.end() + 1 : -1] if matching_brace(text, box.end()) == len(text) - 1 else text
    if "\\choose" in text or "\\over" in text:
        for pattern, replacement in _INFIX:
            text = pattern.sub(replacement, text)
    spelled = "\\" not in text or _PLAIN_LATEX.fullmatch(text) is not None
    for pattern, replacement in _REWRITES if not spelled or _REWRITE_MARKS.search(text) else ():
        text = pattern.sub(replacement, text)
    if "\\prime" in text:
        text = _PRIMES.sub(lambda match: "'" * match.group().count("prime"), text)
    if "$" in text:
        text = text.replace("$", " dollars ")
    if "==" in text:
        text = text.replace("==", "=")
    if "." in text:
        text = rewrite_repeating_decimals(text)
    if any(map(str.isalpha, text)):
        text = _rewrite_words(text)
    text = _TEXT.sub(lambda match: match.group(1) if _is_plain(match.group(1)) else match.group(), text)
    text = re.sub(r"(?<=\d|[ {])([AaPp])\. ?([Mm])\.?(?![A-Za-z])", r"\1\2", text)
    text = _unwrapped(text.replace("\x00", ""))
    text = _SPACE.sub(" ", text).strip()
    return text if text.endswith("..") else text.rstrip(".,;:").rstrip()


def squeeze(text: str) -> str:
    """A normalised text without the blanks and braces that carry no meaning: ``x^{2} + 1`` as ``x^2+1``."""
    return _squeezed(text) if len(text) <= MAX_ANSWER_CHARS else _squeezed.__wrapped__(text)


@functools.lru_cache(maxsize=_REMEMBERED)
def _squeezed(text: str) -> str:
    tight = re.sub(r"(?<![A-Za-z0-9]) | (?![A-Za-z0-9])", "", text)
    return re.sub(r"([\^_])\{(\w)\}(?!\w)", r"\1\2", tight)


def _without_layout(text: str) -> str:
    """Without colours, frames, tags, ticks, environments of one row, and what stands at the edges by mistake."""
    if "\\" in text:
        if "\\begin" in text and (row := _ONE_ROW.fullmatch(text.strip("$ \n"))) is not None:
            text = row.group(2).replace("&", "")
        for pattern, replacement in _LAYOUT if _ANY_LAYOUT.search(text) else ():
            text = pattern.sub(replacement, text)
    if text[:1] in ("&", "=") or text[-1:] in ("&", "\\"):
        text = _EDGES.sub("", text)
    return _SWISS.sub(lambda match: match.group().replace("'", ""), text) if "'" in text else text


def _without_fonts(text: str) -> str:
    r"""Without bold, italic and calligraphic fonts: ``\mathbf{v}`` as ``v``, or as ``{v}`` between other letters."""
    pieces: list[str] = []
    position = 0
    while (match := _FONT.search(text, position)) is not None:
        end = matching_brace(text, match.end())
        if end is None:
            break
        content = text[match.end() + 1 : end].strip()
        before, after = text[: match.start()].rstrip()[-1:], text[end + 1 :].lstrip()[:1]
        alone = not before.isalpha() and not after.isalpha() and after not in ("\\", "{", "^", "!", "'")
        pieces += [text[position : match.start()], content if alone or after in ("_", "'") else f"{{{content}}}"]
        position = end + 1
    return "".join([*pieces, text[position:]])


def _rewrite_words(text: str) -> str:
    if "nfinity" in text:
        text = _SIGNED_INFINITY.sub(lambda match: ("-" if match.group(1) else "") + r"\infty", text)
    if "10" in text and ("x" in text or "X" in text):
        text = _TIMES_TEN.sub("*", text)
    if (match := _SIGN_WORD.match(text)) is not None and "text" not in text[match.end() :]:
        text = f"-{text[match.end() :]}"
    if "nswer" in text and (match := _ANSWER_IS.match(text)) is not None:
        text = text[match.end() :] if match.group(1) or not text.startswith("\\") else r"\text{" + text[match.end() :]
    return text


def _peeled(text: str) -> str:
    """Without the layers around the whole: blanks, a final stop, braces, quotes, ``$…$``, ``\\(…\\)`` and ``**…**``."""
    for _ in range(8):
        if not text or (text[0] not in _LAYERS and text[-1] not in _LAYERS):
            break
        before, text = text, text.strip()
        if text[-1:] in (".", ",", ";", ":") and text[-2:-1] not in (".", "\\"):
            text = text[:-1].rstrip()
        if text.startswith("$") and text.endswith("$") and text.count("$") == 2:
            text = text[1:-1]
        elif (text[:2], text[-2:]) in _PAIRS and text.count(text[:2]) + text.count(text[-2:]) in (2, 4):
            text = text[2:-2]
        elif text[:1] in ('"', "'", "`") and (quoted := _QUOTED.fullmatch(text)) is not None:
            text = quoted.group(2)
        elif "," not in text:
            text = _unwrapped(text)
        if text == before:
            break
    return text


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


def _unwrapped(text: str) -> str:
    """Without braces around the whole text."""
    text = text.strip()
    while text.startswith("{") and matching_brace(text, 0) == len(text) - 1:
        text = text[1:-1].strip()
    return text

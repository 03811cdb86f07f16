r"""Phrases that announce an answer, what follows them, and what belongs to a value that stands in a text.

``The answer is``, ``Final answer:``, ``Answer``, ``The correct option is``, ``答案是``, ``故选`` and their like in the
languages of MGSM. A phrase counts where what follows may be an answer: "I hope this answer is helpful" says nothing.
"""

from __future__ import annotations

import re

from rewards.algebra.lexer import FUNCTIONS
from rewards.checker.closed_words import leading_multiplier, multiplier
from rewards.checker.unit_names import CANONICAL, FOREIGN

__all__ = ["attached_before", "attached_behind", "bare_value", "last_phrase_answer"]

_VERB = (
    r"(?:is|was|(?:will|would|should|must)\s{1,3}be|equals|becomes|comes\s{1,3}out\s{1,3}to"
    r"|(?:comes|turns)\s{1,3}out\s{1,3}to\s{1,3}be)(?![A-Za-z])"
    r"(?:\s{1,3}(?:therefore|thus|then|hence|clearly|simply|just|exactly|precisely|definitely|certainly|surely"
    r"|obviously|only|indeed|also|now|in\s{1,3}fact|equal\s{1,3}to"
    r"|given\s{1,3}by|(?:given\s{1,3}|shown\s{1,3})?below|as\s{1,3}follows|the\s{1,3}following)(?![A-Za-z]))?"
)
_OBJECT = (
    r"(?:\s{1,3}(?:to|for|of)\s{1,3}(?:the|this|your|part|our)(?:\s{1,3}[A-Za-z()]{1,15}){0,4}?"
    r"|\s\([A-Za-z /]{1,20}\)|,\s(?:then|therefore|thus|hence|of course),"
    r"|\s{1,3}(?:that\s)?(?:I|we)\s{1,3}"
    r"(?:get|got|find|found|obtain|obtained))?"
)
_PHRASE = re.compile(
    rf"final\s{{1,3}}answer[*_]{{0,2}}(?:{_OBJECT}\s{{1,3}}{_VERB}|\s{{0,3}}(?:[:：=]>?|->|→)"
    rf"|[ \t]{{0,3}}\n)[*_]{{0,2}}\s{{0,3}}[:：]?"
    rf"|answer(?:'s(?![A-Za-z])|[*_]{{0,2}}(?:{_OBJECT}\s{{1,3}}{_VERB}\s{{0,3}}[:：]?|\s{{0,3}}(?:[:：=]|->|=>|→"
    rf"|\\(?:right|to)arrow)|\s{{1,3}}[-–—]\s))"
    r"|(?:^|\n)[ \t]{0,3}(?:[#>]{1,6}[ \t]{0,3})?(?:[*_]{2}[ \t]?(?:final[ \t])?answer[ \t]?[*_]{2}"
    r"|(?:final[ \t])?answer(?=[ \t]{0,3}\n))[ \t]{0,3}\n?"
    rf"|(?:correct|right)\s{{1,3}}(?:option|choice)(?:\s{{1,3}}{_VERB}\s{{0,3}}[:：]?|\s{{0,3}}[:：])"
    r"|(?:^|\n)[ \t]{0,3}[*_]{0,2}Ans(?:\.:?|:)[*_]{0,2}\s{0,3}"
    r"|(?:^|\n)[ \t]{0,3}[*]{0,2}答\s?[:：][*]{0,2}\s?(?:[一]?共有?)?"
    r"|(?:正确|應選)的?(?:选项|答案)\s?(?:是|为|為|[:：])\s{0,3}[:：]?"
    r"|【(?:正确)?答案】\s{0,3}[:：]?|答案\s{0,3}(?:应该是|应该为|应当是|应当为|应为|应是|就是|是|为|為|应?选(?:择"
    r"|项)?|[:：=])\s{0,3}[:：]?"
    r"|(?:故|应|所以|因此|本题|正确)选(?:择|项)?(?:是|为|應為)?\s{0,3}[:：]?"
    r"|(?:Antwort|réponse(?: finale)?|respuesta(?: final)?|risposta|resposta)\s{0,3}(?:(?:ist|lautet|est|es|è"
    r"|é)(?![A-Za-z])|[:：])\s{0,3}[:：]?"
    r"|ответ\s{0,3}(?:[:：=—–-]|равен|это)\s{0,3}[:：]?|答え\s{0,3}(?:は|[:：])|คำตอบ\s{0,3}(?:คือ|[:：])"
    r"|উত্তর\s{0,3}(?:হল|হলো|[:：])"
    r"|సమాధానం\s{0,3}[:：]?|Jibu\s{0,3}(?:ni|[:：])",
    re.IGNORECASE,
)
_PROBES = 40
_KEY_WORDS = ("answer", "Answer", "ANSWER", "aNSWER")
_LATE_KEY_WORDS = (
    "Ans",
    "option",
    "choice",
    "Antwort",
    "respuesta",
    "Respuesta",
    "risposta",
    "resposta",
    "Jibu",
    "jibu",
)
_LATE = 2_000  # characters at the end of a text, where the rarer key words are looked for
_FOREIGN_KEY_WORDS = ("答案", "选", "答", "réponse", "Réponse", "твет", "答え", "คำตอบ", "উত্তর", "సమాధానం")
_MATH_END = r"(?=[\s.,;*]*(?:$|[a-zA-Z.\n(]|\\?%|[^\x00-\x7f]))(?!\s*,?\s*(?:and|or|to)(?![A-Za-z]))"
_INSIDE = r"(?:[^$\\]|\\[\s\S]){1,2000}?"
_LEADING_MATH = re.compile(
    rf"\$\$({_INSIDE})\$\${_MATH_END}|\\\[((?:(?!\\\])[\s\S]){{1,2000}})\\\]{_MATH_END}"
    rf"|\$({_INSIDE})\${_MATH_END}|\\\(([^\n]{{1,2000}}?)\\\){_MATH_END}"
    r"|```\w{0,12}\n([^`]{1,2000}?)\n?```|\\begin\{(?:equation|align|gather"
    r"|displaymath)\*?\}([\s\S]{1,2000}?)\\end\{(?:equation|align|gather|displaymath)\*?\}"
)
_SENTENCE_END = re.compile(
    r"\n|[.!?](?=\s|$)|。|！|？|</\w{1,20}>|<\||【|,?\s(?:because|since|which|as|so|where|weil|parce que|porque)\s"
    r"|[,，](?:因为|由于|所以|其中|因此|故|即)"
)
_BULLETS = re.compile(r"[ \t]{0,3}[-*•][ \t]+(?=\S)")
_COMMENT = re.compile(
    r"(?:very |quite |indeed |now |also |most |both |clear(?:ly)? and )*(?:helpful|useful|correct|right|valid|clear"
    r"|verified|confirmed|consistent|"
    r"reasonable|unique|complete|sensible|plausible|satisfactory|the same|unchanged|boxed|above|as (?:above"
    r"|expected|required|desired)|"
    r"expected|in the (?:box|required|correct|right)|of (?:some )?help|what|sound)\b[^=\d$\\]*",
    re.IGNORECASE,
)
_CHECKED_BEFORE = re.compile(
    r"(?:check|verify|confirm|double-check|checking|verifying|validate)(?:\s+\w+){0,3}\s+$", re.IGNORECASE
)

_SIGN_BEFORE = re.compile(r"(?P<sign>[-−]|\\pm|±)(?P<blank>[ \t]{0,9})(?:\$\$?|\\[(\[$]|\*\*|[{€£¥₹ \t]){0,9}$")
_TELLING = frozenset("-−±m€£¥₹toreq为是≠")  # last characters of signs, currencies and denials
_DENIALS = re.compile(r"n(?:ot|'t|ever|icht|e)|不|≠")
_CURRENCY_BEFORE = re.compile(r"(?:\\\$|[€£¥₹])[ \t]{0,3}\$?$")
_DENIED_BEFORE = re.compile(
    r"(?:(?<![A-Za-z])(?:not|never|isn't|nicht)|不是|不为|\\neq?|≠)\s{0,3}(?:(?:equal to|be)\s{0,3})?(?:\$\$?|\\[(\[]"
    r"|\*\*){0,3}$"
)
_CLOSING = re.compile(r"(?:[ \t]|\$\$?|\\\)|\\\]|\*\*|\\[,;: !]|~)*")
_TEXT_BOX = re.compile(
    r"(?:\\[,;: ]|[ \t~])*\\(?:text|mathrm|mbox|textrm|textnormal"
    r"|operatorname)\s*\{([^{}]{1,40})\}(?:\s*\^\s*(?:\{-?\d\}|\d))?"
)
_PERCENT = re.compile(r"\\?[%％]|(?:per ?cent|pct)(?![A-Za-z])")
_TIMES_TEN = re.compile(r"\s{0,3}\\(?:times|cdot)\s{0,3}10\s?\^\s?(?:\{-?\d{1,3}\}|\d)")
_DEGREES = re.compile(r"\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![A-Za-z]))|°|\\degree(?![A-Za-z])")
_POWER = re.compile(r"\^\s*(?:\d|\{-?\d{1,3}\})")
_OR = re.compile(
    r",?\s*(?:or|oder|ou|или)\s+(more|less|fewer|greater|higher|lower|so|mehr|weniger|plus|moins|больше|меньше"
    r"|\$?-?\d[\d.,]*\d|\$?-?\d)"
)
_WORD = re.compile(r"[A-Za-z]+")
_WORDS = re.compile(r"[^\W\d_]+")
_SIGNS_BEHIND = re.compile(r"以[上下内內外]|左右|倍|[个個名人只位]?以上")
_AMBIGUOUS = frozenset(
    {
        "in",
        "th",
        "st",
        "nd",
        "rd",
        "second",
        "minute",
        "unit",
        "mi",
        "sec",
        "deg",
        "kilo",
        "ton",
        "buck",
        "pound",
        "kelvin",
    }
)
_CLAUSE_END = re.compile(r"[\s$]*(?:[.,;:!?)]|$)")
_UNIT_TAIL = re.compile(
    r"(?:\s?\^\s?\{?-?[1-9]\}?|[²³]| squared| cubed)?(?:\s?/\s?[A-Za-z]+(?:\^\{?[1-9]\}?|[²³])?| per [a-z]+(?: "
    r"squared)?)?"
)
_UNIT_HEAD = re.compile(r"(?:square|cubic|sq\.?|cu\.?) (?=[A-Za-z])")
_SCALES = frozenset({"tens", "score", "gross", "mil", "tis", "sto", "lac", "ratus", "mia"})
_SPECIAL = re.compile(r"<\|[\w ]{1,30}\|>|</?s>|<end_of_turn>|<eos>")
_ESCAPED = re.compile(r"\\(?:text|mathrm|mbox|operatorname)\s*\{[^{}]*\}|\\[A-Za-z]+")
_LETTERS = re.compile(r"[A-Za-z]+")
_VALUE_WORDS = FUNCTIONS | {"pi", "oo", "Matrix", "Interval", "Rational", "Fraction", "Union", "and", "or"}
_NUMBER_AND_UNIT = re.compile(r"[-+]?[\d.,/]*\d(?: ?[A-Za-z%²³/.]+){0,3}")


def last_phrase_answer(text: str) -> tuple[bool, str | None]:
    """Whether a phrase announces an answer, and the answer that the last one gives.

    From the end of the text only the surroundings of the key words are searched, first in its last `_LATE` characters;
    after `_PROBES` of them that announce nothing, all the rest in one pass.
    """
    words = _KEY_WORDS if text.isascii() else (*_KEY_WORDS, *_FOREIGN_KEY_WORDS)
    late = max(0, len(text) - _LATE)
    places = {word: text.rfind(word, late) for word in (*words, *_LATE_KEY_WORDS)}  # each moves towards the start
    sought = [*words, *(word for word in _LATE_KEY_WORDS if places[word] >= 0)]
    for _ in range(_PROBES):
        start = max(places.values())
        if start < 0 < late:
            places = {word: text.rfind(word, 0, late + len(word) - 1) for word in sought}
            start, late = max(places.values()), 0
        if start < 0:
            return False, None
        word = next(word for word, place in places.items() if place == start)
        phrases = list(_PHRASE.finditer(text, max(0, start - 25), start + len(word) + 90))
        found = _last_answer(text, phrases)
        if found is not None:
            return True, found
        places[word] = text.rfind(word, late, start)
    last = max(places.values())
    if last < 0 < late:
        last = max(text.rfind(word, 0, late + len(word) - 1) for word in sought)
    found = _last_answer(text, list(_PHRASE.finditer(text, 0, last + 60))) if last >= 0 else None
    return found is not None, found


def _last_answer(text: str, phrases: list[re.Match[str]]) -> str | None:
    for phrase in reversed(phrases):
        answer = _phrase_answer(text, phrase.end())
        if not _is_comment(text, phrase, answer):
            return answer
    return None


def _is_comment(text: str, phrase: re.Match[str], answer: str) -> bool:
    """Whether what follows a phrase comments on an answer and gives none."""
    if _COMMENT.fullmatch(answer) is not None:
        return True
    checked = phrase.group().rstrip().endswith((":", "：")) and _CHECKED_BEFORE.search(
        text, max(0, phrase.start() - 40), phrase.start()
    )
    return bool(checked) and len(re.findall(r"[A-Za-z]{2,}", answer)) > 2


def _phrase_answer(text: str, start: int) -> str:
    """From `start` to the end of the sentence; on the next line where the phrase ends its own; list items as a list."""
    while start < len(text) and text[start] in " \t\r\n*_:}":
        if _BULLETS.match(text, start) is not None:
            break
        start += 1
    if _BULLETS.match(text, start) is not None and "\n" in text[max(0, start - 3) : start]:
        rows = []
        for row in text[start:].split("\n", 12)[:12]:
            if (bullet := _BULLETS.match(row)) is None:
                break
            rows.append(row[bullet.end() :].strip().rstrip(".;,"))
        return ", ".join(rows)
    math = _LEADING_MATH.match(text, start)
    if math is not None:
        content = next(group for group in math.groups() if group is not None)
        return content.strip() + attached_behind(text, math.end(), content.strip())
    match = _SENTENCE_END.search(text, start)
    return text[start : match.start() if match else len(text)].strip("*_` \t")


def attached_before(text: str, start: int) -> str:
    r"""What belongs to a value that starts at `start`: ``-`` or ``\pm``, a currency sign, or a denial; ``""`` else. A
    difference, a dash in a sentence and a list's bullet are no signs.
    """
    line = text[max(0, start - 60) : start]
    if line.rstrip(" \t$*{([\\")[-1:] not in _TELLING and "\\$" not in line[-6:]:
        return ""
    line = line.rsplit("\n", 1)[-1]
    if _DENIALS.search(line) and _DENIED_BEFORE.search(line):
        return r"\text{not }"
    currency = r"\$" if _CURRENCY_BEFORE.search(line) else ""
    match = _SIGN_BEFORE.search(line)
    if match is None or not _is_sign(line[: match.start()], spaced=bool(match["blank"])):
        return currency
    return ("-" if match["sign"] in "-−" else r"\pm ") + currency


def _is_sign(before: str, *, spaced: bool) -> bool:
    """Whether a minus behind `before` is a sign; `spaced` where a blank follows it."""
    last = before.rstrip()[-1:]
    in_math = (
        before.count("$") % 2 == 1
        or before.rfind(r"\(") > before.rfind(r"\)")
        or before.rfind(r"\[") > before.rfind(r"\]")
    )
    if last.isalnum() or (last and last in ")}]|'!"):
        return last.isalpha() and before[-1:].isspace() and not spaced and not in_math
    return in_math or not spaced or bool(before.strip())


def attached_behind(text: str, end: int, content: str) -> str:
    r"""What belongs to a value that ends at `end`, on the same line: a percent sign, degrees, a multiplier, a unit, "or
    more"; ``""`` where nothing does. Nouns of prose are left out.

    Args:
        text: the whole text.
        end: where the value or its box ends.
        content: the value; nothing is added to words, or where it has a unit.
    """
    if text[end : end + 9].lstrip("$ \t*")[:1] in ("", ".", "\n"):
        return ""
    if (
        not content
        or "\\text" in content
        or not (content[-1].isdigit() or content[-1] in ")}")
        or text[end : end + 1] == "="
    ):
        return ""
    line = text[end : end + 80].split("\n", 1)[0]
    if power := _POWER.match(line):
        return power.group()
    rest = line[_CLOSING.match(line).end() :]  # pyright: ignore[reportOptionalMemberAccess]
    if not rest or rest[0] in ".;:":
        return ""
    if _PERCENT.match(rest):  # MATH's solutions say "percent" behind the box of a bare number
        return r"\%"
    if power_of_ten := _TIMES_TEN.match(line):
        return power_of_ten.group()
    if degrees := _DEGREES.match(rest):
        scale = re.match(r"\s*(?:\\(?:text|mathrm)\s*\{\s*)?([CF])(?![A-Za-z])", rest[degrees.end() :])
        return rf"^\circ {scale.group(1)}" if scale else r"^\circ"
    if box := _TEXT_BOX.match(rest):
        words = box.group(1).split()
        return box.group() if words and len(words) < 5 and _is_measure(words[0]) else ""
    if alternative := _OR.match(rest):
        return f" or {alternative.group(1)}"
    return _attached_words(rest) if rest[:1].isascii() else _attached_signs(rest)


def _is_measure(word: str) -> bool:
    """Whether a word in a text box behind a value begins a unit, a multiplier or "or more", and no prose."""
    word = word.strip(".,;")
    square = word.lower() in ("square", "cubic", "sq", "cu", "or", "oder", "ou")
    return (
        square
        or bool(re.match(r"\d|[^\x00-\x7f]", word))
        or multiplier(word) is not None
        or _is_unit(word.partition("/")[0], "")
    )


def _attached_words(rest: str) -> str:
    words: list[str] = []
    while (
        (match := _WORD.match(rest))
        and len(match.group()) > 1
        and match.group() not in _SCALES
        and multiplier(match.group())
    ):
        words.append(match.group())
        rest = rest[match.end() :].lstrip()
    head = _UNIT_HEAD.match(rest)
    match = _WORD.match(rest, head.end() if head else 0)
    if match is not None and _is_unit(match.group(), rest[match.end() :]):
        tail = _UNIT_TAIL.match(rest, match.end())
        words.append(rest[: tail.end() if tail else match.end()])
    return f" \\text{{ {' '.join(words)}}}" if words else ""


def _is_unit(word: str, behind: str) -> bool:
    known = word in CANONICAL or word.removesuffix("s") in CANONICAL or word.removesuffix("es") in CANONICAL
    if not known:
        return False
    return (len(word) > 1 and word not in _AMBIGUOUS) or _CLAUSE_END.match(behind) is not None


def _attached_signs(rest: str) -> str:
    if match := _SIGNS_BEHIND.match(rest):
        return match.group()
    word = _WORDS.match(rest)
    if word is None:
        return ""
    unit = max((name for name in FOREIGN if rest.startswith(name)), key=len, default="")
    if unit:
        return unit
    factor, _ = leading_multiplier(rest)
    if factor:
        return word.group()
    return f" {word.group()}" if multiplier(word.group()) else ""


def bare_value(text: str) -> str | None:
    """A completion that is nothing but a value: one line with a number, a formula, a letter, a number and its unit."""
    if len(text) > 400:
        return None
    text = _SPECIAL.sub("", text).strip()
    if not text or "\n" in text or "\\boxed" in text or "\\fbox" in text:
        return None
    plain = _ESCAPED.sub(" ", text).strip("$ .*`")
    if (
        _NUMBER_AND_UNIT.fullmatch(plain)
        or plain.lower() in ("yes", "no", "true", "false")
        or re.fullmatch(r"\(?[A-Za-z]\)?", plain)
    ):
        return text
    if any(len(word) > 1 and word not in _VALUE_WORDS for word in _LETTERS.findall(plain)):
        return None
    return text if re.search(r"[\d\\]", text) and text.isascii() else None

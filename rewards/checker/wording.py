r"""Words around an answer's value: labels, sentences, roundings, restatements, qualifiers, numbered parts; and words
that mean the same.

All of it works on normalised text and takes linear time; what is not recognised stays as it is, and so is refused.
"""

from __future__ import annotations

import re

from rewards.algebra.lexer import CONSTANTS, FUNCTIONS, GREEK
from rewards.checker.closed_words import has_negation

__all__ = ["SIGNS_AND_WORDS", "canonical_words", "is_wording", "split_label", "split_parts", "without_wording"]

_OPEN = r"(?:\\text\s*\{\s*)?"
_GENERIC = re.compile(
    rf"{_OPEN}(?:(?:the|my|our|final|correct)\s+)*(?:ans(?:wer)?|solution|result"
    rf"|value)s?\.?\s*(?:\}}\s*)?[:=]\s*\}}?\s*(?=\S)",
    re.IGNORECASE,
)
_SENTENCE = re.compile(
    r"(?P<head>[A-Za-z][A-Za-z0-9 ,'_^+*/()-]{0,160}?) (?:(?:is|are|was|were|(?:will|would|should|must) be)(?: "
    r"(?:equal to|given by|"
    r"exactly|indeed|simply|just|therefore|thus|then))?|equals?|becomes|gives|makes|have|has|get|gets|obtain|find) "
    r"(?P<tail>[^A-Za-z].*|\\?[A-Za-z](?:[^A-Za-z].*)?|\\[A-Za-z].*|dollars .*|pounds .*|euros .*)"
)
_UNSURE = re.compile(
    r"\b(?:if|when|whenever|unless|otherwise|except|but|or|half|twice|double|opposite|reciprocal|inverse)\b",
    re.IGNORECASE,
)
_VALUE_FIRST = re.compile(
    r"(?P<value>[^A-Za-z].{0,200}?) (?:is|are) (?:the|my|our) (?:final |correct )?(?:answer|solution|result|value)s?"
)
_LABEL = re.compile(
    r"(?:\\text\s*\{\s*(?P<boxed>[^{}:0-9]{2,60}?)\s*(?::\s*\}|\}\s*:)"
    r"|(?P<bare>[A-Za-z][A-Za-z' -]{2,40}?)\s*:)\s*(?P<rest>[^:]*[\d\\][^:]*)"
)
_ABOUT = re.compile(
    rf"{_OPEN}(?:approximately|approx\.?|about|roughly|around|exactly|precisely|indeed"
    rf"|simply)\s*\}}?\s*(?=[-+\d\\.(]|dollars |euros |pounds )",
    re.IGNORECASE,
)
_ROUNDED = re.compile(
    r"(?<=\S)\s*[,;]?\s*(?P<open>\()?\s*(?:\\text\s*\{\s*[,;(]?\s*(?:or\s+)?(?:about|approximately|approx\.?"
    r"|roughly)\s*\}"
    r"|(?:or\s+|i\.e\.,?\s+)?(?:\\approx(?![A-Za-z])|\b(?:about|approximately|approx\.?|roughly)(?![A-Za-z])))"
    r"\s*(?P<number>-?\d[\d.]*)(?P<unit>[^()=]{0,40})(?P<close>\))?$"
)
_RESTATED = re.compile(
    r"(?P<number>[-+]?\d{1,6}) ?(?:\(\s*(?:\\text\s*\{)?|\\text\s*\{\s*\()\s*(?P<words>[A-Za-z -]{3,60}?)\s*"
    r"(?:\)\s*\}|\}?\s*\))(?P<unit>.*)"
)
_COUNTED = re.compile(r"(?P<words>[A-Za-z -]{3,60}?) ?\( ?(?P<number>\d{1,6}) ?\)")
_QUALIFIER = re.compile(
    rf"(?P<core>.*?\S)(?:\s*[,;]?\s*\(?\s*{_OPEN}[,;]?\s*(?:for|where|with)\s(?P<words>.{{1,100}})"
    r"|\s*(?:[,;]\s*|\(\s*|\\forall\s*)+(?P<letter>[A-Za-z])\s*\\in\s*\\mathbb\{(?P<set>[RNZQC])\}(?:\^\+"
    r"|\^\{\+\})?\s*\)?)"
)
_FOR_ALL = re.compile(r"[)}\d]\s*,?\s*(?:\\text\s*\{)?\s*,?\s*for (?:all|any|every)\b")
_SCOPE_TEXT = (
    "for all any every each some where with is are a an the arbitrary real reals number numbers constant "
    "constants value values of integer integers natural rational complex in and be being parameter fixed positive "
    "x y z"
)
_SCOPE = frozenset(_SCOPE_TEXT.split())
_PART_MARKS = ("123456789", "abcdefgh", ("i", "ii", "iii", "iv", "v"))
_EMPTY = re.compile(
    r"(?:there (?:is|are) )?(?:no (?:real |valid |such |integer |possible )?(?:solutions?|roots?)(?: exists?)?"
    r"|empty set|"
    r"(?:the )?solution set is empty|has no (?:real )?solutions?)"
)
_MISSING = re.compile(
    r"(?:the )?(?:limit )?(?:dne|d n e|does not exist|doesn t exist|do not exist|not exist|nonexistent)"
)
_INFINITE = re.compile(r"(?:there are )?(?:infinitely many|infinite number of|infinite)(?: solutions?)?")
_ARTICLES = re.compile(r"\b(?:the|a|an|der|die|das|ein|eine|le|la|les|un|une|el|los|las|una) (?=\S)")
_NUMBER_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety"
)
_NUMBERS = {word: place if place < 20 else 10 * (place - 18) for place, word in enumerate(_NUMBER_WORDS.split())}


SIGNS_AND_WORDS = {
    "\\emptyset": "empty set",
    "无解": "empty set",
    "無解": "empty set",
    "没有解": "empty set",
    "空集": "empty set",
    "不存在": "does not exist",
    "D.N.E": "does not exist",
}
"""Answers of one sign, or of no blanks between words, and what they mean."""
_WORDS = re.compile(r"[A-Za-z]+(?:['-][A-Za-z]{2,}|'s?)*\.?(?: [A-Za-z0-9]+(?:['-][A-Za-z]{2,}|'s?)*\.?)*")
_BOX = re.compile(r"\\text\s*\{([^{}]*)\}")


def without_wording(text: str) -> str:
    """`text` without what is said around its value, and with a rounding behind ``\\approx``.

    ``Ans: 5`` and ``the value of x is 5`` are 5, ``about 5`` is 5, ``5 (five)`` is 5, ``\\frac13 (approximately 0.33)``
    is ``\\frac13 \\approx 0.33``, ``f(n) = n + 1, n \\in \\mathbb{N}`` is ``f(n) = n + 1``.
    """
    if text[:1].isalpha() or text.startswith("\\text"):
        text = _GENERIC.sub("", text, count=1) if _GENERIC.match(text) else text
        text = _said(text)
        text = _ABOUT.sub("", text, count=1) if _ABOUT.match(text) else text
    elif " is the " in text:
        text = _said(text)
    rounding = "approx" in text or "about" in text or "roughly" in text
    if (
        rounding
        and (rounded := _ROUNDED.search(text)) is not None
        and (rounded["open"] is None) == (rounded["close"] is None)
    ):
        text = f"{text[: rounded.start()]} \\approx {rounded['number']}{rounded['unit']}"
    restated = _RESTATED.fullmatch(text) if "(" in text else None
    if restated is not None and number_named(restated["words"]) == int(restated["number"]):
        text = restated["number"] + restated["unit"]
    counted = _COUNTED.fullmatch(text) if text.endswith(")") else None
    if counted is not None and number_named(counted["words"]) == int(counted["number"]):
        text = counted["number"]
    return _without_qualifier(text)


def _said(text: str) -> str:
    """The value that a sentence ends in or begins with; the text itself where it is no sentence of that kind."""
    plain = re.sub(r"\s+", " ", re.sub(r"\\text\s*\{([^{}]*)\}", r" \1 ", text)).strip()
    match = _SENTENCE.fullmatch(plain)
    if match is not None and not has_negation(match["head"]) and not _UNSURE.search(match["head"]):
        return match["tail"].strip()
    whole = _VALUE_FIRST.fullmatch(plain)
    return whole["value"].strip() if whole is not None else text


def _without_qualifier(text: str) -> str:
    r"""A function without its domain: ``f(n) = n + 1, n \in \mathbb{N}``, ``f(x) = cx for all real x``.

    Only what restricts nothing is dropped: ``for all x > 0`` and ``for even n`` stay.
    """
    if ("=" not in text and not _FOR_ALL.search(text)) or not (
        "\\in" in text or "for" in text or "where" in text or "with" in text
    ):
        return text
    match = _QUALIFIER.fullmatch(text)
    if match is None or not ("=" not in text or re.match(r"[A-Za-z]\s*(?:\(|_|=)", match["core"])):
        return text
    core = match["core"].rstrip(" ,;(").strip()
    left = core.partition("=")[0]
    if match["letter"]:
        return core if re.search(rf"[(_{{, ]{match['letter']}[)}},]?", left) else text
    words = match["words"]
    if not (words and _is_scope(words)):
        return text
    parameter = re.search(r"\binteger", words) and not re.search(r"[(_]\{?[a-z]", left)
    return text if parameter else core


def _is_scope(words: str) -> bool:
    words = re.sub(r"\\in\s*\\mathbb\{[RNZQC]\}|\\text\s*|[{}(),$]|\\forall", " ", words)
    tokens = words.split()
    letters = [token for token in tokens if len(token) == 1 and token.isalpha()]
    if any(token.lower() not in _SCOPE and len(token) > 1 for token in tokens) or not letters:
        return False
    return all(token.isalpha() for token in tokens) and ("positive" not in tokens or "integer" in words)


def split_label(text: str) -> tuple[str, str] | None:
    """A label in words before a colon, and the rest: ``Alice: 5``; ``None`` where there is none."""
    if ":" not in text:
        return None
    match = _LABEL.fullmatch(text)
    if match is None:
        return None
    label = match["boxed"] or match["bare"]
    return (
        None
        if has_negation(label) or re.search(r"\b(?:option|choice)\b", label, re.IGNORECASE)
        else (label, match["rest"])
    )


def split_parts(text: str) -> list[str]:
    """The values of ``(1) 7 (2) 8`` or ``(a) 7 (b) 8``, numbered from the first on; empty for anything else."""
    if not text.startswith("("):
        return []
    for marks in _PART_MARKS:
        if not text.startswith(f"({marks[0]})"):
            continue
        pieces: list[str] = []
        rest = text
        for mark in marks:
            before, found, after = rest.partition(f"({mark})")
            if not found:
                break
            pieces.append(before)
            rest = after
        pieces = [piece.strip(" ,;.") for piece in (*pieces[1:], rest)]
        if len(pieces) > 1 and all(pieces) and not any(re.search(r"\(\w{1,3}\)\s*$", piece) for piece in pieces):
            return pieces
    return []


def canonical_words(text: str) -> str:
    """One wording for answers that mean the same: without articles, ``no solution`` as ``empty set``."""
    for pattern, name in ((_EMPTY, "empty set"), (_MISSING, "does not exist"), (_INFINITE, "infinitely many")):
        if pattern.fullmatch(text):
            return name
    return _ARTICLES.sub("", text) or text


def number_named(words: str) -> int | None:
    """The number below a million that English words name: ``forty-two``; ``None`` for anything else."""
    total = part = 0
    named = False
    for word in re.findall(r"[a-z]+", words.lower()):
        if word in _NUMBERS:
            part += _NUMBERS[word]
        elif word == "hundred" and part:
            part *= 100
        elif word == "thousand" and part:
            total, part = total + part * 1000, 0
        elif word != "and" or not named:
            return None
        named = True
    return total + part if named else None


def is_wording(text: str) -> bool:
    """Whether it is words rather than a product of one-letter variables."""
    plain = _BOX.sub(r" \1 ", text).strip()
    boxed = plain != text.strip()
    if not _WORDS.fullmatch(re.sub(r"\s+", " ", plain)):
        return False
    words = plain.split()
    if any(word in FUNCTIONS or word in CONSTANTS or word in GREEK for word in words):
        return False
    if not boxed and len(words) > 1 and all(len(word) == 1 for word in words):
        return False
    return boxed or len(words) > 1 or len(plain) >= 3 or (len(plain) == 2 and plain.isupper())

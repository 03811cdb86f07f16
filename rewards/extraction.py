r"""Which part of a completion is its final answer. Linear time; nothing is interpreted.

Rules, the first that applies to the text after the last ``</think>``:

1. the last ``\boxed{...}`` or ``\fbox{...}``, brace matched (``\boxed 5`` takes one token). Only the last one counts:
if it is
   truncated or empty there is no answer, and no earlier box, marker or phrase rescues it;
2. the last ``#### x``, up to the end of its line;
3. the last "the answer is", "final answer", "answer:", "答案是", "答案为" …, up to the end of its line or sentence;
4. otherwise none.

A ``<think>`` that is never closed is a draft to the end of the text.
"""

from __future__ import annotations

import re

__all__ = ["extract_answer", "find_boxes", "matching_brace"]

_BOX = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])\s*")
_BOX_TOKEN = re.compile(r"\$?(-?[0-9.,]*[0-9]|\\?[A-Za-z]+|.)?")
_MARKER = re.compile(r"####[ \t]*([^\n]*)")
_PHRASE = re.compile(
    r"(?:final\s{1,3}answer(?:\s{1,3}is|\s{0,3}[:：=])|the\s{1,3}(?:correct\s{1,3})?answer\s{0,3}(?:is|[:：=])"
    r"|answer\s{0,3}(?:is\s{0,3})?[:：]|答案\s{0,3}(?:是|为|為|[:：]))\s{0,3}[:：]?",
    re.IGNORECASE,
)
_KEY_WORDS = ("answer", "Answer", "ANSWER", "aNSWER", "答案")
_LEADING_MATH = re.compile(
    r"\$([^$\n]{1,2000})\$(?=[\s.,;*]*(?:$|[a-z.\n]))|\\\(([^\n]{1,2000}?)\\\)(?=[\s.,;*]*(?:$|[a-z.\n]))"
)
_SENTENCE_END = re.compile(r"\n|[.!?](?=\s|$)|。|！|？|,?\s(?:because|since|which|as|so|where)\s")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)


def extract_answer(completion: str) -> str | None:
    """The final answer as written, or ``None`` where the completion gives none."""
    text = _after_draft(completion)
    boxes = find_boxes(text)
    if boxes:
        return _nonempty(boxes[-1])
    marker = text.rfind("####")
    if marker >= 0:
        match = _MARKER.match(text, marker)
        return _nonempty(match.group(1) if match else None)
    end = _last_phrase_end(text)
    return None if end is None else _nonempty(_phrase_answer(text, end))


def find_boxes(text: str) -> list[str | None]:
    r"""The contents of the outermost ``\boxed`` and ``\fbox`` in order; ``None`` for one that never closes."""
    boxes: list[str | None] = []
    position = 0
    while (match := _BOX.search(text, position)) is not None:
        start = match.end()
        if text[start : start + 1] != "{":
            token = _BOX_TOKEN.match(text, start)
            boxes.append(token.group(1) if token else None)
            position = max(start, token.end() if token else start)
            continue
        end = matching_brace(text, start)
        boxes.append(None if end is None else text[start + 1 : end])
        if end is None:
            break
        position = end + 1
    return boxes


def matching_brace(text: str, start: int) -> int | None:
    """Index of the brace that closes the one at `start`, ``None`` where it never does; escaped braces do not count."""
    depth = 0
    for match in _BRACE.finditer(text, start):
        if match.group() == "{":
            depth += 1
        elif match.group() == "}":
            depth -= 1
            if depth == 0:
                return match.start()
    return None


def _after_draft(completion: str) -> str:
    closing = completion.rfind("</think>")
    text = completion if closing < 0 else completion[closing + len("</think>") :]
    opening = text.find("<think>")
    return text if opening < 0 else text[:opening]


def _nonempty(text: str | None) -> str | None:
    stripped = "" if text is None else text.strip(" \t\r\n\x00")
    return stripped or None


def _last_phrase_end(text: str) -> int | None:
    """Where the last phrase that announces an answer ends; only the surroundings of its key word are searched."""
    places = {word: text.rfind(word) for word in _KEY_WORDS}  # each moves towards the start of the text, once through
    while (start := max(places.values())) >= 0:
        word = next(word for word, place in places.items() if place == start)
        ends = [phrase.end() for phrase in _PHRASE.finditer(text, max(0, start - 20), start + len(word) + 20)]
        if ends:
            return ends[-1]
        places[word] = text.rfind(word, 0, start)
    return None


def _phrase_answer(text: str, start: int) -> str:
    """From `start` to the end of the sentence; on the next line where the phrase ends its own."""
    while start < len(text) and text[start] in " \t\r\n*_":
        start += 1
    math = _LEADING_MATH.match(text, start)
    if math is not None:
        return next(group for group in math.groups() if group is not None)
    match = _SENTENCE_END.search(text, start)
    return text[start : match.start() if match else len(text)].strip("*_ \t")

r"""Which part of a completion is its final answer. Linear time; nothing is interpreted.

Rules, the first that applies to the text after the last ``</think>``:

1. the last ``\boxed{...}`` or ``\fbox{...}``, brace matched (``\boxed 5`` takes one token). Only the last one counts:
if it is
   truncated or empty there is no answer, and no earlier box, marker or phrase rescues it;
2. the last ``#### x``, up to the end of its line;
3. the last "the answer is", "final answer", "answer:", "答案是", "答案为", "故选" …, up to the end of its line or
   sentence;
4. otherwise none.

A ``<think>`` that is never closed is a draft to the end of the text.
"""

from __future__ import annotations

import re

__all__ = ["extract_answer", "find_boxes", "matching_brace"]

_BOX = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])\s*")
_BOX_TOKEN = re.compile(r"\$?(-?[0-9.,]*[0-9]|\\?[A-Za-z]+|.)?")
_MARKER = re.compile(r"####[ \t]*([^\n]*)")
_VERB = (
    r"(?:is|was|(?:will|would|should|must)\s{1,3}be|equals|becomes|comes\s{1,3}out\s{1,3}to)(?![A-Za-z])"
    r"(?:\s{1,3}(?:therefore|thus|then|hence|clearly|simply|just|exactly|equal\s{1,3}to|given\s{1,3}by)(?![A-Za-z]))?"
)
_PHRASE = re.compile(
    rf"final\s{{1,3}}answer[*_]{{0,2}}(?:\s{{1,3}}{_VERB}|\s{{0,3}}[:：=]|[ \t]{{0,3}}\n)[*_]{{0,2}}\s{{0,3}}[:：]?"
    rf"|answer[*_]{{0,2}}(?:\s{{1,3}}{_VERB}\s{{0,3}}[:：]?|\s{{0,3}}[:：=])"
    r"|答案\s{0,3}(?:应该是|应该为|应当是|应当为|应为|应是|就是|是|为|為|[:：=])\s{0,3}[:：]?"
    r"|(?:故|应|所以|因此)选(?:择|项)?(?:是|为)?\s{0,3}[:：]?",
    re.IGNORECASE,
)
_PROBES = 40
_KEY_WORDS = ("answer", "Answer", "ANSWER", "aNSWER", "答案", "选")
_MATH_END = r"(?=[\s.,;*]*(?:$|[a-z.\n]))(?!\s*,?\s*(?:and|or|to)(?![A-Za-z]))"
_LEADING_MATH = re.compile(
    rf"\$\$([^$]{{1,2000}})\$\${_MATH_END}|\\\[((?:(?!\\\])[\s\S]){{1,2000}})\\\]{_MATH_END}"
    rf"|\$([^$]{{1,2000}})\${_MATH_END}|\\\(([^\n]{{1,2000}}?)\\\){_MATH_END}"
)
_SENTENCE_END = re.compile(r"\n|[.!?](?=\s|$)|。|！|？|</\w{1,20}>|<\||,?\s(?:because|since|which|as|so|where)\s")
_TAG = re.compile(r"</\w{1,20}>|<\|")
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
        return _nonempty(_TAG.split(match.group(1), maxsplit=1)[0] if match else None)
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
    """Where the last phrase that announces an answer ends.

    From the end of the text only the surroundings of its key words are searched; after `_PROBES` of them that announce
    nothing, all the rest in one pass.
    """
    places = {word: text.rfind(word) for word in _KEY_WORDS}  # each moves towards the start of the text, once through
    for _ in range(_PROBES):
        start = max(places.values())
        if start < 0:
            return None
        word = next(word for word, place in places.items() if place == start)
        ends = [phrase.end() for phrase in _PHRASE.finditer(text, max(0, start - 20), start + len(word) + 40)]
        if ends:
            return ends[-1]
        places[word] = text.rfind(word, 0, start)
    last = max(places.values())
    ends = [phrase.end() for phrase in _PHRASE.finditer(text, 0, last + 60)] if last >= 0 else []
    return ends[-1] if ends else None


def _phrase_answer(text: str, start: int) -> str:
    """From `start` to the end of the sentence; on the next line where the phrase ends its own."""
    while start < len(text) and text[start] in " \t\r\n*_":
        start += 1
    math = _LEADING_MATH.match(text, start)
    if math is not None:
        return next(group for group in math.groups() if group is not None)
    match = _SENTENCE_END.search(text, start)
    return text[start : match.start() if match else len(text)].strip("*_ \t")

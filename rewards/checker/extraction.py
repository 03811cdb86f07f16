r"""Which part of a completion is its final answer. Linear time; nothing is interpreted.

Drafts do not count (``<think>``, ``<thinking>``, ``<|begin_of_thought|>`` …, closed or not), nor does what follows a
new "Question:" behind an answer. Then the first rule that applies:

1. the last ``\boxed{...}``, ``\fbox{...}`` or ``\framebox{...}``, brace matched (``\boxed 5`` takes one number). Only
   the last one counts, with a sign before it and a unit, percent sign or multiplier behind it; boxes that only
   connectors, labels or punctuation separate are one list. If the last box is truncated or empty there is no answer,
   and no earlier box, marker or phrase rescues it;
2. what stands in the last ``<answer>…</answer>``, where no box follows it; the rules apply inside it again;
3. the last ``#### x``, up to the end of its line;
4. the last phrase that announces an answer (`phrases`);
5. the whole completion, where it is nothing but a value;
6. otherwise none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from rewards.checker.phrases import attached_before, attached_behind, bare_value, last_phrase_answer

__all__ = ["extract_answer", "find_boxes", "matching_brace", "without_draft"]

_BOX = re.compile(r"\\(?:boxed|fbox|framebox)(?![A-Za-z])[ \t\n]*")
_SWALLOWED = "\x08oxed"  # a program took the \b of \boxed for a backspace
_BOX_TOKEN = re.compile(
    r"\$?(?:(?P<token>-?[0-9.,]*[0-9]|\\[A-Za-z]+|[A-Za-z](?=[ \t]{0,3}(?:[$.,;)\n]|\\[)\]]|$)))|(?P<cut>\s*\Z))"
)
_MARKER = re.compile(r"####[ \t]*([^\n]*)")
_TAG = re.compile(r"</\w{1,20}>|<\|")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_DRAFTS = "think|thinking|thoughts?|reasoning|scratchpad|reflection|analysis|seed:think"
_ANY_TAG = re.compile(rf"<(?:[/|]|(?:{_DRAFTS}|answer|end_of_turn)>)")
_DRAFT_END = re.compile(rf"<(?:/(?:{_DRAFTS})>|\|end_of_thought\|>|\|channel\|>final<\|message\|>)")
_DRAFT_START = re.compile(rf"<(?:(?:{_DRAFTS})>|\|begin_of_thought\|>|\|channel\|>analysis<\|message\|>)")
_OTHER_DRAFTS = (("[THINK]", "<think>"), ("[/THINK]", "</think>"), ("◁think▷", "<think>"), ("◁/think▷", "</think>"))
_SHORT = 4_000  # characters, up to which one pattern is faster than a jump from place to place
_OTHER_TAG = re.compile(r"<(/?)(?:Answer|ANSWER|final_answer|finalanswer)>")
_ANSWER_TAGS = ("<answer>", "</answer>")
_NEXT_PROBLEM = re.compile(
    r"\n(?=[ \t*#>QPEHUI问题問])[ \t]{0,8}[*#>]{0,4}[ \t]{0,3}(?:(?:Question|Problem|Exercise|Q|Human|User"
    r"|Instruction)[ \t]{0,2}\d{0,3}[*]{0,2}[ \t]?:"
    r"|(?:问题|题目|問題)[ \t]{0,2}\d{0,3}[*]{0,2}[:：])"
)
_PROBLEM_COLON = re.compile(r":(?:(?<=[Q\d* \t]:)|(?<=tion:)|(?<=blem:)|(?<=cise:)|(?<=uman:)|(?<=User:))")
_END_TOKEN = re.compile(r"<(?:\|(?:im_end|endoftext|eot_id|im_start|end)\|>|/s>|end_of_turn>)")
_HEADING = re.compile(
    r"[*_#\s]*(?:step|part|case|conclusion|verification|check|explanation|solution|summary|analysis|approach"
    r"|reasoning)\b[^=$\\]*",
    re.IGNORECASE,
)
_HEADED = re.compile(r"[*_\s]*(?:final\s)?answer[*_]*\s*[:：]?[*_]*\s*", re.IGNORECASE)
_JOIN = re.compile(
    r"(?P<unit>(?:[A-Za-z]{2,20} ?){0,3}?)(?P<mark>[,;、，&]?) ?(?P<word>and|or|und|oder|et|ou|y|o|и|или|和|或|与)? ?"
    r"(?P<label>[A-Za-z](?:_?\{?\w{1,3}\}?)?'{0,2} ?=|\([a-z1-9]\)|[A-Za-z]{2,12} ?:)?"
)
_DELIMITERS = re.compile(
    r"\$|\\[()\[\],;: !]|\*\*|~|\\(?:quad|qquad)(?![A-Za-z])|\\(?:text|mathrm|mbox)\s*\{([^{}]*)\}|\s+"
)
_LABEL_BEFORE = re.compile(r"(?P<label>[A-Za-z](?:_\{?\w{1,3}\}?)?'{0,2}) ?= ?\$?$")
_SENTENCE_WORDS_TEXT = (
    "so thus then hence therefore wait no is are which while where with giving gives making but instead actually "
    "becomes to from in of for not as because since after before if when than the my this that and or"
)
_SENTENCE_WORDS = frozenset(_SENTENCE_WORDS_TEXT.split())


class _Box(NamedTuple):
    """A box: where it starts and ends, and its content, ``None`` where it never closes."""

    start: int
    end: int
    content: str | None


def extract_answer(completion: str) -> str | None:
    """The final answer as written, or ``None`` where the completion gives none."""
    tagged = "<" in completion and _has_tag(completion)
    text = without_draft(completion) if tagged or _has_other_draft(completion) else completion
    if tagged:
        text = _OTHER_TAG.sub(r"<\1answer>", text)
    if "\x08" in text:
        text = text.replace(_SWALLOWED, r"\boxed")
    position = 0
    for start, end in _cuts(text, tagged=tagged):
        found, answer = _answer(text[position:start], tagged=tagged)
        if found:
            return _nonempty(answer)
        position = end
    return _nonempty(bare_value(text))


def _has_tag(text: str) -> bool:
    if len(text) < _SHORT:
        return _ANY_TAG.search(text) is not None
    return any(_ANY_TAG.match(text, place) for place in _places(text, "<"))


def _has_other_draft(text: str) -> bool:
    ended = "K" in text and any(text[max(0, place - 6) : place + 2] == "[/THINK]" for place in _places(text, "K"))
    return ended or text.startswith("[THINK]") or "◁" in text


def _places(text: str, character: str, start: int = 0) -> Iterator[int]:
    """Where a rare character stands: twenty times as fast as a pattern that begins with it."""
    place = text.find(character, start)
    while place >= 0:
        yield place
        place = text.find(character, place + 1)


def _cuts(text: str, *, tagged: bool) -> Iterator[tuple[int, int]]:
    """Where the text of a problem ends and the next begins: at the next question, at the end of the model's turn, and
    at the end of all.
    """
    problem = _next_problem(text, 0)
    token = _END_TOKEN.search(text) if tagged else None
    while problem is not None or token is not None:
        cut = min((cut for cut in (problem, token) if cut is not None), key=lambda cut: cut.start())
        yield cut.span()
        if problem is not None and problem.start() < cut.end():
            problem = _next_problem(text, cut.end())
        if token is not None and token.start() < cut.end():
            token = _END_TOKEN.search(text, cut.end())
    yield len(text), len(text)


def _next_problem(text: str, position: int) -> re.Match[str] | None:
    """The next heading of a question. Lines are many and colons few, so that a text in ASCII is searched from colon to
    colon; the others hold full-width ones.
    """
    if not text.isascii():
        return _NEXT_PROBLEM.search(text, position)
    for colon in _places(text, ":", position) if ":" in text else ():
        line = text.rfind("\n", max(position, colon - 40), colon) if _PROBLEM_COLON.match(text, colon) else -1
        heading = _NEXT_PROBLEM.match(text, line) if line >= 0 else None
        if heading is not None:
            return heading
    return None


def without_draft(completion: str) -> str:
    """The text behind the last end of a draft, up to the next draft's start."""
    text = completion
    if _has_other_draft(text):
        for mark, tag in _OTHER_DRAFTS:
            text = text.replace(mark, tag)
    end = 0
    for match in _DRAFT_END.finditer(text):
        end = match.end()
    text = text[end:]
    opening = _DRAFT_START.search(text)
    return text if opening is None else text[: opening.start()]


def find_boxes(text: str) -> list[str | None]:
    r"""The contents of the outermost ``\boxed``, ``\fbox`` and ``\framebox`` in order; ``None`` for one that never
    closes. The bare word ``\boxed`` in prose is no box.
    """
    return [box.content for box in _boxes(text)]


def matching_brace(text: str, start: int) -> int | None:
    """Index of the brace that closes the one at `start`, ``None`` where it never does; escaped braces do not count."""
    first = text.find("}", start)
    if first < 0:
        return None
    if text.startswith("{", start) and text.find("{", start + 1, first) < 0 and text.find("\\", start, first) < 0:
        return first
    depth = 0
    for match in _BRACE.finditer(text, start):
        if match.group() == "{":
            depth += 1
        elif match.group() == "}":
            depth -= 1
            if depth == 0:
                return match.start()
    return None


def _boxes(text: str) -> list[_Box]:
    boxes: list[_Box] = []
    position = 0
    for word in _places_of_boxes(text):
        if word < position:
            continue
        command = text.rfind("\\", max(position, word - 6), word)
        match = _BOX.match(text, command) if command >= 0 else None
        if match is None:
            continue
        start = match.end()
        if text[start : start + 1] != "{":
            token = _BOX_TOKEN.match(text, start)
            position = max(start, token.end() if token else start)
            if token is not None:
                boxes.append(_Box(match.start(), position, token["token"]))
            continue
        end = matching_brace(text, start)
        boxes.append(
            _Box(match.start(), len(text) if end is None else end + 1, None if end is None else text[start + 1 : end])
        )
        if end is None:
            break
        position = end + 1
    return boxes


def _places_of_boxes(text: str) -> list[int]:
    """Where "box" stands, in order; sought from the end, which takes half the time."""
    places: list[int] = []
    place = len(text)
    while (place := text.rfind("box", 0, place)) >= 0:
        places.append(place)
    places.reverse()
    return places


def _answer(text: str, *, tagged: bool) -> tuple[bool, str | None]:
    """Whether a text holds a box, a tag, a marker or a phrase, and the answer that the last of the first kind gives."""
    boxes = _boxes(text)
    opening = text.rfind(_ANSWER_TAGS[0]) if tagged else -1
    if opening >= 0 and not (boxes and boxes[-1].start > _tag_end(text, opening)):
        inside = text[opening + len(_ANSWER_TAGS[0]) : _tag_end(text, opening)]
        found, answer = _answer(inside, tagged=False)
        return True, answer if found else inside
    if boxes:
        return True, _boxed_answer(text, boxes)
    marker = _marked_answer(text)
    return (True, marker[0]) if marker is not None else last_phrase_answer(text)


def _tag_end(text: str, opening: int) -> int:
    closing = text.find(_ANSWER_TAGS[1], opening)
    return len(text) if closing < 0 else closing


def _marked_answer(text: str) -> tuple[str | None] | None:
    """What stands behind the last ``####`` that is no heading; ``None`` where there is none."""
    position = text.rfind("####") if "#" in text else -1
    for _ in range(40):
        if position < 0:
            return None
        match = _MARKER.match(text, position)
        line = match.group(1) if match else ""
        if line[:1].isdigit():
            return (_TAG.split(line, maxsplit=1)[0] if "<" in line else line,)
        headed = _HEADED.match(line)
        if headed is not None and headed.end() == len(line):
            return (next((row for row in text[position:].split("\n", 6)[1:6] if row.strip()), None),)
        if not _HEADING.fullmatch(line):
            return (_TAG.split(line[headed.end() if headed else 0 :], maxsplit=1)[0],)
        position = text.rfind("####", 0, position)
    return None


def _boxed_answer(text: str, boxes: list[_Box]) -> str | None:
    """The last box with what belongs to it, or the list of boxes that it closes."""
    last = boxes[-1]
    if last.content is None or not last.content.strip():
        return None
    if len(boxes) == 1:
        return _with_surroundings(text, last, last.content)
    group, joints = [last], list[re.Match[str]]()
    for box in reversed(boxes[:-1]):
        joint = _joint(text[box.end : group[0].start]) if box.content and box.content.strip() else None
        if joint is None or len(group) > 20:
            break
        group.insert(0, box)
        joints.insert(0, joint)
    contents = [box.content or "" for box in group]
    if len(set(contents)) == 1:
        return _with_surroundings(text, last, last.content)
    labels = [_LABEL_BEFORE.search(text[max(0, group[0].start - 20) : group[0].start]), *joints]
    names = [match["label"].rstrip(" =") if match is not None and match["label"] else "" for match in labels]
    if all(re.fullmatch(r"[A-Za-z].{0,8}", name) for name in names):
        contents = [f"{name} = {content}" for name, content in zip(names, contents, strict=True)]
    alternative = any(joint["word"] in ("or", "oder", "ou", "o", "или", "或") for joint in joints)
    contents[-1] += attached_behind(text, last.end, contents[-1])
    return (" or " if alternative else ", ").join(contents)


def _joint(gap: str) -> re.Match[str] | None:
    """What joins two boxes to a list; ``None`` for anything more than a connector, a label or punctuation."""
    if len(gap) > 80:
        return None
    match = _JOIN.fullmatch(re.sub(r" +", " ", _DELIMITERS.sub(lambda match: f" {match.group(1) or ''} ", gap)).strip())
    if match is None or not _SENTENCE_WORDS.isdisjoint(match["unit"].lower().split()):
        return None
    joined = match["mark"] or match["word"]
    if match["unit"].strip() and not joined:
        return None
    return match if joined or "\n" not in gap else None


def _with_surroundings(text: str, box: _Box, content: str) -> str:
    """A box's content with the sign before it and the unit behind it."""
    before, behind = attached_before(text, box.start), attached_behind(text, box.end, content)
    if not before and not behind:
        return content
    bracketed = before.startswith(("-", r"\pm")) and not re.match(r"[\w.]+$|\\frac|\\sqrt", content)
    return f"{before}({content}){behind}" if bracketed else f"{before}{content}{behind}"


def _nonempty(text: str | None) -> str | None:
    stripped = "" if text is None else text.strip(" \t\r\n\x00")
    return stripped or None

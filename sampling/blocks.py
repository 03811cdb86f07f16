"""Markdown blocks of code in what a model wrote."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Block", "code_blocks", "last_program", "without_programs"]

_FENCE = re.compile(r"^[ \t]*```[ \t]*([A-Za-z0-9_+-]*)[^\n]*$", re.MULTILINE)
_PYTHON = ("python", "python3", "py")


@dataclass(frozen=True, kw_only=True)
class Block:
    """A block between two fences.

    Attributes:
        language: the word behind the opening fence, in small letters.
        code: what stands between the fences.
        start: where the opening fence begins.
        end: just past the closing fence; past the text where it is missing.
        closed: whether there is a closing fence.
    """

    language: str
    code: str
    start: int
    end: int
    closed: bool

    @property
    def is_program(self) -> bool:
        """Whether it says that it is Python."""
        return self.language in _PYTHON


def code_blocks(text: str) -> list[Block]:
    """All blocks, in order. A fence with a word behind it opens a block and never closes one."""
    blocks, opened = list[Block](), None
    for fence in _FENCE.finditer(text):
        if opened is None:
            opened = fence
        elif not fence.group(1):
            blocks.append(_block(text, opened, fence.start(), fence.end(), closed=True))
            opened = None
    if opened is not None:
        blocks.append(_block(text, opened, len(text), len(text), closed=False))
    return blocks


def last_program(text: str) -> str | None:
    """The program in the last block where the text ends with that block, ``None`` where it ends otherwise."""
    blocks = code_blocks(text)
    if not blocks or not blocks[-1].closed or text[blocks[-1].end :].strip() or not blocks[-1].is_program:
        return None
    return blocks[-1].code


def without_programs(text: str) -> str:
    """The text with every program taken out, also one that is cut off."""
    kept, done = list[str](), 0
    for block in code_blocks(text):
        if block.is_program:
            kept.append(text[done : block.start])
            done = block.end
    return "".join([*kept, text[done:]])


def _block(text: str, opened: re.Match[str], code_end: int, end: int, *, closed: bool) -> Block:
    code = text[opened.end() + 1 : code_end]
    return Block(language=opened.group(1).lower(), code=code, start=opened.start(), end=end, closed=closed)

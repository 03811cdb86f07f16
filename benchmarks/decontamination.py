"""Training problems that hold a test question, found as DeepSeekMath's corpus was decontaminated (section 2.1).

"Any text segment containing a 10-gram string that matches exactly with any sub-string from the evaluation benchmarks is
removed"; "for benchmark texts that are shorter than 10 grams but have at least 3 grams, we employ exact matching"
(arXiv 2402.03300). The paper does not say what a gram is; here it is a word: a run of letters or digits, case and
punctuation aside, and each CJK character. A copied question is found; a paraphrase is not.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["LONGEST", "SHORTEST", "Overlap", "find_overlaps", "question_key", "words_of"]

LONGEST, SHORTEST = 10, 3  # grams: of a match, and of a whole text that is looked for as it is
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """A text that shares a run of words with one of the texts it must not hold.

    Attributes:
        text: its place in the list that was searched.
        other: place of the text that it holds a part of, the first of several.
        words: the shared words.
    """

    text: int
    other: int
    words: str


def words_of(text: str) -> tuple[str, ...]:
    """The grams of a text."""
    return tuple(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def question_key(question: str) -> str:
    """The key that copies of one question share, whatever their case, spaces and punctuation; operators count."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", question).casefold()).rstrip(".?!。？！")


def find_overlaps(texts: Sequence[str], against: Sequence[str]) -> list[Overlap]:
    """The texts that hold 10 words in a row of another text, or the whole of one of 3 to 9 words; one entry a text.

    Args:
        texts: to be searched, e.g. training questions with their solutions.
        against: what they must not hold, e.g. test questions; one of fewer than 3 words is not looked for.
    """
    known: dict[tuple[str, ...], int] = {}
    for place, text in enumerate(against):
        for gram in _grams_of_benchmark(words_of(text)):
            known.setdefault(gram, place)
    sizes = sorted({len(gram) for gram in known})
    found = []
    for place, text in enumerate(texts):
        words = words_of(text)
        grams = (gram for size in reversed(sizes) for gram in _windows(words, size) if gram in known)
        gram = next(grams, None)
        if gram is not None:
            found.append(Overlap(text=place, other=known[gram], words=" ".join(gram)))
    return found


def _grams_of_benchmark(words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if len(words) >= LONGEST:
        yield from _windows(words, LONGEST)
    elif len(words) >= SHORTEST:
        yield words


def _windows(words: tuple[str, ...], size: int) -> Iterator[tuple[str, ...]]:
    return (words[start : start + size] for start in range(len(words) - size + 1))

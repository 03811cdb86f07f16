"""Test questions planted in training texts: found by ten words in a row, shorter ones whole, paraphrases not."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from benchmarks.decontamination import find_overlaps, question_key, words_of
from benchmarks.files import load_from_folder

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
TEN = "one two three four five six seven eight nine ten"


@pytest.mark.parametrize(
    ("text", "other", "words"),
    [
        (f"zero {TEN} eleven", f"{TEN} twelve", TEN),
        (f"zero {TEN.upper()}!", f"«{TEN}»", TEN),
        ("one two three four five six seven eight nine", f"{TEN} twelve", None),  # nine of ten words
        ("What is half of ninety-nine, please?", "What is half of ninety-nine?", "what is half of ninety nine"),
        ("What is half of ninety", "What is half of ninety-nine?", None),  # a shorter question counts whole only
        ("so 2 + 2 is 4", "2 + 2", None),  # fewer than three words are not looked for
        ("小明有三个苹果和两个梨子吗", "有三个苹果和两个梨子", "有 三 个 苹 果 和 两 个 梨 子"),
    ],
)
def test_the_papers_rule(text: str, other: str, words: str | None) -> None:
    found = find_overlaps(["nothing of it at all", text], [other])
    assert [(item.text, item.other, item.words) for item in found] == ([] if words is None else [(1, 0, words)])


def test_words_are_runs_of_letters_or_digits_and_cjk_characters() -> None:
    assert words_of("Ａ x_1, don't: 3.5 苹果") == ("a", "x", "1", "don", "t", "3", "5", "苹", "果")


def test_copies_of_a_question_have_one_key_and_other_numbers_another() -> None:
    assert question_key("What is 1 + 2 ?") == question_key("what is 1+2") != question_key("what is 1-2")


@pytest.mark.skipif(not DATA.is_dir(), reason="the data folder does not lie beside this checkout")
def test_forty_planted_test_questions_are_found() -> None:
    train = [problem.question for problem in load_from_folder("gsm8k", "train", DATA)]
    test = [problem.question for problem in load_from_folder("gsm8k", "test", DATA)]
    clean = {item.text for item in find_overlaps(train, test)}
    generator = random.Random(0)
    planted = sorted(generator.sample([row for row in range(len(train)) if row not in clean], 40))
    for row, copied in zip(planted, generator.sample(range(len(test)), 40), strict=True):
        train[row] = test[copied]
    assert {item.text for item in find_overlaps(train, test)} == clean | set(planted)

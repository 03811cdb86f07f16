from __future__ import annotations

import random
import time

import pytest

from rewards import Status, check_answer, extract_answer
from rewards.checker.extraction import _NEXT_PROBLEM, _next_problem  # pyright: ignore[reportPrivateUsage]

EXTRACTED: list[tuple[str, str | None, str]] = [
    ("It is \\boxed{5}.", "5", "a box"),
    ("\\boxed{4} no, \\boxed{5}", "5", "the last box"),
    ("\\fbox{5}", "5", "fbox"),
    ("\\boxed{\\frac{1}{2}}", "\\frac{1}{2}", "nested braces"),
    ("\\boxed{\\{1,2\\}}", "\\{1,2\\}", "escaped braces"),
    ("\\boxed{\\text{a } b}", "\\text{a } b", "text inside"),
    ("$\\boxed 5$", "5", "a box without braces"),
    ("\\boxed {5}", "5", "a blank before the brace"),
    ("\\boxed{4} and then \\boxed{5", None, "the last box is cut off: no earlier box rescues it"),
    ("#### 4\n\\boxed{", None, "nor a marker"),
    ("\\boxed{}", None, "an empty box"),
    ("\\boxed{4} \\boxed{ }", None, "an empty last box"),
    ("so 5\n#### 5", "5", "marker"),
    ("#### 4\n#### 5", "5", "the last marker"),
    ("#### 5 apples\nmore", "5 apples", "to the end of the line"),
    ("####", None, "a marker without an answer"),
    ("the answer is 4. #### 5", "5", "a marker before a phrase"),
    ("#### 4 \\boxed{5}", "5", "a box before a marker"),
    ("The answer is 5.", "5", "phrase"),
    ("The answer is 0.5.", "0.5", "a decimal point ends no sentence"),
    ("The answer is: $\\frac{1}{2}$. Done.", "\\frac{1}{2}", "phrase with math"),
    ("the answer is 4. No, the answer is 5.", "5", "the last phrase"),
    ("Final answer: 5", "5", "final answer"),
    ("The final answer is $5$. I hope it is correct.", "5", "Minerva's phrase"),
    ("**Answer:** 5", "5", "markdown"),
    ("ANSWER: 5", "5", "capitals"),
    ("Answer:\n5", "5", "on the next line"),
    ("答案是5。", "5", "Chinese"),
    ("所以答案为 12", "12", "Chinese, other verb"),
    ("答案：7", "7", "Chinese, full-width colon"),
    ("There are 5 apples.", None, "no marker at all"),
    ("I will answer the question: how many? 5", None, "the word answer alone is no marker"),
    ("", None, "empty"),
    ("\x00", None, "null byte"),
    ("<think>\\boxed{4}</think>\\boxed{5}", "5", "a draft does not count"),
    ("<think>\\boxed{5}</think> Done.", None, "even where it is right"),
    ("<think>the answer is 5", None, "a draft that never ends"),
    ("\\boxed{4}<think>\\boxed{5}", "4", "a draft after the answer"),
    ("thinking \\boxed{4}</think> so \\boxed{5}", "5", "a draft opened in the prompt"),
    ("\\boxedx{5}", None, "another command"),
    ("My answer is 5.", "5", "whoever's answer"),
    ("So the answer should be 5", "5", "another verb"),
    ("The answer is therefore 5.", "5", "an adverb"),
    ("**Final Answer**: 5", "5", "emphasis before the colon"),
    ("### Final Answer\n\n$5$", "5", "a heading"),
    ("The answer is $7$ or $8$.", "$7$ or $8$", "candidates stay together"),
    ("The answer is $7$, $8$", "$7$, $8$", "a list too"),
    ("The answer is $7$ dollars.", "7 \\text{ dollars}", "math and a word"),
    ("The answer is $9\\text{ square\nunits}$.", "9\\text{ square\nunits}", "math over two lines"),
    ("<answer>The answer is 5</answer>", "5", "a closing tag ends the answer"),
    ("#### 5</s>", "5", "also behind a marker"),
    ("The answer is 5<|im_end|>", "5", "a special token ends it"),
    ("故选B。", "B", "Chinese choice"),
    ("所以答案应为 5。", "5", "Chinese, other verb phrase"),
    ("我选了3个苹果", None, "the Chinese word for choosing alone is no marker"),
    ("The answer is 5. The answer is", None, "the last phrase is cut off: no earlier one rescues it"),
    ("How many are 3 and 4? 3, 4, 7, 12", None, "the question's numbers and a list of candidates"),
    ("The answer is:\n\\[\n5\n\\]", "5", "a display formula on its own lines"),
    ("The final answer is:\n\n$$\n\\frac{1}{2}\n$$\nDone.", "\\frac{1}{2}", "the same between double dollars"),
    ("**Final Answer:**\n\n\\[\n7\n\\]", "7", "under a heading"),
]


@pytest.mark.parametrize(("completion", "expected", "why"), EXTRACTED, ids=[case[2] for case in EXTRACTED])
def test_extraction(completion: str, expected: str | None, why: str) -> None:
    assert extract_answer(completion) == expected, why


@pytest.mark.parametrize("completion", [case[0] for case in EXTRACTED if case[1] is None])
def test_no_answer_abstains(completion: str) -> None:
    verdict = check_answer(completion, "5")
    assert (verdict.status, verdict.answer, verdict.answer_class) == (Status.NO_ANSWER, "", "")


@pytest.mark.parametrize(
    "completion",
    [
        "The answer is $7$ or $8$.",
        "The answer is 7 or 8.",
        "The answer is 7, 8",
        "#### 7 or 8",
        "\\boxed{7} or \\boxed{8}",
        "\\boxed{7, 8}",
        "The answer is not 7.",
        "The answer is more than 7.",
        "The answer is 7 \\ne 8",
        "<think>\\boxed{7}</think> The answer is 8.",
        "The answer is 7. Therefore, the answer is",
    ],
)
def test_no_candidates(completion: str) -> None:
    assert not check_answer(completion, "7").correct


def test_an_earlier_right_answer_does_not_rescue_a_final_wrong_one() -> None:
    assert check_answer("\\boxed{5} ... \\boxed{6}", "5").status is Status.INCORRECT
    assert check_answer("#### 5\nThe answer is 5. \\boxed{6}", "5").status is Status.INCORRECT


@pytest.mark.parametrize(
    "piece",
    [
        "\\boxed{",
        "{",
        "}",
        "#### ",
        "the answer is ",
        "<think>",
        "answer: ",
        "\\",
        " ",
        "final  ",
        "答案是",
        "选",
        "$x$ ",
        "<|im_end|>\n: ",
        "<|im_end|>\n问题 ",
    ],
)
def test_extraction_takes_linear_time(piece: str) -> None:
    """Eight times the text takes eight times the processor time, not 64 times; other processes do not count."""

    def seconds(length: int) -> float:
        text = piece * (length // len(piece))
        trials = []
        for _ in range(3):
            start = time.process_time()
            extract_answer(text)
            extract_answer("The answer is " + text)
            trials.append(time.process_time() - start)
        return min(trials)

    assert seconds(400_000) < 24 * max(seconds(50_000), 1e-3)


HEADINGS = ("\nQuestion: ", "\n## Problem 12:", "\n**Exercise 3**:", "\nQ:", "\n Human:", "\n* Instruction :")
NO_HEADINGS = ("\nSolution:", "\nStep 1: ", "x:", "a Question:", "\n12:", ":", "\n", " 3:4 ", "\nthe problem:")


def test_from_colon_to_colon_the_same_headings_are_found_as_from_line_to_line() -> None:
    rng = random.Random(0)
    for _ in range(3_000):
        text = "".join(rng.choice(HEADINGS + NO_HEADINGS * 2) for _ in range(rng.randrange(1, 9)))
        position = rng.randrange(len(text))
        found, expected = (
            None if match is None else match.span()
            for match in (_next_problem(text, position), _NEXT_PROBLEM.search(text, position))
        )
        assert found == expected, (text, position)


@pytest.mark.parametrize("behind", [0, 1_980, 1_990, 1_995, 2_000, 2_005, 9_000])
def test_a_phrase_is_found_wherever_it_stands(behind: int) -> None:
    assert extract_answer("a " * 3_000 + "The answer is 7.\n" + "b" * behind) == "7"
    assert extract_answer("The answer is 7.\n" + "c " * behind + "I hope this answer is helpful.") == "7"

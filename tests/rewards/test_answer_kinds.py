"""Option letters, blanks in their order, Chinese numerals: on gold answers of the data and on made wrong ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.files import load_from_folder
from benchmarks.problem import Problem
from rewards.answer_kinds import arabic_numerals, option_letters, split_blanks
from rewards.scoring import judge
from rewards.verdict import Verdict
from sampling.rollout import Rollout

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
with_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no data at {DATA}")
FOUR = Problem(
    problem_id="q", benchmark="b", question="?", gold_answer="B", options=("$2$", r"$\frac{3}{4}$", "$-1$", "four")
)
TWO = replace(FOUR, gold_answer="BD")
SIGNS = replace(FOUR, gold_answer="D", options=("/", "", "%", "7", "two of them"))
BLANKS = Problem(problem_id="q", benchmark="b", question="?", gold_answer="$5$;$10$", blanks=2)
NUMBER = Problem(problem_id="q", benchmark="b", question="?", gold_answer="18")


def verdict(problem: Problem, completion: str) -> Verdict:
    return verdicts([(problem, completion)])[0]


def verdicts(asked: list[tuple[Problem, str]]) -> list[Verdict]:
    return judge(
        [
            Rollout(
                problem=problem,
                prompt_ids=(1,),
                completion_ids=(2,),
                completion=completion,
                finish_reason="stop",
                sample_index=0,
                seed=0,
                policy_version=0,
            )
            for problem, completion in asked
        ]
    )


@pytest.mark.parametrize(
    ("problem", "completion", "status"),
    [
        (FOUR, r"\boxed{B}", "CORRECT"),
        (FOUR, r"\boxed{b}", "CORRECT"),
        (FOUR, r"\boxed{\text{(B)}}", "CORRECT"),
        (FOUR, r"\boxed{B. \frac{3}{4}}", "CORRECT"),
        (FOUR, "The answer is (B) 3/4.", "CORRECT"),
        (FOUR, r"\boxed{\frac{3}{4}}", "CORRECT"),
        (FOUR, r"\boxed{0.75}", "CORRECT"),
        (FOUR, "答案是 B", "CORRECT"),
        (FOUR, r"\boxed{A}", "INCORRECT"),
        (FOUR, r"\boxed{2}", "INCORRECT"),
        (FOUR, r"\boxed{BC}", "INCORRECT"),
        (FOUR, r"\boxed{E}", "INCORRECT"),
        (FOUR, r"\boxed{5}", "INCORRECT"),
        (FOUR, "no idea", "NO_ANSWER"),
        (TWO, r"\boxed{D, B}", "CORRECT"),
        (TWO, r"\boxed{BD}", "CORRECT"),
        (TWO, r"\boxed{B \text{ and } D}", "CORRECT"),
        (TWO, r"\boxed{B}", "INCORRECT"),
        (TWO, r"\boxed{ABD}", "INCORRECT"),
        (SIGNS, r"\boxed{7}", "CORRECT"),
        (SIGNS, r"\boxed{\frac{14}{2}}", "CORRECT"),
        (SIGNS, r"\boxed{two of them}", "INCORRECT"),
        (SIGNS, r"\boxed{floor(7 / 2)}", "INCORRECT"),
        (replace(SIGNS, gold_answer="A"), r"\boxed{/}", "CORRECT"),
        (BLANKS, r"\boxed{5;10}", "CORRECT"),
        (BLANKS, r"\boxed{5, 10}", "CORRECT"),
        (BLANKS, r"\boxed{5} 和 \boxed{10}", "CORRECT"),
        (BLANKS, r"\boxed{5 和 10}", "CORRECT"),
        (BLANKS, r"\boxed{10;5}", "INCORRECT"),
        (BLANKS, r"\boxed{5}", "INCORRECT"),
        (BLANKS, r"\boxed{5;10;15}", "INCORRECT"),
        (NUMBER, r"\boxed{十八}", "CORRECT"),
        (NUMBER, r"\boxed{十八包}", "CORRECT"),
        (NUMBER, r"\boxed{八十}", "UNPARSABLE"),
    ],
)
def test_verdicts(problem: Problem, completion: str, status: str) -> None:
    assert verdict(problem, completion).status == status


def test_votes_for_one_option_are_one_class_however_they_are_written() -> None:
    classes = {verdict(FOUR, rf"\boxed{{{answer}}}").answer_class for answer in ("C", "c", "(C) -1", "-1")}
    assert classes == {"=C"}


@pytest.mark.parametrize(
    ("words", "digits"),
    [
        ("十八", "18"),
        ("三百零五", "305"),
        ("一万二千", "12000"),
        ("两亿", "200000000"),
        ("二〇二四", "2024"),
        ("三点一四", "3.14"),
        ("三分之二", "2/3"),
        ("百分之五", "5%"),
        ("十米", "10米"),
        ("x", "x"),
    ],
)
def test_chinese_numerals(words: str, digits: str) -> None:
    assert arabic_numerals(words) == digits


def test_letters_and_blanks_of_an_answer() -> None:
    assert [option_letters(each, 4) for each in ("A", "A, C", "ACD", "A和C", "$x$", "AB = 3", "Because")] == [
        "A", "AC", "ACD", "AC", "", "", ""
    ]  # fmt: skip
    assert split_blanks("(0,1);[2,3]", 2) == ["(0,1)", "[2,3]"]
    assert split_blanks("(0,1), 5", 2) == ["(0,1)", "5"]
    assert split_blanks("5", 2) == []


@with_data
@pytest.mark.parametrize(("name", "count"), [("sat_math", 32), ("gaokao_mathqa", 351), ("mmlu_stem", 200)])
def test_gold_options_are_right_by_letter_and_by_content_and_others_are_wrong(name: str, count: int) -> None:
    problems = load_from_folder(name, "test", DATA)[:count]
    by_letter = verdicts([(problem, f"\\boxed{{{problem.gold_answer}}}") for problem in problems])
    assert all(each.correct for each in by_letter)
    wrong = ["ABCD".replace(problem.gold_answer[0], "")[0] for problem in problems]
    assert not any(
        each.correct
        for each in verdicts([(p, f"\\boxed{{{letter}}}") for p, letter in zip(problems, wrong, strict=True)])
    )
    single = [problem for problem in problems if len(problem.gold_answer) == 1]
    texts = [problem.options["ABCD".index(problem.gold_answer)] for problem in single]
    said = verdicts([(problem, f"\\boxed{{{text}}}") for problem, text in zip(single, texts, strict=True)])
    others = [problem.options["ABCD".index("ABCD".replace(problem.gold_answer, "")[0])] for problem in single]
    said_wrong = verdicts([(problem, f"\\boxed{{{text}}}") for problem, text in zip(single, others, strict=True)])
    assert sum(each.correct for each in said) >= 0.95 * len(single)  # a few options are several values in words
    assert [p.problem_id for p, each in zip(single, said_wrong, strict=True) if each.correct] == []


@with_data
def test_gold_blanks_are_right_and_exchanged_ones_are_wrong() -> None:
    problems = [problem for problem in load_from_folder("gaokao_mathcloze", "test", DATA) if problem.blanks > 1]
    assert len(problems) > 10
    asked = [(problem, f"\\boxed{{{problem.gold_answer}}}") for problem in problems]
    assert [p.problem_id for (p, _), each in zip(asked, verdicts(asked), strict=True) if not each.correct] == []
    turned = [(p, "\\boxed{" + ";".join(reversed(p.gold_answer.split(";"))) + "}") for p in problems]
    assert not any(each.correct for each in verdicts(turned))

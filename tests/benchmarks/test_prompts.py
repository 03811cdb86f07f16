"""How problems are asked: the paper's words, examples that no test split has, and the choice by benchmark and model."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.decontamination import find_overlaps
from benchmarks.files import DataFileError, load_from_folder
from benchmarks.problem import Problem
from benchmarks.prompts import (
    Exemplar,
    Prompt,
    boxed_solution,
    chain_of_thought,
    chain_of_thought_zh,
    choose_prompt,
    deepseek_chat,
    exemplars_of,
)
from benchmarks.prompts import exemplars as listed_examples
from benchmarks.prompts.exemplars import LENDERS
from benchmarks.registry import BENCHMARKS, PAPER_BENCHMARKS, AnswerKind
from rewards import check_answer

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
QUESTION = "What is {1} + 1 \\times 1?"  # braces and backslashes must come through
with_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no data at {DATA}")
# Table 2 and section 2.3 of arXiv 2402.03300, and the prompts of its repository.
PAPERS_SHOTS = {
    "gsm8k": 8,
    "math": 4,
    "minerva_math": 4,
    "sat_math": 4,
    "mmlu_stem": 4,
    "cmath": 6,
    "gaokao_mathcloze": 5,
    "gaokao_mathqa": 5,
}


def load(benchmark: str, split: str) -> list[Problem]:
    return load_from_folder(benchmark, split, DATA)


def toy(benchmark: str, split: str) -> list[Problem]:
    raise AssertionError("no examples are asked for")


def choose(name: str, benchmark: str = "gsm8k", chat: bool = True, **more: object) -> Prompt:
    return choose_prompt(name, benchmark, chat=chat, load=load, **more)  # type: ignore[arg-type]


def test_english_chain_of_thought_word_for_word():
    assert chain_of_thought(QUESTION) == (
        "What is {1} + 1 \\times 1?\nPlease reason step by step, and put your final answer within \\boxed{}."
    )


def test_chinese_chain_of_thought_word_for_word():
    assert chain_of_thought_zh("1+1=?") == "1+1=?\n请通过逐步推理来解答问题，并把最终答案放置于\\boxed{}中。"


def test_chat_template_word_for_word():
    assert deepseek_chat("Hello") == "User: Hello\n\nAssistant:"


@pytest.mark.parametrize(
    ("name", "benchmark", "text"),
    [
        ("bare", "gsm8k", "1+1=?"),
        ("chain_of_thought", "gsm8k", chain_of_thought("1+1=?")),
        ("auto", "gsm8k", chain_of_thought("1+1=?")),
        ("auto", "cmath", chain_of_thought_zh("1+1=?")),
        ("auto", "mgsm_zh", chain_of_thought_zh("1+1=?")),
        ("auto", "mgsm_te", chain_of_thought("1+1=?")),
        ("auto", "of_my_own", chain_of_thought("1+1=?")),
        ("chain_of_thought_zh", "of_my_own", chain_of_thought_zh("1+1=?")),
        ("deepseek_chat", "gsm8k", f"User: {chain_of_thought('1+1=?')}\n\nAssistant:"),
        ("deepseek_chat", "cmath", f"User: {chain_of_thought_zh('1+1=?')}\n\nAssistant:"),
        (
            "tool",
            "math",
            "1+1=?\nPlease integrate natural language reasoning with programs to solve the problem above, and put your "
            "final answer within \\boxed{}.",
        ),
        ("tool", "cmath", "1+1=?\n请结合自然语言和Python程序语言来解答问题，并把最终答案放置于\\boxed{}中。"),
    ],
)
def test_every_prompt_by_benchmark_and_language(name: str, benchmark: str, text: str) -> None:
    assert choose_prompt(name, benchmark, chat=True, load=toy).text("1+1=?") == text


def test_a_base_model_is_shown_examples_and_stops_at_the_next_problem(tmp_path: Path) -> None:
    problems = [
        Problem(problem_id=f"gsm8k-train-{number:04}", benchmark="gsm8k", question=f"{number}?", gold_answer="2",
                solution="1+1=<<1+1=2>>2")
        for number in range(40)
    ]  # fmt: skip
    prompt = choose_prompt("auto", "gsm8k", chat=False, load=lambda *_: problems, shots=2)
    assert prompt.text("1+2?") == (
        "Problem:\n1?\n\nSolution:\n1+1=2\nThe answer is \\boxed{2}.\n\n"
        "Problem:\n3?\n\nSolution:\n1+1=2\nThe answer is \\boxed{2}.\n\n"
        "Problem:\n1+2?\n\nSolution:"
    )
    assert prompt.whole and prompt.stop == ("\nProblem:",) and prompt.mode == "words"
    assert prompt.text("3?", problem_id="gsm8k-train-0003").count("3?") == 1  # never its own example
    assert choose_prompt("few_shot", "gsm8k", chat=True, load=lambda *_: problems, shots=0).text("1?") == (
        "Problem:\n1?\n\nSolution:"
    )


@with_data
@pytest.mark.parametrize(("benchmark", "shots"), PAPERS_SHOTS.items())
def test_as_many_examples_as_the_paper_shows(benchmark: str, shots: int) -> None:
    assert BENCHMARKS[benchmark].shots == shots
    prompt = choose("auto", benchmark, chat=False)
    assert len(prompt.examples) == shots
    heading = "问题：" if BENCHMARKS[benchmark].language == "zh" else "Problem:"
    assert prompt.text("?").count(f"{heading}\n") == shots + 1


def test_the_page_has_the_papers_number_of_examples_beside_ours() -> None:
    """The table of docs/prompts.md against the registry, the paper's columns with programs and the listed examples."""
    page = (Path(__file__).parents[2] / "docs" / "prompts.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)`[^|]* \| ([\d–]+) \| (\d+) \| ([\d–]+) \| (\d+) \|$", page, re.MULTILINE)
    listed = json.loads((Path(listed_examples.__file__).with_name("exemplars.json")).read_text(encoding="utf-8"))
    programs = {"gsm8k": "8", "math": "4"}  # Table 3, and the prompts of the paper's repository
    assert rows == [
        (
            name,
            str(BENCHMARKS[name].shots or "–"),
            str(len(listed[LENDERS[name]])),
            programs.get(name, "–"),
            str(sum("program" in entry for entry in listed[LENDERS[name]])),
        )
        for name in (*PAPERS_SHOTS, "mgsm_zh")
    ]
    assert {name for name, *_ in rows} == set(PAPER_BENCHMARKS)


@with_data
@pytest.mark.parametrize(("benchmark", "shots"), [("gsm8k", 8), ("math", 4)])
def test_as_many_programs_as_the_paper_shows_and_each_prints_the_answer(benchmark: str, shots: int) -> None:
    prompt = choose("few_shot_program", benchmark)
    assert (len(prompt.examples), prompt.stop, prompt.mode) == (shots, ("\n```",), "program")
    assert prompt.text("?").endswith("Problem:\n?\n\nProgram:\n```python\n")
    for exemplar in exemplars_of(benchmark, load):
        assert exemplar.program is not None
        ran = subprocess.run([sys.executable, "-c", exemplar.program], capture_output=True, text=True, check=True)
        assert check_answer(f"\\boxed{{{ran.stdout.strip()}}}", exemplar.answer).correct, exemplar.problem_id


def all_exemplars() -> list[Exemplar]:
    return [exemplar for lender in sorted(set(LENDERS.values())) for exemplar in exemplars_of(first_of(lender), load)]


def first_of(lender: str) -> str:
    return next(name for name, lent in LENDERS.items() if lent == lender)


@with_data
def test_examples_end_in_their_gold_answer() -> None:
    """As every completion is judged: the boxed answer at the end is the one that counts."""
    for exemplar in all_exemplars():
        shown = boxed_solution(exemplar.solution, exemplar.answer, "\\boxed{{answer}}")
        assert check_answer(shown, exemplar.answer).correct, exemplar
        if exemplar.answer in "ABCD":
            assert not check_answer(shown, "ABCD".replace(exemplar.answer, "")[0]).correct
            assert f"({exemplar.answer}) " in exemplar.question


@with_data
def test_no_example_is_a_problem_of_a_test_split() -> None:
    exemplars = all_exemplars()
    texts = [f"{exemplar.question}\n{exemplar.solution}" for exemplar in exemplars]
    for name, benchmark in BENCHMARKS.items():
        questions = [problem.question for problem in load(name, "test")]
        found = find_overlaps(texts, questions)
        assert benchmark.splits and [(exemplars[hit.text].problem_id, hit.words) for hit in found] == []


@with_data
def test_examples_are_of_training_splits_and_not_of_the_held_out_share() -> None:
    """One in twenty training problems is the validation split: index 0, 20, 40, …"""
    for name in ("gsm8k", "math"):
        places = {problem.problem_id: place for place, problem in enumerate(load(name, "train"))}
        assert all(places[exemplar.problem_id] % 20 for exemplar in exemplars_of(name, load))


@with_data
def test_likelihood_ends_where_the_letter_stands() -> None:
    prompt = choose("likelihood", "sat_math", chat=False)
    assert (prompt.mode, prompt.whole) == ("likelihood", True)
    assert prompt.text("?").endswith("Answer: C\n\nProblem:\n?\n\nAnswer:")


@with_data
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "few_shot", "shots": 9}, r"shots is 9 and gsm8k has 8 worked examples; expected 0 to 8"),
        ({"name": "few_shot_program", "benchmark": "cmath", "shots": 1}, "cmath has 0 examples with a program"),
        ({"name": "few_shot", "benchmark": "mine", "shots": 1}, "mine has 0 worked examples; expected 0 to 0"),
        ({"name": "chain_of_thought", "shots": 2}, "shots is 2, and the prompt 'chain_of_thought' has no examples"),
        ({"name": "auto", "language": "fr"}, "there is no prompt in the language 'fr', only in en, zh; write one"),
        ({"name": "likelihood"}, "gsm8k has no options whose likelihood.* sat_math, mmlu_stem, gaokao_mathqa have"),
        ({"name": "few_shots"}, "unknown prompt 'few_shots'; did you mean 'few_shot'"),
    ],
)
def test_what_cannot_be_asked_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        choose(**arguments)  # type: ignore[arg-type]


def test_a_training_file_without_the_listed_problem_is_refused() -> None:
    with pytest.raises(ValueError, match="need the problem 'gsm8k-train-0001', which the gsm8k/train problems lack"):
        choose_prompt("few_shot", "gsm8k", chat=True, load=lambda *_: [])


@pytest.mark.parametrize(
    ("options", "answer", "message"),
    [
        (["1", "2"], "C", "line 1: the answer is 'C' and there are 2 options; expected letters from A to B"),
        (["1", "2"], "the second", "line 1: the answer is 'the second' and there are 2 options"),
        (
            None,
            "Tom has 2 apples and buys 3 more, so that in the end he has 5",
            "line 1: the answer is prose, 'Tom has",
        ),
        (None, "The answer is clearly a number, because of reasons.", "line 1: the answer is prose, 'The answer is"),
        (None, "Because of reasons it is five!", "line 1: the answer is prose, 'Because of"),
    ],
)
def test_answers_that_cannot_be_are_refused(tmp_path: Path, options: object, answer: str, message: str) -> None:
    from benchmarks.files import read_problems

    file = tmp_path / "mine.jsonl"
    file.write_text(json.dumps({"id": "1", "question": "?", "answer": answer, "options": options}))
    with pytest.raises(DataFileError, match=message):
        read_problems(file, benchmark="mine")


@pytest.mark.parametrize("answer", ["The answer is 5.", "all of the above.", "7 hours.", r"7\text{ hours}.", "yes"])
def test_short_answers_with_a_full_stop_are_taken(tmp_path: Path, answer: str) -> None:
    from benchmarks.files import read_problems

    file = tmp_path / "mine.jsonl"
    file.write_text(json.dumps({"id": "1", "question": "?", "answer": answer}))
    assert read_problems(file, benchmark="mine")[0].gold_answer == answer


@with_data
@pytest.mark.parametrize("name", [name for name, known in BENCHMARKS.items() if known.answer is not AnswerKind.OPTION])
def test_no_gold_of_a_benchmark_is_taken_for_prose(name: str, tmp_path: Path) -> None:
    """The benchmark's problems as a user's own file: letters alone are read otherwise there."""
    from benchmarks.files import read_problems

    file = tmp_path / "mine.jsonl"
    for split in BENCHMARKS[name].splits:
        golds = [problem.gold_answer for problem in load(name, split)]
        rows = [{"id": f"{number}", "question": "?", "answer": gold} for number, gold in enumerate(golds)]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        assert [problem.gold_answer for problem in read_problems(file, benchmark="mine")] == golds

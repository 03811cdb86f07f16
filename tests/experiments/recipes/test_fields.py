"""One field language: what a sweep varies, every command sets; own files of problems and prompts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from algorithms.settings import converted, fits, type_in_words
from benchmarks.prompts import Prompt, choose_prompt
from experiments.recipes.arms import select_arms, with_controls
from experiments.recipes.config import Recipe, TaskConfig
from experiments.recipes.fields import apply_settings, parse_setting
from experiments.runs.problems import load_problems, overlap_lines
from tests.experiments.miniature import recipe


def only(*names: str) -> Recipe:
    return replace(recipe(), arms=select_arms(recipe(), names))


def test_fields_of_methods_training_and_recipe_are_set_by_name() -> None:
    base = only("grpo", "ppo")
    settings = ["method.kl_coef=0.5", "group_size=7", "evaluation.samples=9", "max_num_seqs=3", "reward=format"]
    changed = apply_settings(base, settings)
    assert {name: arm.settings for name, arm in changed.arms.items()} == {
        "grpo": {"kl_coef": 0.5},
        "ppo": {"kl_coef": 0.5},
    }
    assert {arm.training.group_size for arm in changed.arms.values()} == {7}
    assert changed.evaluation == replace(base.evaluation, samples=9)
    assert changed.engine.vllm.max_num_seqs == 3
    assert changed.reward == "format"
    assert [arm.overrides for arm in changed.arms.values()] == [{}, {}], "the start policy is measured alike"


def test_a_field_of_several_values_takes_a_list() -> None:
    changed = apply_settings(only("grpo"), ["decoding_temperatures=[0, 0.5]"])
    assert changed.evaluation.decoding_temperatures == (0, 0.5)
    with pytest.raises(ValueError, match="expected a list, each a finite float"):
        apply_settings(only("grpo"), ['decoding_temperatures=["a"]'])


def test_a_control_keeps_what_makes_it_one_and_lacks_what_it_lacks() -> None:
    base = only("grpo")
    base = replace(base, arms=with_controls(recipe(), base.arms))
    changed = apply_settings(base, ["training.learning_rate=0.25", "kl_coef=0.5"])
    assert changed.arms["grpo"].training.learning_rate == 0.25
    assert changed.arms["control_no_update"].training.learning_rate == 0.0
    assert changed.arms["control_no_update"].settings == {"kl_coef": 0.5}
    assert changed.arms["continued_sft" if "continued_sft" in changed.arms else "control_sft"].settings == {}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("klcoef=1", "no field 'klcoef'; did you mean 'kl_coef'"),
        ("temperature=1", "evaluation.temperature and training.temperature|training.temperature and"),
        ("evaluation.samples=0", "samples is 0; expected at least 1"),
        ("evaluation.samples=NaN", "expected a finite int"),
        ("evaluation.split=tset", "expected one of 'train', 'validation', 'test'"),
        ("seeds=[1]", "no field 'seeds'"),
        ("kl_coef", "expected field=value"),
        ("=1", "expected field=value"),
    ],
)
def test_mistakes_are_named(setting: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        apply_settings(only("grpo"), [setting])


def test_values_are_json_or_text() -> None:
    assert [parse_setting(f"a={text}")[1] for text in ("1", "1.5", "null", "true", "mean", '"1"')] == [
        1, 1.5, None, True, "mean", "1"
    ]  # fmt: skip


def write(path: Path, questions: list[str]) -> None:
    rows = [{"id": f"{path.stem}-{row}", "question": text, "answer": "2"} for row, text in enumerate(questions)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_duplicates_never_straddle_train_and_validation(tmp_path: Path) -> None:
    questions = [f"What is {number} and {number}?" for number in range(60)]
    questions[7], questions[45] = questions[20], questions[20].upper().replace("?", " ?")  # number 20 is held out
    write(tmp_path / "train.jsonl", questions)
    write(tmp_path / "test.jsonl", ["What is one and one more?"])
    task = TaskConfig(benchmark=str(tmp_path / "{split}.jsonl"))
    validation, train = load_problems(task, "validation"), load_problems(task, "train")
    assert [problem.problem_id for problem in validation] == ["train-0", "train-20", "train-40"]
    left = {problem.problem_id for problem in train}
    assert left == {f"train-{row}" for row in range(60)} - {"train-0", "train-20", "train-40", "train-7", "train-45"}
    assert [problem.benchmark for problem in load_problems(task, "test")] == ["test"]


def test_one_file_is_to_evaluate_on(tmp_path: Path) -> None:
    write(tmp_path / "mine.jsonl", ["1 + 1?", "2 + 0?"])
    task = TaskConfig(benchmark=str(tmp_path / "mine.jsonl"))
    assert [problem.question for problem in load_problems(task, "test")] == ["1 + 1?", "2 + 0?"]
    with pytest.raises(ValueError, match=r"to train, or for split train, name files by split: .*\{split\}.jsonl"):
        load_problems(task, "train")


def test_training_problems_that_hold_test_questions_are_told(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", ["Ann has two apples and eats one of them", "What is half of eight?"])
    write(tmp_path / "test.jsonl", ["What is HALF of eight", "Bob has 1 pear"])
    task = TaskConfig(benchmark=str(tmp_path / "{split}.jsonl"))
    [line] = overlap_lines(load_problems(task, "train"), load_problems(task, "test"))
    assert line.startswith("1 of 1 training problems hold words of 1 of the 2 problems")
    assert 'train-1 and test-0 share "what is half of eight"' in line


def test_prompts_by_name_and_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("Q: {question}\nA:\n")
    (tmp_path / "none.txt").write_text("Q:\n")
    (tmp_path / "latin.txt").write_bytes(b"Frage \xfc: {question}")
    assert prompt_of(str(tmp_path / "mine.txt")).text("1+1?") == "Q: 1+1?\nA:"
    assert prompt_of("bare").text("1+1?") == "1+1?"
    for name, message in (
        ("none.txt", "has no {question}"),
        ("gone.txt", "there is no prompt file"),
        ("latin.txt", r"latin.txt cannot be read .*; expected a text file in UTF-8"),
    ):
        with pytest.raises(ValueError, match=message):
            prompt_of(str(tmp_path / name))
    with pytest.raises(ValueError, match="did you mean 'chain_of_thought"):
        prompt_of("chain_of_thougth")


def prompt_of(name: str) -> Prompt:
    return choose_prompt(name, "mine", chat=True, load=lambda benchmark, split: [])


def test_a_list_of_pairs_is_read_to_its_last_item() -> None:
    hint = tuple[tuple[str, float], ...] | None
    assert fits([["words", 0.5], ["program", 1]], hint) and fits(None, hint)
    for wrong in ([["words"]], [["words", 0.5, 1]], [["words", "half"]], ["words", 0.5], [[0.5, "words"]]):
        assert not fits(wrong, hint)
    assert converted([["words", 0.5]], hint) == (("words", 0.5),) and converted(None, hint) is None
    assert type_in_words(hint) == "a list, each a list of a str, a finite float or null"


@pytest.mark.parametrize(
    "setting", ["max_num_seqs=0", "max_model_len=-1", "gpu_memory_utilization=1.5", "kv_cache_gib=0", "replicas=0"]
)
def test_sizes_that_no_engine_can_have_are_refused(setting: str):
    with pytest.raises(ValueError, match=setting.partition("=")[0]):
        apply_settings(only("grpo"), [setting])

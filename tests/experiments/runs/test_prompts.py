"""The prompt of a task for a model: template, system prompt, day, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.problem import Problem
from experiments.inspection.prompt import prompt_lines
from experiments.recipes.config import TaskConfig
from experiments.runs.problems import load_problems
from experiments.runs.prompts import render_prompts
from tests.sampling.tokenizers import llama

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
PROBLEM = Problem(problem_id="q", benchmark="mine", question="sold?", gold_answer="5")
TEMPLATE = (
    "{% for message in messages %}[{{ message.role }}]{{ message.content }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]<think>\n{% endif %}"
)
WORDS = "sold?\nPlease reason step by step, and put your final answer within \\boxed{}."


def text(template: str | None = None, **fields: str | int) -> str:
    tokenizer = llama()
    tokenizer.chat_template = template  # type: ignore[assignment]
    task = TaskConfig(**{"benchmark": "mine", "prompt": "chain_of_thought", **fields})  # type: ignore[arg-type]
    return render_prompts([PROBLEM], task, tokenizer)[0].text


def test_a_message_stands_in_the_models_template_or_in_the_papers() -> None:
    assert text(TEMPLATE) == f"[user]{WORDS}[assistant]<think>\n"
    assert text() == f"User: {WORDS}\n\nAssistant:"


def test_system_prompt_and_template_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "system.txt").write_text("Be brief.\n")
    (tmp_path / "mine.jinja").write_text("{% for message in messages %}<{{ message.content }}>{% endfor %}")
    system, template = str(tmp_path / "system.txt"), str(tmp_path / "mine.jinja")
    assert text(TEMPLATE, system=system) == f"[system]Be brief.[user]{WORDS}[assistant]<think>\n"
    assert text(system=system, chat_template=template) == f"<Be brief.><{WORDS}>"


def test_bare_and_few_shot_prompts_are_all_that_the_model_gets() -> None:
    assert text(TEMPLATE, prompt="bare") == "sold?"
    assert text(TEMPLATE, prompt="few_shot") == "Problem:\nsold?\n\nSolution:"
    assert text(None, prompt="auto") == "Problem:\nsold?\n\nSolution:"


REFUSES = "{{ raise_exception('System role not supported') }}"


@pytest.mark.parametrize(
    ("template", "fields", "message"),
    [
        (TEMPLATE, {"system": "gone.txt"}, "gone.txt cannot be read as the system prompt"),
        (TEMPLATE, {"system": "gone.txt", "prompt": "bare"}, "task.system is given, and the prompt 'bare' is all that"),
        (
            None,
            {"system": "gone.txt"},
            "task.system is given, and the model has no chat template; leave it out, or give one",
        ),
        (REFUSES, {}, "the chat template .the model's. fails: System role not supported"),
        ("{% if %}", {}, "the chat template .the model's. fails"),
    ],
)
def test_what_cannot_be_rendered_is_refused(template: str | None, fields: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        text(template, **fields)


@pytest.mark.parametrize(
    ("benchmark", "prompt", "message"),
    [
        ("minif2f", "auto", r"minif2f is judged by proofs, .*expected --prompt proof with --set checker=lean4"),
        ("gsm8k", "proof", r"expected the prompt proof with one of metamath, lean4, isabelle"),
    ],
)
def test_a_prompt_that_no_evaluation_would_use_is_not_shown(benchmark: str, prompt: str, message: str) -> None:
    """As `evaluate` refuses it, before anything is loaded."""
    with pytest.raises(ValueError, match=message):
        prompt_lines("no-such-model", TaskConfig(benchmark=benchmark, prompt=prompt), "test", None)


@pytest.mark.skipif(not DATA.is_dir(), reason="the benchmark files are not here (../shared/data)")
def test_a_proof_is_asked_for_with_the_informal_one_and_the_statement() -> None:
    """miniF2F: the informal problem, its proof, header and statement in the checker's language, in this order."""
    [problem] = load_problems(TaskConfig(benchmark="minif2f", data_dir=str(DATA)), "test", 1)
    assert [each.language for each in problem.statements] == ["lean4", "isabelle"]
    for language, begins, theorem in (
        ("lean4", "import Mathlib", "theorem aime_1983_p1 (x y z w : ℕ)"),
        ("isabelle", "(*\n  Authors: Wenda Li\n*)\n\ntheory aime_1983_p1", "fixes x y z w :: nat"),
    ):
        task = TaskConfig(benchmark="minif2f", data_dir=str(DATA), prompt="proof", checker=language)  # type: ignore[arg-type]
        [rendered] = render_prompts([problem], task, llama())
        parts = [
            "Let $x$, $y$ and $z$ all exceed $1$",
            "Informal proof:\nThe [[logarithm]]ic notation",
            f"Formal statement ({language}):\n```\n{begins}",
            theorem,
            "Please prove the formal statement",
        ]
        places = [rendered.text.index(part) for part in parts]
        assert places == sorted(places)
    task = TaskConfig(benchmark="minif2f", data_dir=str(DATA), prompt="proof", checker="metamath")
    with pytest.raises(ValueError, match=r"test\.jsonl.*, line 1: no statement in metamath \(it has lean4, isabelle\)"):
        render_prompts([problem], task, llama())

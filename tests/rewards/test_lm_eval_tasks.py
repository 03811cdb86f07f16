"""Our benchmarks in lm-evaluation-harness, and its samples back here; skipped, and said so, without lm-eval."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from analysis.records.foreign import read_foreign
from benchmarks.problem import Problem
from experiments.cli import main
from experiments.inspection.foreign_samples import judge_foreign
from rewards.lm_eval_tasks import process_results
from rewards.verdict import CHECKER_VERSION

ROWS = {
    "gsm8k": [{"id": f"g{n}", "question": f"What is {n}+1?", "answer": str(n + 1)} for n in range(4)],
    "sat_math": [{"id": "s0", "question": "1+1?", "answer": "B", "options": ["1", "2"]}],
    "minerva_math": [{"id": "o0", "question": "Roughly?", "answer": "3.00"}],
    "gaokao_mathcloze": [{"id": "c0", "question": "填空：____，____", "answer": "1;2"}],
}


@pytest.fixture
def exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, rows in ROWS.items():
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    folder = tmp_path / "tasks"
    command = ["export", "lm-eval", str(folder), "--benchmark", *ROWS, "--data-dir", str(tmp_path / "data")]
    monkeypatch.setattr(sys, "argv", ["coeflab", *command])
    main()
    return folder


def rows_of(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"coeflab_{name}.jsonl").read_text().splitlines()]


def test_completions_are_judged_by_what_the_question_asks(exported: Path) -> None:
    """An option by what it says, a number within the benchmark's tolerance: no plain comparison would do."""
    [option], [rough], [first, *_] = (rows_of(exported, name) for name in ("sat_math", "minerva_math", "gsm8k"))
    [cloze] = rows_of(exported, "gaokao_mathcloze")
    for doc, completion, right in (
        (option, r"so \boxed{2}", 1.0),
        (option, r"so \boxed{A}", 0.0),
        (rough, r"\boxed{3.02}", 1.0),
        (rough, r"\boxed{3.2}", 0.0),
        (first, r"\boxed{\frac{2}{2}}", 1.0),
        (first, "no idea", 0.0),
        (cloze, r"\boxed{1;2}", 1.0),
        (cloze, r"\boxed{2;1}", 0.0),
    ):
        assert process_results(doc, [completion]) == {"exact_match": right}
        assert process_results(doc, [[completion, "other"]]) == {"exact_match": right}
    assert first["prompt"] == ("What is 0+1?\nPlease reason step by step, and put your final answer within \\boxed{}.")


def test_a_task_is_asked_greedily_with_our_prompt_and_judged_by_our_checker(exported: Path) -> None:
    """What lm-eval reads of a task, without lm-eval."""
    file = exported / "coeflab_gaokao_mathcloze.yaml"
    lines = dict(line.split(": ", 1) for line in file.read_text(encoding="utf-8").splitlines()[1:])
    assert lines.pop("process_results") == "!function coeflab_checker.process_results"
    task = {name: json.loads(text) for name, text in lines.items()}
    data = exported.resolve() / "coeflab_gaokao_mathcloze.jsonl"
    assert task["task"] == "coeflab_gaokao_mathcloze"
    assert task["dataset_kwargs"] == {"data_files": {"test": str(data)}}
    assert (task["doc_to_text"], task["doc_to_target"]) == ("{{prompt}}", "{{answer}}")
    assert task["generation_kwargs"] == {"until": [], "max_gen_toks": 1024, "do_sample": False, "temperature": 0.0}
    assert task["metadata"] == {"version": float(CHECKER_VERSION), "prompt": "chain_of_thought", "shots": 0}
    assert "填空：____，____" in data.read_text(encoding="utf-8")  # readable, not escaped
    sys.path.insert(0, str(exported))
    try:
        assert importlib.import_module("coeflab_checker").process_results is process_results
    finally:
        sys.path.remove(str(exported))
        sys.modules.pop("coeflab_checker", None)


def test_what_lm_eval_cannot_do_is_refused(tmp_path: Path) -> None:
    from benchmarks.prompts import Mode, Prompt
    from rewards.lm_eval_tasks import export_task

    prompt = Prompt(name="tool", template="{question}", mode=Mode.TOOL)
    problem = Problem(problem_id="a", benchmark="b", question="q", gold_answer="1")
    with pytest.raises(ValueError, match="the prompt 'tool' asks for tool, which lm-eval's tasks cannot"):
        export_task(tmp_path, "b", [problem], prompt, max_tokens=8)


def test_lm_eval_runs_them_and_its_samples_come_back(exported: Path, tmp_path: Path) -> None:
    lm_eval: Any = pytest.importorskip(
        "lm_eval", reason="lm-eval is not installed: its run of our tasks is not tested here"
    )
    LM: Any = importlib.import_module("lm_eval.api.model").LM
    EvaluationTracker = importlib.import_module("lm_eval.loggers").EvaluationTracker
    TaskManager = importlib.import_module("lm_eval.tasks").TaskManager
    asked = []

    class Scripted(LM):
        """Right for every other problem of GSM8K, right about the option, wrong by more than is allowed."""

        def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
            asked.extend(request.args for request in requests)
            answers = {"What is 0+1?": "1", "What is 1+1?": "9", "What is 2+1?": "3", "What is 3+1?": "9"}
            answers |= {"1+1?": "2", "Roughly?": "3.2", "填空：____，____": "1;2"}
            texts = (request.args[0].partition("\n")[0] for request in requests)
            return [f"Let me see.\n\nIt is \\boxed{{{answers[text]}}}." for text in texts]

        def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> Any:
            raise AssertionError("nothing asks for likelihoods")

        loglikelihood_rolling = loglikelihood

    tasks = [f"coeflab_{name}" for name in ROWS]
    manager = TaskManager(include_path=str(exported), include_defaults=False)
    found = lm_eval.simple_evaluate(
        model=Scripted(), tasks=tasks, task_manager=manager, log_samples=True, bootstrap_iters=0
    )
    assert found is not None
    scores = {name: result["exact_match,none"] for name, result in found["results"].items()}
    assert scores == {
        "coeflab_gsm8k": 0.5,
        "coeflab_sat_math": 1.0,
        "coeflab_minerva_math": 0.0,
        "coeflab_gaokao_mathcloze": 1.0,
    }
    assert all(arguments["until"] == [] and arguments["max_gen_toks"] == 1024 for _, arguments in asked)
    assert not any(arguments["do_sample"] for _, arguments in asked)
    assert any("\n" in text for text, _ in asked)  # the prompt, of which the question is the first line
    tracker = EvaluationTracker(output_path=str(tmp_path / "out"))
    tracker.general_config_tracker.model_name_sanitized = "scripted"
    tracker.date_id = "2026-01-01"
    tracker.save_results_samples(task_name="coeflab_gsm8k", samples=found["samples"]["coeflab_gsm8k"])
    [file] = (tmp_path / "out").rglob("samples_coeflab_gsm8k*.jsonl")
    judged = judge_foreign(read_foreign([file]))
    assert list(judged.samples["correct"]) == [True, False, True, False]
    assert [verdict.correct for verdict in judged.verdicts] == [True, False, True, False]
    assert list(judged.samples["gold"]) == ["1", "2", "3", "4"]
    assert judged.disagreements().empty

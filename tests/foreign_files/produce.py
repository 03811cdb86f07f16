"""Makes the files beside it with the tools themselves: lm-eval's own evaluator, TRL's own trainer, verl's own writer.

    python tests/foreign_files/produce.py FOLDER [verl-0.9.1 wheel]
    python tests/foreign_files/produce.py FOLDER --prime-rl

lm-eval 0.4.13 and TRL 1.16 must be installed; of verl only the function that writes its dumps is run, from its wheel.
prime-rl trains on GPUs and is not run: its dumps are the records of verifiers' traces, a line each, and for them
verifiers 0.4.0 alone must be installed.
"""

from __future__ import annotations

import ast
import json
import os
import random
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

SUMS = {"2 + 3": 5, "7 - 4": 3, "6 * 7": 42}
TASK = """task: sums
dataset_path: json
dataset_kwargs: {data_files: {test: PROBLEMS}}
test_split: test
output_type: generate_until
doc_to_text: "Question: {{question}}\\nAnswer:"
doc_to_target: "{{answer}}"
generation_kwargs: {until: ["Question:"], do_sample: true, temperature: 0.7, max_gen_toks: 24}
repeats: 4
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
filter_list:
- name: all
  filter: [{function: regex, regex_pattern: "(-?[0-9]+)"}, {function: take_first_k, k: 4}]
- name: first
  filter: [{function: regex, regex_pattern: "(-?[0-9]+)"}, {function: take_first}]
"""


def lm_eval_samples(folder: Path, work: Path) -> None:
    """``samples_*.jsonl`` of a task with four repeats and two filters, answered by a script."""
    import lm_eval  # type: ignore[import-not-found]
    from lm_eval.api.model import LM  # type: ignore[import-not-found]
    from lm_eval.loggers import EvaluationTracker  # type: ignore[import-not-found]
    from lm_eval.tasks import TaskManager  # type: ignore[import-not-found]

    class Scripted(LM):
        """Right in two wordings or wrong, by a seeded draw."""

        def __init__(self) -> None:
            super().__init__()
            self.draw = random.Random(7)

        def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
            texts = []
            for request in requests:
                gold = SUMS[request.args[0].split("What is ")[1].split("?")[0]]
                draw = self.draw.random()
                wrong = f" The answer is \\boxed{{{gold + self.draw.choice([1, 10])}}}."
                right = f" The answer is \\boxed{{{gold}}}." if draw < 0.4 else f" That makes {gold}.\n#### {gold}"
                texts.append(right if draw < 0.6 else wrong)
            return texts

        def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[Any]:
            raise ValueError("not asked for")

        loglikelihood_rolling = loglikelihood

    problems = work / "problems.jsonl"
    rows = [{"id": f"p{i}", "question": f"What is {q}?", "answer": str(a)} for i, (q, a) in enumerate(SUMS.items())]
    problems.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (work / "tasks").mkdir()
    (work / "tasks" / "sums.yaml").write_text(TASK.replace("PROBLEMS", str(problems)))
    tracker = EvaluationTracker(output_path=str(work / "scripted"))
    results = lm_eval.simple_evaluate(
        model=Scripted(),
        tasks=["sums"],
        task_manager=TaskManager(include_path=str(work / "tasks")),
        log_samples=True,
        evaluation_tracker=tracker,
    )
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    tracker.save_results_samples(task_name="sums", samples=samples["sums"])
    [written] = work.rglob("samples_sums_*.jsonl")
    shutil.copy(written, folder / "samples_sums.jsonl")


def trl_completions(folder: Path, work: Path) -> None:
    """``completions_*.parquet`` of two steps of `GRPOTrainer` on a random model; its reward function logs the golds."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    from datasets import Dataset
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.grpo_trainer import GRPOTrainer

    from tests.peers.trl_models import tiny_model, tiny_tokenizer

    def ends_right(
        completions: list[str], solution: list[str], log_extra: Any = None, **kwargs: Any
    ) -> list[float | None]:
        if log_extra is not None:
            log_extra("solution", list(solution))
        return [float(text.split()[-1:] == [gold]) for text, gold in zip(completions, solution, strict=True)]

    pairs = ((1, 2), (3, 4), (2, 2), (0, 5))
    rows = [{"prompt": f"{a} + {b} =", "solution": str(a + b)} for a, b in pairs]
    config = GRPOConfig(
        output_dir=str(work / "trl"),
        max_steps=2,
        per_device_train_batch_size=8,
        gradient_accumulation_steps=4,
        generation_batch_size=32,
        num_generations=8,
        max_completion_length=4,
        log_completions=True,
        num_completions_to_print=0,
        logging_steps=1,
        report_to=[],
        use_cpu=True,
        bf16=False,
        save_strategy="no",
        seed=0,
    )
    model = tiny_model(0)
    GRPOTrainer(
        model=model,
        reward_funcs=ends_right,
        args=config,
        train_dataset=Dataset.from_list(rows),
        processing_class=tiny_tokenizer(),
    ).train()
    for written in sorted((work / "trl" / "completions").glob("*.parquet")):
        shutil.copy(written, folder / "completions" / written.name)


def verl_dumps(folder: Path, wheel: Path) -> None:
    """``0.jsonl`` and ``20.jsonl`` by verl's own writer; its strict scorer fails one right answer of step 20."""
    source = zipfile.ZipFile(wheel).read("verl/trainer/ppo/ray_trainer.py").decode()
    [writer] = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and node.name == "_write_generations"
    ]
    writer.decorator_list = []
    names: dict[str, Any] = {"os": os, "json": json}
    exec(compile(ast.Module([writer], []), "verl", "exec"), names)
    draw = random.Random(3)
    for step, share in ((0, 0.3), (20, 0.8)):
        asked, said, golds, scores = [], [], [], []
        for question, gold in SUMS.items():
            for _ in range(4):
                right = draw.random() < share
                asked.append(f"user\nWhat is {question}? Put your final answer within \\boxed{{}}.\nassistant\n")
                said.append(f"So it is \\boxed{{{gold if right else gold + 1}}}.")
                golds.append(str(gold))
                scores.append(float(right))
        if step:
            said[0], scores[0] = "So it is \\boxed{5.0}.", 0.0
        extra = {"acc": [bool(score) for score in scores]}
        names["_write_generations"](asked, said, golds, scores, extra, str(folder / "validation"), step)


def prime_rl_rollouts(folder: Path) -> None:
    """``rollouts/step_N/train_rollouts.jsonl`` of two steps, each line a trace by verifiers, its strict reward and one
    for the box; one trace failed before it was scored, one has a second turn."""
    from verifiers.v1 import WireTrace  # type: ignore[import-not-found]
    from verifiers.v1.trace import Error  # type: ignore[import-not-found]

    draw = random.Random(5)
    for step, share in ((0, 0.3), (8, 0.9)):
        lines = []
        for index, (question, gold) in enumerate(SUMS.items()):
            for sample in range(4):
                right = draw.random() < share
                text = f"So it is \\boxed{{{gold if right else gold + 1}}}."
                asked = {"role": "user", "content": f"What is {question}? Put your final answer within \\boxed{{}}."}
                nodes = [
                    {"message": asked},
                    {"parent": 0, "message": {"role": "assistant", "content": text}, "sampled": True},
                ]
                if sample == 3:
                    nodes.append({"parent": 1, "message": {"role": "user", "content": "Are you sure?"}})
                    again = {"role": "assistant", "content": f"Yes: \\boxed{{{gold}}}"}
                    nodes.append({"parent": 2, "message": again, "sampled": True})
                    right = True
                failed = step == 0 and index == 2 and sample == 0
                trace = WireTrace.model_validate(
                    {
                        "task": {
                            "type": "SumTask",
                            "key": f"sum-{index}",
                            "data": {"idx": index, "prompt": asked["content"], "answer": str(gold)},
                        },
                        "agent": {"config": {}},
                        "nodes": nodes[:1] if failed else nodes,
                        "rewards": {"correct_answer": None if failed else {"score": float(right), "weight": 1.0}},
                        "info": {"prime_rl": {"env_name": "sums"}},
                        "is_completed": True,
                        "ok": not failed,
                        "errors": [Error(type="ProviderError", message="gone").model_dump()] if failed else [],
                    }
                )
                lines.append(json.dumps(trace.to_record()))
        target = folder / "run" / "rollouts" / f"step_{step}" / "train_rollouts.jsonl"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Make the files in the folder that is named."""
    import tempfile

    folder = Path(sys.argv[1])
    if sys.argv[2:] == ["--prime-rl"]:
        prime_rl_rollouts(folder)
        return
    (folder / "completions").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        lm_eval_samples(folder, Path(work))
        trl_completions(folder, Path(work))
    if len(sys.argv) > 2:
        verl_dumps(folder, Path(sys.argv[2]))


if __name__ == "__main__":
    main()

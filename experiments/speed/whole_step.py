"""Time of whole training steps of GRPO beside TRL's GRPOTrainer: sampling, scoring, passes for π_ref, update, reload.

Ours is a run of a recipe as `coeflab train` starts it, its times read from its own metrics. TRL's is its trainer with
vLLM colocated (transformers' generate on a CPU), on the same prompts and rewards, at the largest microbatch that it
survives. Each gets a process of its own, one after the other, so that neither pays for what the other holds.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from algorithms import GRPO
from experiments.recipes.config import Recipe
from training.pieces import is_memory_error

Result = TypeVar("Result")

__all__ = ["StepTimes", "in_a_process", "measure_whole_steps", "our_steps", "trl_steps"]

WARMUP = 2  # first steps, which compile and capture; not counted
MICROBATCHES = (128, 64, 32, 16, 8)  # sequences of a pass of TRL, from the largest on


@dataclass(frozen=True, kw_only=True)
class StepTimes:
    """What some steps took.

    Attributes:
        seconds: of each step after the first `WARMUP`.
        sampling_seconds: of each, as far as it is known.
        update_seconds: of each: batch, passes for π_ref, forward, backward, optimiser; as far as it is known.
        weight_sync_seconds: of each: the weights' way into the engines; as far as it is known.
        other_seconds: of each: verdicts and the rest; as far as it is known.
        tokens_per_second: completion tokens over sampling seconds, 0 where these are unknown.
        held_gib: of the device at the end, by the trainer and its engines; 0 on a CPU.
        about: what it ran with.
    """

    seconds: tuple[float, ...]
    sampling_seconds: tuple[float, ...] = ()
    update_seconds: tuple[float, ...] = ()
    weight_sync_seconds: tuple[float, ...] = ()
    other_seconds: tuple[float, ...] = ()
    tokens_per_second: float = 0.0
    held_gib: float = 0.0
    about: str = ""

    def text(self, name: str) -> str:
        """One line for the reader."""
        sampling = f", sampling {statistics.median(self.sampling_seconds):.2f} s" if self.sampling_seconds else ""
        speed = f" ({self.tokens_per_second:,.0f} tokens/s)" if self.tokens_per_second else ""
        update = f", update {statistics.median(self.update_seconds):.2f} s" if self.update_seconds else ""
        sync = f", weights {statistics.median(self.weight_sync_seconds):.3f} s" if self.weight_sync_seconds else ""
        other = f", the rest {statistics.median(self.other_seconds):.2f} s" if self.other_seconds else ""
        held = f", {self.held_gib:.1f} GiB held" if self.held_gib else ""
        each = ", ".join(f"{second:.2f}" for second in self.seconds)
        step = f"{statistics.median(self.seconds):.2f} s a step ({each})"
        return f"{name}: {step}{sampling}{speed}{update}{sync}{other}{held}; {self.about}"


def measure_whole_steps(recipe: Recipe, *, steps: int = 6, peer_steps: int = 3) -> tuple[StepTimes, StepTimes]:
    """Our steps and TRL's.

    Args:
        recipe: of a given model, with an arm ``grpo``.
        steps: of ours that are counted.
        peer_steps: of TRL's that are counted.

    Raises:
        RuntimeError: a side failed; what it said is in the message.
        torch.OutOfMemoryError: TRL survives none of `MICROBATCHES`.
    """
    import torch

    recipe = _only_steps(recipe, steps + WARMUP)
    ours = in_a_process(our_steps, recipe)
    print(ours.text("ours"), flush=True)
    training = recipe.arms["grpo"].training
    for microbatch in MICROBATCHES:
        if (training.problems_per_step * training.group_size) % microbatch:
            continue
        try:
            theirs = in_a_process(trl_steps, recipe, peer_steps, microbatch)
        except torch.OutOfMemoryError as error:
            print(f"trl at {microbatch} sequences a pass: {error}", flush=True)
            continue
        print(theirs.text("trl"), flush=True)
        return ours, theirs
    raise torch.OutOfMemoryError(f"TRL survives none of {MICROBATCHES} sequences a pass on this device.")


def _only_steps(recipe: Recipe, steps: int) -> Recipe:
    """The recipe's GRPO alone, for so many steps, with next to no evaluation."""
    arm = recipe.arms["grpo"]
    few = replace(
        recipe.evaluation, problems=1, samples=1, every=0, further_benchmarks=(), decoding_temperatures=(), max_tokens=8
    )
    arms = {"grpo": replace(arm, training=replace(arm.training, steps=steps))}
    return replace(
        recipe,
        arms=arms,
        default_arms=None,
        contrasts=None,
        supervised=None,
        evaluation=few,
        seeds=(0,),
        checkpoint_every=steps,
    )


def our_steps(recipe: Recipe) -> StepTimes:
    """A run of the recipe's ``grpo``; the times are those of its ``metrics.jsonl``, checkpoints aside."""
    from experiments.runs.engines import SamplerCache
    from experiments.runs.jobs import RunJob
    from experiments.schedule.plan import plan_jobs

    before = _held_gib()
    with tempfile.TemporaryDirectory() as name:
        jobs = plan_jobs(recipe, Path(name), evaluate_start=False)
        job = next(job for job in jobs if isinstance(job, RunJob))
        engines = SamplerCache()  # held until the memory is read
        job.run(engines, lambda what, done, total, unit: None)
        lines = (job.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        held = _held_gib() - before
    rows = [json.loads(line) for line in lines]
    counted = rows[WARMUP:]
    seconds, sampling, update, sync = (
        tuple(row[f"{part}_seconds"] for row in counted) for part in ("step", "sampling", "update", "weight_sync")
    )
    tokens = counted[-1]["tokens_generated"] - rows[WARMUP - 1]["tokens_generated"]
    peak = max(row.get("peak_memory_gib") or 0.0 for row in rows)
    training, engine = recipe.arms["grpo"].training, recipe.engine
    return StepTimes(
        seconds=seconds,
        sampling_seconds=sampling,
        update_seconds=update,
        weight_sync_seconds=sync,
        other_seconds=tuple(whole - sum(parts) for whole, *parts in zip(seconds, sampling, update, sync, strict=True)),
        tokens_per_second=tokens / sum(sampling),
        held_gib=held,
        about=f"pieces of {training.microbatch_tokens:,} tokens, {engine.replicas} engine(s), trainer {peak:.1f} GiB",
    )


def trl_steps(recipe: Recipe, steps: int, microbatch: int) -> StepTimes:
    """TRL's GRPOTrainer on the recipe's training problems.

    Args:
        recipe: see `measure_whole_steps`.
        steps: that are counted.
        microbatch: sequences of a forward and backward pass.
    """
    import torch
    from datasets import Dataset
    from transformers import AutoTokenizer, TrainerCallback
    from trl.trainer.grpo_trainer import GRPOTrainer

    from experiments.runs.problems import load_problems
    from experiments.runs.prompts import render_prompts
    from rewards.trl_reward import as_trl_reward
    from training.models.folder import resolve_model

    assert recipe.model is not None
    training, on_gpu = recipe.arms["grpo"].training, recipe.engine.device == "cuda"
    folder = resolve_model(recipe.model)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    problems = load_problems(recipe.task, "train", recipe.task.train_problems)
    problems = problems[: training.problems_per_step * (steps + WARMUP)]
    prompts = render_prompts(problems, recipe.task, tokenizer)
    rows = [
        {"prompt": prompt.text, "solution": problem.gold_answer}
        for problem, prompt in zip(problems, prompts, strict=True)
    ]
    times: list[float] = []
    before = _held_gib()

    class Clock(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if on_gpu:
                torch.cuda.synchronize()
            times.append(time.perf_counter())

    longest = max(len(prompt.ids) for prompt in prompts) + training.max_completion_tokens
    with tempfile.TemporaryDirectory() as name:
        trainer: Any = GRPOTrainer(
            model=str(folder),
            reward_funcs=as_trl_reward(),
            args=_trl_arguments(recipe, steps=steps + WARMUP, microbatch=microbatch, longest=longest, folder=name),
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
            callbacks=[Clock()],
        )
        started = time.perf_counter()
        trainer.train()
    seconds = tuple(after - before for before, after in itertools.pairwise([started, *times]))[WARMUP:]
    how = "vLLM colocated" if on_gpu else "transformers' generate"
    about = f"{microbatch} sequences a pass, {how}, padded"
    return StepTimes(seconds=seconds, held_gib=_held_gib() - before, about=about)


def _trl_arguments(recipe: Recipe, *, steps: int, microbatch: int, longest: int, folder: str) -> Any:
    """TRL's configuration of the recipe's ``grpo``: its KL, rate, temperature and lengths."""
    from trl.trainer.grpo_config import GRPOConfig

    from experiments.recipes.plugins import load_algorithm

    arm, on_gpu = recipe.arms["grpo"], recipe.engine.device == "cuda"
    training, algorithm = arm.training, load_algorithm(arm.algorithm, arm.settings)
    assert isinstance(algorithm, GRPO)
    in_engine: dict[str, Any] = {}
    if on_gpu:
        in_engine = {"use_vllm": True, "vllm_mode": "colocate", "vllm_gpu_memory_utilization": 0.15}
        in_engine["vllm_max_model_length"] = longest
    return GRPOConfig(
        output_dir=folder,
        max_steps=steps,
        per_device_train_batch_size=microbatch,
        gradient_accumulation_steps=training.problems_per_step * training.group_size // microbatch,
        num_generations=training.group_size,
        max_completion_length=training.max_completion_tokens,
        temperature=training.temperature,
        learning_rate=training.learning_rate,
        lr_scheduler_type="constant",
        loss_type="grpo",
        beta=algorithm.kl_coef,
        bf16=training.use_autocast,
        gradient_checkpointing=False,
        use_cpu=not on_gpu,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        **in_engine,
    )


def _held_gib() -> float:
    """GiB of the device that are in use, by whomever."""
    import torch

    if not torch.cuda.is_available():
        return 0.0
    free, total = torch.cuda.mem_get_info()
    return (total - free) / 2**30


def in_a_process(work: Callable[..., Result], *arguments: Any) -> Result:
    """What `work(*arguments)` returns, from a fresh process.

    Raises:
        torch.OutOfMemoryError: it ran out of the device's memory.
        RuntimeError: it failed otherwise.
    """
    import torch

    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(theirs, work, arguments))
    process.start()
    theirs.close()
    try:
        kind, value = ours.recv()
    except EOFError:
        process.join()
        raise RuntimeError(f"{work.__name__} ended with exit code {process.exitcode} and said nothing.") from None
    process.join(timeout=30)
    if process.is_alive():
        process.kill()
        process.join()
    if kind == "memory":
        raise torch.OutOfMemoryError(value)
    if kind == "failed":
        raise RuntimeError(f"{work.__name__} failed: {value}")
    return value


def _answer(pipe: Connection, work: Callable[..., Any], arguments: Sequence[Any]) -> None:
    try:
        pipe.send(("done", work(*arguments)))
    except Exception as error:  # told to the parent, who raises it
        import traceback

        traceback.print_exc()
        kind = "memory" if is_memory_error(error) else "failed"
        pipe.send((kind, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"))

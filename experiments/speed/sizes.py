"""What models of several sizes take of a card in a GRPO step, and how fast it goes: measured, beside the arithmetic.

Weights are random and drawn on the device, in the shapes of Qwen2.5; sequences are random tokens. Everything of a step
runs but the sampling: π_ref's pass, forward and backward pass, clipping, optimiser. Each row has a process of its own.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from benchmarks.problem import Problem
from sampling.rollout import Rollout
from training.config import TrainingConfig
from training.memory import estimate_memory

if TYPE_CHECKING:
    from training.trainer import Trainer

__all__ = [
    "ROWS",
    "SHAPES",
    "SizeRow",
    "measure_size",
    "measure_sizes",
    "random_rollouts",
    "size_table",
    "trainer_without_engine",
]

STEPS = 3  # the first compiles and is not counted
GROUP = 8

# Layers, channels, channels of the MLP, heads, heads of keys and values; embeddings of the first three are tied.
SHAPES: Mapping[str, tuple[int, int, int, int, int]] = {
    "0.5B": (24, 896, 4864, 14, 2),
    "1.5B": (28, 1536, 8960, 12, 2),
    "3B": (36, 2048, 11008, 16, 2),
    "7B": (28, 3584, 18944, 28, 4),
}
VOCABULARY = 151_936

OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "all weights": {},
    "8-bit moments": {"optimizer": "adamw_8bit"},
    "8-bit moments, checkpointing": {"optimizer": "adamw_8bit", "gradient_checkpointing": True},
    "LoRA 16": {"lora_rank": 16},
    "LoRA 16, checkpointing": {"lora_rank": 16, "gradient_checkpointing": True},
}

ROWS: tuple[tuple[str, str], ...] = (
    ("0.5B", "all weights"),
    ("0.5B", "8-bit moments, checkpointing"),
    ("1.5B", "all weights"),
    ("1.5B", "8-bit moments, checkpointing"),
    ("3B", "8-bit moments, checkpointing"),
    ("3B", "LoRA 16"),
    ("7B", "LoRA 16"),
    ("7B", "LoRA 16, checkpointing"),
)
"""(size, option) that are worth a row on a card of 80 GB: each size with what it needs to fit."""


@dataclass(frozen=True, kw_only=True)
class SizeRow:
    """One model with one set of options.

    Attributes:
        size: of `SHAPES`.
        option: of `OPTIONS`.
        estimate_gib: the trainer's peak by arithmetic.
        peak_gib: as measured; ``None`` where it does not fit.
        tokens_per_second: prompts and completions through a whole update, π_ref's pass included.
    """

    size: str
    option: str
    estimate_gib: float
    peak_gib: float | None
    tokens_per_second: float | None


def measure_sizes(rows: tuple[tuple[str, str], ...] = ROWS) -> list[SizeRow]:
    """Every row, each in a fresh process, printed as it comes."""
    from experiments.speed.whole_step import in_a_process

    measured = []
    for size, option in rows:
        row: SizeRow = in_a_process(measure_size, qwen_config(size), size, option)
        print(size_table([row]).splitlines()[-1], flush=True)
        measured.append(row)
    return measured


def qwen_config(size: str) -> dict[str, Any]:
    """The configuration of Qwen2.5 of that size, as arguments of transformers' class."""
    layers, hidden, intermediate, heads, kv_heads = SHAPES[size]
    return {
        "vocab_size": VOCABULARY,
        "hidden_size": hidden,
        "intermediate_size": intermediate,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "tie_word_embeddings": size != "7B",
        "max_position_embeddings": 4096,
        "dtype": "float32",
    }


def measure_size(
    config: Mapping[str, Any], size: str, option: str, *, sequences: int = 64, prompt: int = 128, completion: int = 384
) -> SizeRow:
    """One row: GRPO with a pass for π_ref on random sequences, in pieces of at most 8,192 tokens.

    Args:
        config: of transformers' `Qwen2Config`.
        size: name for the row.
        option: of `OPTIONS`.
        sequences: of the batch.
        prompt: tokens of each prompt.
        completion: most tokens of a completion; they are half to fully as long.
    """
    import torch

    from training.memory import size_of
    from training.pieces import is_memory_error

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    training = TrainingConfig(
        steps=STEPS,
        problems_per_step=sequences // GROUP,
        group_size=GROUP,
        learning_rate=1e-6,
        microbatch_tokens=8192,
        max_completion_tokens=completion,
        use_autocast=True,
        **OPTIONS[option],
    )
    model = _random_model(config, device)
    on_gpu = device.type == "cuda"
    estimate = estimate_memory(size_of(model), training, reference=True, critic=False, compiled=on_gpu).total
    row = SizeRow(size=size, option=option, estimate_gib=estimate, peak_gib=None, tokens_per_second=None)
    try:
        given = random_rollouts(
            config["vocab_size"],
            problems=training.problems_per_step,
            group_size=GROUP,
            prompt=prompt,
            completion=(completion // 2, completion),
        )
        rows = _steps(model, training, given)
    except RuntimeError as error:
        if not is_memory_error(error):
            raise
        return row
    tokens = [each["tokens_trained"] for each in rows]  # counted up over the steps, as the rows have it
    seconds = statistics.median(each["update_seconds"] for each in rows[1:])
    per_step = (tokens[-1] - tokens[0]) / (STEPS - 1) + sequences * prompt
    peak = max(each.get("peak_memory_gib", 0.0) for each in rows)
    return replace(row, peak_gib=peak, tokens_per_second=per_step / seconds)


def _random_model(config: Mapping[str, Any], device: Any) -> Any:
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    with torch.device(device):
        return Qwen2ForCausalLM(Qwen2Config(**config)).eval()


def random_rollouts(
    vocabulary: int, *, problems: int, group_size: int, prompt: int, completion: tuple[int, int]
) -> list[Rollout]:
    """Groups of completions of random tokens, each behind a prompt of random tokens; the same every time.

    Args:
        vocabulary: ids are from 3 on, below it.
        problems: groups.
        group_size: completions of each.
        prompt: tokens of a prompt.
        completion: fewest and most tokens of a completion.
    """
    rng = random.Random(0)
    rollouts = []
    for number in range(problems):
        problem = Problem(problem_id=f"random/{number}", benchmark="random", question="?", gold_answer="1")
        prompt_ids = tuple(rng.randrange(3, vocabulary) for _ in range(prompt))
        for index in range(group_size):
            length = rng.randint(*completion)
            rollouts.append(
                Rollout(
                    problem=problem,
                    prompt_ids=prompt_ids,
                    completion_ids=tuple(rng.randrange(3, vocabulary) for _ in range(length)),
                    completion="",
                    finish_reason="stop",
                    sample_index=index,
                    seed=0,
                    policy_version=0,
                )
            )
    return rollouts


@dataclass(frozen=True, kw_only=True)
class _Fixed:
    """A source that hands out the same completions at every step."""

    given: list[Rollout]

    def rollouts(self, step: int) -> list[Rollout]:
        return self.given

    def sampling_seconds(self, step: int, *, elapsed: float) -> float:
        return elapsed


class _NoEngine:
    """Takes weights and does nothing with them; nothing is sampled here."""

    policy_version = 0

    def load_weights(self, named_tensors: object, policy_version: int) -> None:
        self.policy_version = policy_version


def _steps(model: Any, training: TrainingConfig, rollouts: list[Rollout]) -> list[Any]:
    """The rows of `STEPS` steps."""
    from training.loop import take_step

    trainer = trainer_without_engine(model, training, rollouts)
    return [take_step(trainer, step) for step in range(STEPS)]


def trainer_without_engine(model: Any, training: TrainingConfig, rollouts: list[Rollout]) -> Trainer:
    """GRPO with π_ref on the same completions at every step, every second one rewarded; nothing is sampled.

    Args:
        model: on the device where it is trained; gets adapters where `training` has a rank.
        training: `problems_per_step` · `group_size` is as many as there are rollouts.
        rollouts: group by group.

    Raises:
        ValueError: see `Trainer`.
    """
    from algorithms import GRPO
    from rewards.reward import as_reward
    from training.models.embedded import build_embedded_tokenizer
    from training.models.lora import add_adapters, frozen_copy
    from training.models.policy import Policy
    from training.trainer import Trainer

    if training.lora_rank is not None:
        add_adapters(model, rank=training.lora_rank, alpha=training.lora_alpha, seed=0, under_autocast=True)
    engine: Any = _NoEngine()
    return Trainer(
        policy=Policy(model=model, tokenizer=build_embedded_tokenizer(), eos_token_ids=(2,), pad_token_id=0),
        algorithm=GRPO(kl_coef=0.04),
        config=training,
        source=_Fixed(given=rollouts),
        sampler=engine,
        reward=as_reward(lambda rollout, verdict: float(rollout.sample_index % 2)),
        reference=frozen_copy(model),
    )


def size_table(rows: Sequence[SizeRow]) -> str:
    """The rows as a table in Markdown."""
    lines = [
        "| model | option | peak by arithmetic, GiB | measured, GiB | tokens/s |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        peak = "does not fit" if row.peak_gib is None else f"{row.peak_gib:.1f}"
        speed = "" if row.tokens_per_second is None else f"{row.tokens_per_second:,.0f}"
        lines.append(f"| {row.size} | {row.option} | {row.estimate_gib:.1f} | {peak} | {speed} |")
    return "\n".join(lines)

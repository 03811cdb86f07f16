"""TRL's trainers on what this laboratory gives them: problems in our order, our completions and our rewards.

1. Completions are drawn by our engine with our seeds and handed over through `rollout_func` (GRPO) or in place of the
   generation (RLOO, which has no hook), so the first step of ``trl:grpo`` trains on the very tokens of ``grpo``.
2. What follows is TRL's: advantages, reference, loss, accumulation, clipping, AdamW, schedule, checkpoints.
3. TRL's schedule counts optimiser steps; its warm-up starts at a rate of 0, ours at one step's share.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader

from rewards.verdict import ScoredRollout
from sampling.rollout import Rollout
from training.config import TrainingConfig
from training.models.batches import pairs_in
from training.models.policy import Policy, named_weights
from training.peers.methods import TrlGRPO, TrlMethod
from training.sources.drawing import Drawn, Score, mixed_groups
from training.sources.interface import Source
from training.sources.online import OnlineSource

__all__ = ["Online", "Prepared", "TrlRun"]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A trainer of TRL that is ready to train.

    Attributes:
        trainer: TRL's.
        drawn: the completions of a step, counted from 0, once TRL had them; kept are those that have an advantage, are
            in a pair, or are demonstrations.
    """

    trainer: Any
    drawn: Callable[[int], Drawn]


@dataclass(kw_only=True)
class Online:
    """Stands where TRL would generate: draws the completions of a step and knows their rewards.

    Attributes:
        source: draws, from a sampler that is given the weights TRL trained before.
        score: verdicts and rewards.
        updates: optimiser steps on each batch.
    """

    source: OnlineSource
    score: Score
    updates: int
    drawn: Drawn = field(init=False)

    def draw(self, global_step: int, count: int) -> list[Rollout]:
        """The completions of the step that TRL is at.

        Raises:
            RuntimeError: TRL asks for another number of completions than a step has.
        """
        step, sampler = global_step // self.updates, self.source.sampler
        if sampler.policy_version != step:
            sampler.load_weights(named_weights(self.source.policy.model), step)
        started = time.perf_counter()
        rollouts = self.source.rollouts(step)
        if len(rollouts) != count:
            raise RuntimeError(f"TRL asks for {count} completions at step {step}; expected {len(rollouts)}.")
        sampled = time.perf_counter()
        scored = self.score(rollouts)
        self.drawn = _drawn(
            scored,
            [item for group in mixed_groups(scored) for item in group],  # the others have no advantage in TRL either
            sampling_seconds=sampled - started,
            scoring_seconds=time.perf_counter() - sampled,
        )
        return rollouts

    def rollout(self, prompts: Sequence[Any], trainer: Any) -> dict[str, Any]:
        """Completions of a step as TRL's `rollout_func` returns them, a row a completion."""
        rollouts = self.draw(trainer.state.global_step, len(prompts))
        return {
            "prompt_ids": [list(each.prompt_ids) for each in rollouts],
            "completion_ids": [list(each.completion_ids) for each in rollouts],
            "logprobs": None,
        }

    def rewards(self, completion_ids: Sequence[Sequence[int]], **columns: Any) -> list[float]:
        """TRL's `reward_funcs`: the rewards of the completions that were just drawn.

        Raises:
            RuntimeError: TRL asks for the rewards of others.
        """
        if [tuple(ids) for ids in completion_ids] != [item.rollout.completion_ids for item in self.drawn.scored]:
            raise RuntimeError("TRL asks for rewards of other completions than it was given for this step.")
        return [item.reward for item in self.drawn.scored]


@dataclass(frozen=True, kw_only=True)
class TrlRun:
    """What every trainer of TRL is given of a run.

    Attributes:
        method: whose trainer.
        policy: π_θ, changed in place.
        training: budget and rates.
        folder: gets TRL's checkpoints.
        seed: of TRL's own generators.
        checkpoint_every: steps between checkpoints.
    """

    method: TrlMethod
    policy: Policy
    training: TrainingConfig
    folder: Path
    seed: int
    checkpoint_every: int

    def online(self, online: Online) -> Prepared:
        """GRPO's or RLOO's trainer, whose completions and rewards `online` gives."""
        from datasets import Dataset

        training, prompts = self.training, online.source.prompts
        micro = self._at_once(longest_prompt=max(map(len, prompts.prompt_ids)))
        asked = [problem for step in range(training.steps) for problem, _ in prompts.of_step(step)]
        given: dict[str, Any] = {
            "model": self.policy.model,
            "reward_funcs": online.rewards,
            "args": self._arguments(
                micro=micro,
                num_generations=training.group_size,
                num_iterations=training.updates_per_batch,
                max_completion_length=training.max_completion_tokens,
                temperature=training.temperature,
                shuffle_dataset=False,
            ),
            "train_dataset": Dataset.from_list([{"prompt": problem.question} for problem in asked]),
            "processing_class": self.policy.tokenizer,
        }
        trainer = _grpo(online, given) if isinstance(self.method, TrlGRPO) else _rloo(online, given)
        return Prepared(trainer=trainer, drawn=lambda step: online.drawn)

    def on_pairs(self, source: Source, score: Score) -> Prepared:
        """DPO's trainer on the pairs of every step; all pairs of a step are one batch, however many they are.

        Raises:
            ValueError: a step has no pair.
        """
        from datasets import Dataset
        from trl.trainer.dpo_trainer import DPOTrainer

        scored = [score(source.rollouts(step)) for step in range(self.training.steps)]
        pairs = [pairs_in(each) for each in scored]
        empty = [step for step, each in enumerate(pairs, start=1) if not each]
        if empty:
            raise ValueError(
                f"step {empty[0]} has no problem with a right and a wrong completion, and TRL's DPO takes no empty "
                "batch; expected a larger problems_per_step or group_size."
            )
        every = iter(range(sum(map(len, pairs))))
        batches = [[next(every) for _ in each] for each in pairs]

        class PairsOfAStep(DPOTrainer):
            """TRL's trainer on token ids, in batches as large as their steps."""

            def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
                return dataset

            def get_train_dataloader(self) -> Any:
                return self.accelerator.prepare(
                    DataLoader(self.train_dataset, batch_sampler=batches, collate_fn=self.data_collator)  # type: ignore[arg-type]
                )

        rows = [_pair_row(*pair) for each in pairs for pair in each]
        trainer = PairsOfAStep(
            model=self.policy.model,  # type: ignore[arg-type]
            args=self._arguments(micro=None, max_length=None),
            train_dataset=Dataset.from_list(rows),
            processing_class=self.policy.tokenizer,
        )
        return Prepared(
            trainer=trainer,
            drawn=lambda step: _drawn(
                scored[step],
                [item for pair in pairs[step] for item in pair],
                sampling_seconds=source.sampling_seconds(step, elapsed=0.0),
            ),
        )

    def on_solutions(self, source: Source, score: Score) -> Prepared:
        """SFT's trainer on the demonstrations of every step, in their order."""
        from datasets import Dataset
        from trl.trainer.sft_trainer import SFTTrainer

        steps = [score(source.rollouts(step)) for step in range(self.training.steps)]
        rollouts = [item.rollout for each in steps for item in each]
        rows = [
            {
                "input_ids": [*each.prompt_ids, *each.completion_ids],
                "completion_mask": [0] * len(each.prompt_ids) + [1] * len(each.completion_ids),
            }
            for each in rollouts
        ]
        longest = max(len(each.prompt_ids) + len(each.completion_ids) for each in rollouts)
        trainer = SFTTrainer(
            model=self.policy.model,  # type: ignore[arg-type]
            args=self._arguments(
                micro=self._at_once(longest_prompt=longest - self.training.max_completion_tokens),
                max_length=None,
                completion_only_loss=True,
                train_sampling_strategy="sequential",
            ),
            train_dataset=Dataset.from_list(rows),
            processing_class=self.policy.tokenizer,
        )
        return Prepared(trainer=trainer, drawn=lambda step: _drawn(steps[step], steps[step]))

    def _at_once(self, *, longest_prompt: int) -> int:
        """Sequences of a pass: as many as divide the batch and are within the limits of the training, at least one."""
        training = self.training
        batch = training.problems_per_step * training.group_size
        most = training.microbatch_tokens // (longest_prompt + training.max_completion_tokens)
        most = max(1, min(most, training.microbatch_size or batch))
        return max(size for size in range(1, batch + 1) if batch % size == 0 and size <= most)

    def _arguments(self, *, micro: int | None, **extra: Any) -> Any:
        """TRL's config: budget and rates of the training, the method's fields, TRL's defaults for the rest.

        Args:
            micro: sequences of a pass; ``None`` where the batches are made elsewhere and each is one pass.
            extra: fields of this trainer's config.
        """
        training, updates = self.training, self.training.updates_per_batch
        decays = {"constant": "constant_with_warmup", "linear": "linear"}
        options: dict[str, Any] = {
            "output_dir": str(self.folder),
            "max_steps": training.steps * updates,
            "per_device_train_batch_size": micro or 1,
            "gradient_accumulation_steps": training.problems_per_step * training.group_size // micro if micro else 1,
            "learning_rate": training.learning_rate,
            "lr_scheduler_type": decays[training.schedule],
            "warmup_steps": training.warmup_steps * updates,
            "weight_decay": training.weight_decay,
            "adam_beta2": training.adam_beta2,
            "max_grad_norm": training.max_grad_norm,
            "gradient_checkpointing": training.gradient_checkpointing,
            "bf16": training.use_autocast,
            "seed": self.seed % 2**32,  # what numpy's generator takes
            "use_cpu": self.policy.device.type == "cpu",
            "logging_steps": 1,
            "save_strategy": "steps",
            "save_steps": self.checkpoint_every * updates,
            "save_total_limit": 2,
            "report_to": "none",
            "disable_tqdm": True,
        }
        module = import_module(f"trl.trainer.{self.method.trainer.lower()}_config")
        return getattr(module, f"{self.method.trainer}Config")(**options, **self.method.fields, **extra)


def _grpo(online: Online, given: dict[str, Any]) -> Any:
    from trl.trainer.grpo_trainer import GRPOTrainer

    return GRPOTrainer(**given, rollout_func=online.rollout)


def _rloo(online: Online, given: dict[str, Any]) -> Any:
    from trl.trainer.rloo_trainer import RLOOTrainer

    class DrawnRLOOTrainer(RLOOTrainer):
        """TRL's trainer, with our engine where it would generate."""

        def _tokenize_prompts(self, prompts: list) -> tuple[list[list[int]], None, dict[str, Any]]:
            self._drawn = online.draw(self.state.global_step, len(prompts))
            return [list(each.prompt_ids) for each in self._drawn], None, {}

        def _generate_single_turn(self, *_: Any) -> list[list[int]]:
            return [list(each.completion_ids) for each in self._drawn]

    return DrawnRLOOTrainer(**given)


def _pair_row(better: ScoredRollout, worse: ScoredRollout) -> dict[str, list[int]]:
    return {
        "prompt_ids": list(better.rollout.prompt_ids),
        "chosen_ids": list(better.rollout.completion_ids),
        "rejected_ids": list(worse.rollout.completion_ids),
    }


def _drawn(
    scored: list[ScoredRollout],
    kept: list[ScoredRollout],
    *,
    sampling_seconds: float = 0.0,
    scoring_seconds: float = 0.0,
) -> Drawn:
    return Drawn(
        scored=scored,
        kept=kept,
        greedy=[],
        rounds=1,
        sampling_seconds=sampling_seconds,
        scoring_seconds=scoring_seconds,
    )

"""One training step of any algorithm: sample, score, credit, update. It does not know which algorithm it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import nn

from algorithms.interface import Algorithm, BatchUnit, DataSource, Exclusion, Need
from rewards.reward import Reward, StepRewardFunction
from rewards.scoring import score_rollouts
from rewards.verdict import ScoredRollout
from sampling.rollout import Rollout
from sampling.sampler import Sampler
from sampling.text import token_ends
from training.accounting import Counters, rollout_metrics
from training.config import TrainingConfig
from training.drawing import draw_step
from training.models.batches import TrainingBatch, build_batch, build_pair_batch, microbatches
from training.models.critic import Critic, critic_loss
from training.models.logprobs import ForwardOptions
from training.models.packing import can_pack, is_packed, pack_attention
from training.models.policy import Policy, named_weights
from training.models.scores import score_logprobs, score_values
from training.pieces import PieceSize
from training.sources import Source
from training.update import UpdateOptions, accumulate_gradients, denominator_of

__all__ = ["Trainer", "TrainingConfig"]


@dataclass(kw_only=True)
class Trainer:
    """A policy in training: everything one step touches.

    Attributes:
        policy: π_θ, changed in place.
        algorithm: credit and coefficients.
        config: see `TrainingConfig`.
        source: hands out the completions of a step.
        sampler: gets the new weights after each step of an online method, after each iteration of an iterated one.
        reward: outcome reward.
        step_reward: reward of each step; used where the algorithm needs it.
        reference: π_ref; used where the algorithm needs it.
        critic: used where the algorithm needs it.
        counters: what has been used so far.
        report: told of progress within a step: `(what, done, total, unit)`.
    """

    policy: Policy
    algorithm: Algorithm
    config: TrainingConfig
    source: Source
    sampler: Sampler
    reward: Reward
    step_reward: StepRewardFunction | None = None
    reference: nn.Module | None = None
    critic: Critic | None = None
    counters: Counters = field(default_factory=Counters)
    report: Callable[[str, float, float, str], None] = lambda what, done, total, unit: None
    pieces: PieceSize = field(init=False)
    optimizer: torch.optim.AdamW = field(init=False)
    critic_optimizer: torch.optim.AdamW | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        needs = self.algorithm.needs
        missing = [
            remedy
            for need, present, remedy in (
                (Need.REFERENCE_LOGPROBS, self.reference, "a reference policy"),
                (Need.CRITIC, self.critic, "a critic"),
                (
                    Need.STEP_REWARDS,
                    self.step_reward,
                    "a step reward (`step_reward` of the recipe or of the reward file)",
                ),
                (Need.GREEDY_REWARD, None, "the reward of a greedy completion"),
            )
            if need in needs and present is None
        ]
        if missing:
            raise ValueError(
                f"{type(self.algorithm).__name__} needs {' and '.join(missing)}, which this run does not have."
            )
        self.pieces = PieceSize(tokens=self.config.microbatch_tokens)
        if self._packs:
            for model in (self.policy.model, self.reference, getattr(self.critic, "backbone", None)):
                if model is not None:
                    pack_attention(model)
        self.optimizer = self._adamw(self.policy.model, self.config.learning_rate)
        if self.critic is not None:
            self.critic_optimizer = self._adamw(self.critic, self.config.critic_learning_rate)

    def _adamw(self, model: nn.Module, learning_rate: float) -> torch.optim.AdamW:
        return torch.optim.AdamW(
            model.parameters(),
            lr=learning_rate,
            weight_decay=self.config.weight_decay,
            betas=(0.9, self.config.adam_beta2),
            fused=self.policy.device.type == "cuda" or None,
        )

    @property
    def _packs(self) -> bool:
        """Whether sequences are laid end to end: as configured, else in bfloat16 on a GPU where the model can."""
        if self.config.packed is not None:
            return self.config.packed
        return self.config.use_autocast and self.policy.device.type == "cuda" and can_pack(self.policy.model)

    @property
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """The optimisers by the name of their file in a checkpoint."""
        named: dict[str, torch.optim.Optimizer] = {"optimizer": self.optimizer}
        if self.critic_optimizer is not None:
            named["critic_optimizer"] = self.critic_optimizer
        return named

    @property
    def update_options(self) -> UpdateOptions:
        """What the passes need of the configuration."""
        return UpdateOptions(
            temperature=self.config.temperature,
            max_completion_tokens=self.config.max_completion_tokens,
            use_autocast=self.config.use_autocast,
        )

    def forward_options(self, tokens: int) -> ForwardOptions:
        """How passes are run, in pieces of at most `tokens`."""
        return ForwardOptions(
            microbatch_tokens=tokens,
            microbatch_size=self.config.microbatch_size,
            temperature=self.config.temperature,
            use_autocast=self.config.use_autocast,
        )

    @property
    def moving_reference(self) -> nn.Module | None:
        """π_ref where it follows the policy (Algorithm 1), so that a checkpoint must hold it too."""
        return self.reference if self.config.iteration_steps is not None else None

    def step(self, step: int) -> dict[str, float | int | None]:
        """Run step `step`, counted from 0, and return its row of metrics."""
        started = time.perf_counter()
        if self.moving_reference is not None and self.config.starts_iteration(step):
            self.moving_reference.load_state_dict(self.policy.model.state_dict())
        dynamic = Exclusion.EQUAL_GROUPS in getattr(self.algorithm, "exclude", ())
        drawn = draw_step(self.source, step, self._score, dynamic=dynamic, problems=self.config.problems_per_step)
        if self.algorithm.data_source is not DataSource.DEMONSTRATIONS:
            self._count_generation(drawn.scored)
        judged = time.perf_counter()
        batch = self._batch(drawn.kept) if drawn.kept else None
        measured = self._update(batch, step) if batch is not None else {"loss": None, "tokens_trained": 0}
        if dynamic:
            measured["sampling_rounds"] = drawn.rounds
        sampled_metrics = rollout_metrics(drawn.scored)
        clash = measured.keys() & (sampled_metrics.keys() | vars(self.counters).keys()) - {"tokens_trained"}
        if clash:
            raise ValueError(f"diagnostics {sorted(clash)} have the name of a column of metrics.jsonl; rename them.")
        self.counters.tokens_trained += int(measured.pop("tokens_trained") or 0)
        trained = time.perf_counter()
        iterated = self.algorithm.data_source is DataSource.ITERATED and self.config.starts_iteration(step + 1)
        if iterated or self.algorithm.data_source is DataSource.ONLINE:
            self.sampler.load_weights(named_weights(self.policy.model), step + 1)
        sampling_seconds = self.source.sampling_seconds(step, elapsed=drawn.sampling_seconds)
        self.counters.seconds += time.perf_counter() - started - drawn.sampling_seconds + sampling_seconds
        return {
            "step": step + 1,
            **vars(self.counters),
            **sampled_metrics,
            "kl": None,
            **measured,
            "sampling_seconds": sampling_seconds,
            "scoring_seconds": drawn.scoring_seconds,
            "update_seconds": trained - judged,
        }

    def _score(self, rollouts: Sequence[Rollout]) -> list[ScoredRollout]:
        return score_rollouts(
            rollouts,
            reward=self.reward,
            step_reward=self.step_reward if Need.STEP_REWARDS in self.algorithm.needs else None,
            token_ends=lambda ids: token_ends(self.policy.tokenizer, ids),
        )

    def _batch(self, scored: Sequence[ScoredRollout]) -> TrainingBatch | None:
        """The arrays of the step; nothing where there is nothing to learn from."""
        pad = self.policy.pad_token_id
        if self.algorithm.batch_unit is BatchUnit.PAIR:
            ranked = Need.RANKED_PAIRS in self.algorithm.needs
            batch = build_pair_batch(scored, pad_token_id=pad, by_reward=ranked)
        else:
            batch = build_batch(scored, pad_token_id=pad)
        return None if batch is None else self._score_tokens(batch.to(self.policy.device))

    def _score_tokens(self, batch: TrainingBatch) -> TrainingBatch:
        """Attach old and reference logprobs and values, as far as the algorithm reads them."""
        needs, tokens, config = self.algorithm.needs, batch.tokens, self.config

        def logprobs(model: nn.Module) -> torch.Tensor:
            return self.pieces.run(lambda size: score_logprobs(model, batch, self.forward_options(size)))

        tokens = replace(tokens, max_length=config.max_completion_tokens)
        several_updates = config.updates_per_batch > 1 and Need.OLD_LOGPROBS in needs
        if several_updates or Need.OLD_LOGPROBS_FOR_CREDIT in needs:
            tokens = replace(tokens, old_logprobs=logprobs(self.policy.model))
            self._count_flops(2, batch)
        if Need.REFERENCE_LOGPROBS in needs and self.reference is not None:
            tokens = replace(tokens, reference_logprobs=logprobs(self.reference))
            self._count_flops(2, batch)
        if Need.CRITIC in needs and self.critic is not None:
            critic = self.critic
            values = self.pieces.run(lambda size: score_values(critic, batch, self.forward_options(size)))
            tokens = replace(tokens, values=values)
            self._count_flops(2, batch)
        return batch.with_tokens(tokens)

    def _count_flops(self, per_parameter: int, batch: TrainingBatch) -> None:
        self.counters.flops += float(per_parameter) * self.policy.num_parameters * int(batch.lengths.sum())

    def _update(self, batch: TrainingBatch, step: int) -> dict[str, float | None]:
        """Credit once, then `updates_per_batch` optimiser steps; the critic afterwards."""
        credit = self.algorithm.credit(batch.tokens)
        rate = self.config.learning_rate * self.config.rate_factor(step)
        measured: dict[str, float] = {}
        tokens_trained = 0.0
        for _ in range(self.config.updates_per_batch):
            measured = self.pieces.run(lambda size: self._gradients(batch, credit, size))
            tokens_trained += measured["tokens_trained"]
            measured["grad_norm"] = _clip_and_step(self.policy.model, self.optimizer, rate, self.config.max_grad_norm)
            self._count_flops(6, batch)
        if self.critic is not None:
            measured["critic_loss"] = self._update_critic(batch, step)
        return {**measured, "tokens_trained": tokens_trained, "learning_rate": rate}

    def _gradients(self, batch: TrainingBatch, credit: torch.Tensor, tokens: int) -> dict[str, float]:
        """The gradient of the whole batch in `.grad`, in pieces of at most `tokens`."""
        self.optimizer.zero_grad()
        split = self._split(batch, self.algorithm.batch_unit, tokens, packed=is_packed(self.policy.model))
        model, reporting = self.policy.model, self._reporting(split)
        return accumulate_gradients(model, self.algorithm, batch, credit, reporting, self.update_options)

    def _split(self, batch: TrainingBatch, unit: BatchUnit, tokens: int, *, packed: bool) -> list[torch.Tensor]:
        return microbatches(batch, unit, tokens=tokens, sequences=self.config.microbatch_size, packed=packed)

    def _reporting(self, split: Sequence[torch.Tensor]) -> Iterator[torch.Tensor]:
        """The same microbatches, each reported when it is done."""
        for number, rows in enumerate(split, start=1):
            yield rows
            self.report("update", number, len(split), "microbatches")

    def _update_critic(self, batch: TrainingBatch, step: int) -> float:
        """Regress the critic on the algorithm's value targets; returns the loss before its last optimiser step."""
        assert self.critic is not None and self.critic_optimizer is not None
        targets = self.algorithm.value_targets(batch.tokens)  # type: ignore[attr-defined]
        rate = self.config.critic_learning_rate * self.config.rate_factor(step)
        total = 0.0
        for _ in range(self.config.critic_updates_per_batch):
            total = self.pieces.run(lambda size: self._critic_gradients(batch, targets, size))
            _clip_and_step(self.critic, self.critic_optimizer, rate, self.config.max_grad_norm)
            self._count_flops(6, batch)
        return total

    def _critic_gradients(self, batch: TrainingBatch, targets: torch.Tensor, tokens: int) -> float:
        """The gradient of the critic's loss in `.grad`, in pieces of at most `tokens`; returns the loss."""
        assert self.critic is not None and self.critic_optimizer is not None
        self.critic_optimizer.zero_grad()
        denominator = denominator_of(batch, BatchUnit.SEQUENCE, self.update_options)
        total = torch.zeros((), dtype=torch.float64, device=self.policy.device)
        for rows in self._split(batch, BatchUnit.SEQUENCE, tokens, packed=is_packed(self.critic.backbone)):
            part = batch.rows(rows)
            mask = part.tokens.completion_mask
            values = self.critic.values(part, use_autocast=self.config.use_autocast)
            loss = critic_loss(values, targets[rows][:, : mask.shape[1]], mask, denominator)
            loss.backward()
            total += loss.detach().double()
        return float(total)

    def _count_generation(self, scored: Sequence[ScoredRollout]) -> None:
        tokens = sum(len(item.rollout.completion_ids) for item in scored)
        prompts = sum(len(item.rollout.prompt_ids) for item in scored)
        self.counters.completions_sampled += len(scored)
        self.counters.tokens_generated += tokens
        self.counters.flops += 2.0 * self.policy.num_parameters * (tokens + prompts)


def _clip_and_step(model: nn.Module, optimizer: torch.optim.Optimizer, rate: float, max_grad_norm: float) -> float:
    """Clip the gradient, step at `rate`, and return the norm before clipping."""
    norm = float(torch.nn.utils.clip_grad_norm_(model.parameters(), max_grad_norm))
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()
    return norm

"""How far a policy is from its start: the KL on some completions of its evaluations."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import nn

from benchmarks.problem import Problem
from experiments.records.config import RunConfig
from experiments.records.samples import NumberFile, ProblemKey, SampleFile, SampleKey, key_of
from sampling.prompt import RenderedPrompt
from sampling.rollout import Rollout
from training.config import TrainingConfig
from training.models.batches import unjudged_batch
from training.models.logprobs import ForwardOptions, splits_at_head
from training.models.packing import is_packed, pack_attention
from training.models.policy import Policy, load_policy
from training.models.scores import score_completion_kl
from training.models.shards import is_sharded, shard
from training.pieces import PieceSize, is_memory_error

__all__ = ["StartKl", "measured_from_start"]

MOST_MEASURED = 512  # completions of an evaluation whose distance from the start policy is measured


@dataclass(frozen=True, kw_only=True)
class StartKl:
    """KL(π_θ ‖ π_start) on some completions of an evaluation; π_start is in memory while this is, once it is asked for.

    Attributes:
        policy: π_θ, as it is when the completions are measured.
        start: folder of π_start.
        training: precision and pieces of the passes.
        temperature: the completions were drawn at it; both policies are taken at it.
        samples_of: how many completions of a problem are measured, the first ones, by problem.
        together: measures them where every rank has a part of both policies; ``None`` is this object itself.
    """

    policy: Policy
    start: Path
    training: TrainingConfig
    temperature: float
    samples_of: Mapping[ProblemKey, int]
    together: Callable[[Sequence[Rollout]], list[float] | None] | None = None

    def __call__(self, rollouts: Sequence[Rollout]) -> list[float] | None:
        """`score_completion_kl` of each completion, in nats; ``None`` where memory has no room for π_start too."""
        drawn = [index for index, rollout in enumerate(rollouts) if rollout.num_own_tokens]
        numbers = [0.0] * len(rollouts)
        if not drawn:
            return numbers
        measured = [rollouts[index] for index in drawn]
        model, device = self.policy.model, self.policy.device
        was_training = model.training  # TRL's trainers leave dropout on
        try:
            model.eval()
            start = self._start
            pieces = PieceSize(tokens=self.training.microbatch_tokens, fixed=is_sharded(model))
            batch = unjudged_batch(measured, pad_token_id=self.policy.pad_token_id).to(device)
            found = pieces.run(lambda size: score_completion_kl(model, start, batch, self._forward(size)))
        except (RuntimeError, MemoryError) as error:
            if is_sharded(model) or not is_memory_error(error):
                raise
            warnings.warn("no room for the start policy: the KL from it is not measured.", RuntimeWarning, stacklevel=2)
            return None
        finally:
            model.train(was_training)
        for index, number in zip(drawn, found.tolist(), strict=True):
            numbers[index] = number
        return numbers

    def may_go_on(self, step: int, done: Collection[ProblemKey], held: NumberFile) -> bool:
        """Whether all that was drawn of the evaluation at `step`, of the problems `done`, was measured too.

        What was drawn by a version that did not measure is not drawn again for it.
        """
        counts = held.counts(step)
        return not step or all(counts[problem] for problem in self.samples_of.keys() & set(done))

    def keep(self, step: int, rollouts: Sequence[Rollout], into: NumberFile) -> None:
        """Measure what is to be measured of the completions of an evaluation, and write it."""
        some = [each for each in rollouts if self._is_measured(key_of(each))]
        numbers = (self.together or self)(some)
        if numbers is not None:
            into.add(step, [key_of(each) for each in some], numbers)

    def keep_zero(self, samples: SampleFile, into: NumberFile) -> None:
        """Write 0 for what is to be measured of the evaluation at step 0: there π_θ is π_start."""
        held = samples.at(0)
        columns = (held[name] for name in ("benchmark", "problem_id", "sample_index"))
        keys = [key for key in zip(*columns, strict=True) if self._is_measured(key)]
        into.add(0, keys, [0.0] * len(keys))

    def _is_measured(self, key: SampleKey) -> bool:
        benchmark, problem_id, sample_index = key
        return sample_index < self.samples_of.get((benchmark, problem_id), 0)

    @cached_property
    def _start(self) -> nn.Module:
        with torch.random.fork_rng(devices=[]):  # whatever loading draws, the run draws what it would have drawn
            sharded, device = is_sharded(self.policy.model), self.policy.device
            model = load_policy(self.start, device="cpu" if sharded else str(device)).model.requires_grad_(False)
        if sharded:
            splits_at_head(model, use_autocast=self.training.use_autocast)
            shard(model, device)
        if is_packed(self.policy.model):
            pack_attention(model)
        return model

    def _forward(self, tokens: int) -> ForwardOptions:
        training = self.training
        return ForwardOptions(
            microbatch_tokens=tokens,
            microbatch_size=training.microbatch_size,
            temperature=self.temperature,
            use_autocast=training.use_autocast,
        )


def measured_from_start(
    policy: Policy, start: Path, config: RunConfig, prompts: Sequence[tuple[Problem, RenderedPrompt]]
) -> StartKl | None:
    """What measures the distance of a run's policy from its start; ``None`` for one that does not train.

    Measured are the first completions of each of the first problems: `curve_samples` of each, or fewer, so that they
    are `MOST_MEASURED` at most, and the same at every step. Where completions are greedy or of a nucleus there is
    nothing to measure: the start policy may not draw them at all.

    Args:
        policy: π_θ.
        start: folder of the start policy.
        config: of the run.
        prompts: of the task's own benchmark.
    """
    training, evaluation = config.training, config.evaluation
    if training is None or not evaluation.temperature or evaluation.top_p < 1:
        return None
    problems = [(problem.benchmark, problem.problem_id) for problem, _ in prompts[:MOST_MEASURED]]
    each = min(evaluation.curve_samples, MOST_MEASURED // max(1, len(problems)))
    return StartKl(
        policy=policy,
        start=start,
        training=training,
        temperature=evaluation.temperature,
        samples_of=dict.fromkeys(problems, each),
    )

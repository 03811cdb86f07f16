"""The settings of a training, apart from the method; free of torch, so that a mistake in them shows at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sampling.truncation import Truncation

__all__ = ["FORMS", "SupervisedConfig", "TrainingConfig", "check_shares"]

FORMS: Mapping[str, str] = {"words": "solution", "program": "program", "tool": "tool_solution"}
"""The forms of a demonstration, and the field of a problem that has its solution in it."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How long and how fast is trained.

    Attributes:
        steps: sampling steps of the run; each is followed by `updates_per_batch` optimiser steps on what it gave.
        problems_per_step: P.
        group_size: G, completions a problem.
        context_tokens: demonstrations are concatenated at random to rows of at most so many tokens, and a step takes P
            rows (`training.sources.mixture`); ``None`` takes P·G demonstrations. Of no other source.
        learning_rate: AdamW's rate after the warm-up; 0 goes through every motion and changes nothing (a control).
        warmup_steps: steps of linear warm-up from 0.
        schedule: constant, or linear decay, to 0 after the last step.
        updates_per_batch: μ of Algorithm 1; the paper has 1. With more, metrics are those of the last one.
        microbatch_tokens: most tokens of one forward and backward pass, its padding included where sequences are not
            packed; no result depends on it beyond rounding. It is halved where the device runs out of memory.
        microbatch_size: most sequences of one such pass; ``None`` sets no such limit.
        packed: sequences end to end without padding; ``None`` does so in bfloat16 on a GPU where the model can.
        compiled: decoder layers of packed models fused by `torch.compile`; ``None`` does so on a GPU, but for sharded
            ones.
        gradient_checkpointing: a layer's activations are computed again in the backward pass instead of kept.
        lora_rank: rank of adapters on every linear layer but the head, which learn in place of the weights (peft);
            ``None`` trains all weights. A critic keeps all its weights.
        lora_alpha: adapters are scaled by it over the rank.
        optimizer: AdamW, or AdamW whose moments take a byte each (torchao); critic's too.
        shard: where several processes train the run, ``"full"`` leaves each its part of all weights, gradients and
            moments of policy, reference, critic and reward models (FSDP2), in the fits before the run too, ``"none"``
            all of them. No result depends on it beyond rounding.
        max_grad_norm: gradients are scaled down to this norm.
        weight_decay: AdamW's.
        adam_beta2: AdamW's second decay; the first is 0.9.
        critic_learning_rate: AdamW's rate for the critic.
        critic_updates_per_batch: optimiser steps of the critic on each batch.
        critic_warmup_steps: first steps that update the critic alone, so that the policy is not moved by the values of
            an untrained one; they are among `steps` and draw as the others. Nothing where there is no critic.
        temperature: of the sampling; π_θ is taken at it.
        top_k: most tokens that are drawn from; ``None`` sets no such limit. Where it, `top_p` or `min_p` cuts the
            distribution, π_θ is that of what is left, renormalised: the distribution that was really sampled.
        top_p: nucleus mass; ``None`` cuts nothing.
        min_p: share of the largest probability below which tokens are not drawn; ``None`` cuts nothing.
        max_completion_tokens: longest completion.
        use_autocast: forward passes in bfloat16 over float32 master weights.
        iteration_steps: M, the steps of an iteration (Algorithm 1): before the first step of each but the first,
            π_ref ← π_θ where the method reads a reference, and an iterated method draws the completions of the whole
            iteration from π_θ; ``None`` is one iteration.
        max_staleness: k, steps by which sampling runs ahead: step t trains on completions of the policy of step t − k,
            the first k steps on those of the start policy. Methods with a ratio take it to that policy; others have no
            correction (docs/sweeps.md). 0 samples from π_θ at every step.
    """

    steps: int
    problems_per_step: int
    group_size: int
    learning_rate: float
    warmup_steps: int = 0
    schedule: Literal["constant", "linear"] = "constant"
    updates_per_batch: int = 1
    microbatch_tokens: int = 16384
    microbatch_size: int | None = None
    packed: bool | None = None
    compiled: bool | None = None
    gradient_checkpointing: bool = False
    lora_rank: int | None = None
    lora_alpha: float = 32.0
    optimizer: Literal["adamw", "adamw_8bit"] = "adamw"
    shard: Literal["none", "full"] = "none"
    max_grad_norm: float = 1.0
    weight_decay: float = 0.0
    adam_beta2: float = 0.999
    critic_learning_rate: float = 1e-3
    critic_updates_per_batch: int = 1
    critic_warmup_steps: int = 0
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    max_completion_tokens: int = 1024
    use_autocast: bool = False
    iteration_steps: int | None = None
    context_tokens: int | None = None
    max_staleness: int = 0

    def __post_init__(self) -> None:
        for name in (
            "steps",
            "problems_per_step",
            "group_size",
            "updates_per_batch",
            "critic_updates_per_batch",
            "microbatch_tokens",
            "max_completion_tokens",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected at least 1.")
        for name in ("iteration_steps", "microbatch_size", "lora_rank", "context_tokens"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected at least 1, or null.")
        if not 0 <= self.critic_warmup_steps < self.steps:
            raise ValueError(
                f"critic_warmup_steps is {self.critic_warmup_steps}; expected 0 or more and fewer than the "
                f"{self.steps} steps of the run, or the policy is never updated."
            )
        if not 0 <= self.max_staleness < self.steps:
            raise ValueError(
                f"max_staleness is {self.max_staleness}; expected 0 or more and fewer than the {self.steps} steps of "
                "the run, or every completion is of the start policy."
            )
        if not 0 <= self.adam_beta2 < 1:
            raise ValueError(f"adam_beta2 is {self.adam_beta2}; expected a number in [0, 1).")
        for name in ("learning_rate", "warmup_steps", "weight_decay"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; expected 0 or more.")
        for name in ("critic_learning_rate", "max_grad_norm", "temperature", "lora_alpha"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; expected a number above 0.")

        _ = self.truncation

    @property
    def truncation(self) -> Truncation:
        """What the sampled distribution is cut down to."""
        top_p, min_p = 1.0 if self.top_p is None else self.top_p, 0.0 if self.min_p is None else self.min_p
        return Truncation(top_k=self.top_k, top_p=top_p, min_p=min_p)

    def compiles(self, *, on_gpu: bool) -> bool:
        """Whether decoder layers are fused.

        Args:
            on_gpu: the training is on one; nothing else is looked at where `compiled` is set.
        """
        return on_gpu and self.shard == "none" if self.compiled is None else self.compiled

    def starts_iteration(self, step: int) -> bool:
        """Whether `step`, counted from 0, is the first of an iteration other than the first."""
        return self.iteration_steps is not None and step > 0 and step % self.iteration_steps == 0

    def iteration_start(self, step: int) -> int:
        """First step of the iteration that `step` is in, both counted from 0."""
        return 0 if self.iteration_steps is None else step - step % self.iteration_steps

    def rate_factor(self, step: int) -> float:
        """Share of the learning rate at `step`, counted from 0."""
        warmup = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        decay = 1 - step / self.steps if self.schedule == "linear" else 1.0
        return warmup * decay


@dataclass(frozen=True, kw_only=True)
class SupervisedConfig:
    """How a start policy is trained by SFT.

    Attributes:
        demonstrations: worked solutions in the training set, repeated in shuffled epochs; ``None`` takes all.
        batch_size: demonstrations of an optimiser step.
        learning_rate: rate after the warm-up.
        warmup_steps: steps of linear warm-up.
        target_pass_at_1: validation Pass@1 (temperature 1) at which the rate starts to fall; ``None`` measures nothing.
        measure_every: steps between measurements, each of which leaves a checkpoint; between checkpoints where
            nothing is measured.
        measure_from: first step that is measured.
        max_steps: the rate starts to fall here at the latest.
        decay_steps: steps in which it falls linearly to 0; the training ends with them.
        epochs: where given, the training is so many passes over the demonstrations, the falling rate included, and
            `max_steps` is not read.
        weight_decay: decoupled.
        optimizer: ``"muon"`` for the weight matrices of the layers beside AdamW for the rest, or AdamW for all, also
            in 8 bits.
        gradient_checkpointing: see `TrainingConfig`.
        microbatch_tokens: see `TrainingConfig`.
        use_autocast: see `TrainingConfig`.
    """

    demonstrations: int | None = 20000
    batch_size: int = 32
    learning_rate: float = 4e-3
    warmup_steps: int = 100
    target_pass_at_1: float | None = 0.25
    measure_every: int = 100
    measure_from: int = 600
    max_steps: int = 4000
    decay_steps: int = 300
    epochs: int | None = None
    weight_decay: float = 0.01
    optimizer: Literal["muon", "adamw", "adamw_8bit"] = "muon"
    gradient_checkpointing: bool = False
    microbatch_tokens: int = 16384
    use_autocast: bool = False

    def __post_init__(self) -> None:
        for name in (
            "demonstrations",
            "batch_size",
            "warmup_steps",
            "measure_every",
            "measure_from",
            "max_steps",
            "decay_steps",
            "epochs",
            "microbatch_tokens",
        ):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; expected at least 1.")
        for name in ("learning_rate", "weight_decay"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; expected 0 or more.")
        if self.target_pass_at_1 is not None and not 0 <= self.target_pass_at_1 <= 1:
            raise ValueError(f"target_pass_at_1 is {self.target_pass_at_1}; expected a share from 0 to 1, or null.")
        if self.epochs is not None and self.target_pass_at_1 is not None:
            raise ValueError(
                f"epochs is {self.epochs} and target_pass_at_1 is {self.target_pass_at_1}; a training ends by one of "
                "them: set the other to null."
            )

    def latest_decay(self, demonstrations: int) -> int:
        """Step, counted from 0, at which the rate starts to fall at the latest.

        Args:
            demonstrations: how many there are.

        Raises:
            ValueError: `epochs` has fewer steps than `decay_steps`.
        """
        if self.epochs is None:
            return self.max_steps
        steps = self.epochs * (demonstrations // self.batch_size)
        if steps < self.decay_steps:
            raise ValueError(
                f"decay_steps is {self.decay_steps}; expected at most the {steps} steps of {self.epochs} epochs of "
                f"{demonstrations} demonstrations in batches of {self.batch_size}."
            )
        return steps - self.decay_steps

    def as_training(self) -> TrainingConfig:
        """How one step of it is taken, in the terms of any training; when it ends is not in it."""
        return TrainingConfig(
            steps=self.max_steps,
            problems_per_step=self.batch_size,
            group_size=1,
            learning_rate=self.learning_rate,
            microbatch_tokens=self.microbatch_tokens,
            weight_decay=self.weight_decay,
            adam_beta2=0.95,
            use_autocast=self.use_autocast,
            gradient_checkpointing=self.gradient_checkpointing,
            optimizer="adamw_8bit" if self.optimizer == "adamw_8bit" else "adamw",
        )


def check_shares(shares: Mapping[str, float]) -> None:
    """Refuse what no mixture of forms can be.

    Args:
        shares: of each form (`FORMS`) among the demonstrations.

    Raises:
        ValueError: a form that there is not, a share that is not above 0, or shares that do not add up to 1.
    """
    if not shares or any(name not in FORMS for name in shares):
        raise ValueError(f"forms are {list(shares)}; expected some of {', '.join(FORMS)}.")
    if any(not share > 0 for share in shares.values()) or abs(sum(shares.values()) - 1) > 1e-6:
        raise ValueError(f"the shares of forms are {dict(shares)}; expected numbers above 0 that add up to 1.")

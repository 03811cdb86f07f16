"""The settings of a reward model; free of torch, so that a recipe can be read without it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from training.config import TrainingConfig

__all__ = ["RewardModelConfig"]


@dataclass(frozen=True, kw_only=True)
class RewardModelConfig:
    """What a reward model learns from, and how it is fitted.

    Attributes:
        supervision: ``"outcome"`` scores a completion at its last token, ``"process"`` each step at its last token.
        labels: right or wrong by the ``"rule"`` (the answer checker, or the step reward of the task), or the share of
            continuations of a step that end right: above 0 (``"monte_carlo"``, Math-Shepherd's hard labels, arXiv
            2312.08935, Eq. 3) or as it is (``"monte_carlo_soft"``, its Eq. 4); or what people said of given solutions
            (``"prm800k"``, phase 1, from the task's `data_dir`; `problems` and `held_out` count its paths).
        objective: ``"pointwise"`` is binary cross-entropy of each label, by our loop; ``"bradley_terry"`` ranks a right
            completion above a wrong one of the same problem, by TRL's `RewardTrainer` (outcomes only): `batch_size`
            counts pairs, the rate falls linearly to 0, and of the other settings of the fit only `epochs` is read. Its
            scores have no zero, so that a probability of 1/2 is not where right and wrong part.
        step_rule: step reward whose word is the label of a step under ``labels="rule"``; see `TaskConfig.step_reward`.
        control: ``"shuffled_labels"`` permutes the labels among all samples, so that a model can learn nothing but
            their mean; ``"none"`` leaves them.
        model: folder or hub id of the model that the first fit starts from, with the policy's tokenizer; ``None`` is
            the start policy. A smaller one labels for a larger policy (weak-to-strong).
        problems: training problems that are solved for a fit.
        samples: completions of each.
        held_out: further problems, solved likewise, on which the temperature is fitted and the model is measured.
        continuations: drawn from each step under Monte-Carlo labels; the budget of a fit is (problems + held_out) ×
            samples × steps × continuations.
        epochs: passes over the samples.
        batch_size: completions of an optimiser step.
        learning_rate: AdamW's, constant after the warm-up.
        warmup_steps: steps of linear warm-up from 0.
        weight_decay: AdamW's.
        refit: fitted further at the start of every iteration but the first (Algorithm 1); else frozen.
        replay: share of the samples of all earlier fits that a further fit trains on again, beside its new ones. The
            paper has 10 % "historical data" (section 4.1.4) and does not say of what; here of the history.
        members: models that differ in the order of their samples only and score together.
        combine: how members become one score: the ``"mean"``, the ``"minimum"``, or ``"mean_minus_std"``.
        std_weight: k of mean − k · std; the std is that of the population.
        microbatch_tokens: see `TrainingConfig`.
        use_autocast: see `TrainingConfig`.
    """

    supervision: Literal["outcome", "process"] = "outcome"
    labels: Literal["rule", "monte_carlo", "monte_carlo_soft", "prm800k"] = "rule"
    objective: Literal["pointwise", "bradley_terry"] = "pointwise"
    step_rule: str = "equations"
    control: Literal["none", "shuffled_labels"] = "none"
    model: str | None = None
    problems: int = 256
    samples: int = 8
    held_out: int = 64
    continuations: int = 8
    epochs: int = 2
    batch_size: int = 64
    learning_rate: float = 1e-3
    warmup_steps: int = 10
    weight_decay: float = 0.0
    refit: bool = True
    replay: float = 0.1
    members: int = 1
    combine: Literal["mean", "minimum", "mean_minus_std"] = "mean"
    std_weight: float = 1.0
    microbatch_tokens: int = 16384
    use_autocast: bool = False

    def __post_init__(self) -> None:
        for name in ("problems", "samples", "held_out", "continuations", "epochs", "batch_size", "members"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} of a reward model is {getattr(self, name)}; expected at least 1.")
        if not 0 <= self.replay <= 1:
            raise ValueError(f"replay is {self.replay}; expected a share of the history, 0 to 1.")
        if self.std_weight < 0:
            raise ValueError(f"std_weight is {self.std_weight}; expected 0 or more.")
        if self.labels != "rule" and self.supervision == "outcome":
            raise ValueError(
                f"labels is {self.labels!r} with supervision 'outcome'; a whole completion is right or wrong by the "
                "rule: expected labels 'rule', or supervision 'process'."
            )

        if self.objective == "bradley_terry" and self.supervision == "process":
            raise ValueError(
                "objective is 'bradley_terry' with supervision 'process'; pairs are of whole completions: expected "
                "objective 'pointwise', or supervision 'outcome'."
            )
        if self.labels == "prm800k" and self.refit:
            raise ValueError(
                "labels is 'prm800k' with refit true; given solutions do not change: expected refit false."
            )

    @property
    def first_fit(self) -> RewardModelConfig:
        """What the first fit depends on: what happens to the model in later iterations is left out."""
        return replace(self, refit=False, replay=0.0)

    @property
    def kind(self) -> str:
        """What is learned, in a word: ``outcome_rule``, ``process_monte_carlo_soft_shuffled_labels``."""
        ranked = "" if self.objective == "pointwise" else f"_{self.objective}"
        return f"{self.supervision}_{self.labels}{ranked}" + ("" if self.control == "none" else f"_{self.control}")

    def as_training(self, examples: int) -> TrainingConfig:
        """How the fit on so many samples is taken, in the terms of any training."""
        batch = min(self.batch_size, examples)
        return TrainingConfig(
            steps=self.epochs * (examples // batch),
            problems_per_step=batch,
            group_size=1,
            learning_rate=self.learning_rate,
            warmup_steps=self.warmup_steps,
            weight_decay=self.weight_decay,
            microbatch_tokens=self.microbatch_tokens,
            use_autocast=self.use_autocast,
        )

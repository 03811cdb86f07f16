"""When a training ends, how large its rate is until then, and which steps leave a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from training.config import SupervisedConfig, TrainingConfig

__all__ = ["AtStep", "Row", "StopRule", "UntilCompetent"]

Row = dict[str, float | int | None]
"""What was measured at a step, by the name of its column in ``metrics.jsonl``."""


class StopRule(Protocol):
    """Asked by the loop after every step; steps are counted by how many are done."""

    @property
    def expected_steps(self) -> int:
        """Steps in all, as far as is known now."""
        ...

    def look(self, step: int) -> Row:
        """Measure what decides after `step` steps; columns for the row of that step."""
        ...

    def ends(self, step: int) -> bool:
        """Whether the training ends after `step` steps."""
        ...

    def share(self, step: int) -> float:
        """Share of the learning rate at the step that follows `step` steps, in [0, 1]."""
        ...

    def leaves_checkpoint(self, step: int) -> bool:
        """Whether `step` steps leave a checkpoint; the last one always does."""
        ...

    def state(self) -> Row:
        """What a checkpoint must hold of the rule."""
        ...

    def restore(self, state: Mapping[str, float | int | None]) -> None:
        """Take up what `state` gave."""
        ...


class AtStep:
    """A number of steps that is known beforehand.

    Args:
        training: the number and the rate's schedule.
        checkpoint_every: steps between checkpoints.
    """

    def __init__(self, training: TrainingConfig, *, checkpoint_every: int) -> None:
        self._training, self._every = training, checkpoint_every

    @property
    def expected_steps(self) -> int:
        """The configured number of steps."""
        return self._training.steps

    def look(self, step: int) -> Row:
        """Nothing decides but the number."""
        return {}

    def ends(self, step: int) -> bool:
        """Whether the configured number of steps is reached."""
        return step >= self._training.steps

    def share(self, step: int) -> float:
        """Warm-up and schedule of the configuration."""
        return self._training.rate_factor(step)

    def leaves_checkpoint(self, step: int) -> bool:
        """Every so many steps, and before each iteration: a reward model may be fitted there for a while."""
        return step % self._every == 0 or self.ends(step) or self._training.starts_iteration(step)

    def state(self) -> Row:
        """Nothing that the configuration does not hold."""
        return {}

    def restore(self, state: Mapping[str, float | int | None]) -> None:
        """Nothing: `state` is empty."""


class UntilCompetent:
    """SFT of a start policy: until a measured Pass@1 or a last step, and then a linearly falling rate.

    The end is measured, not guessed: skill appears late and suddenly, so the rate stays constant until the sampled
    Pass@1 on validation problems reaches a target, and then falls to 0. Without that fall, plain further SFT with a
    falling rate gains as much as reinforcement does, and every later gain is confounded with it.

    Args:
        config: target, steps and rates.
        demonstrations: how many there are.
        measure: Pass@1 in [0, 1] on validation problems of the policy as it is, given the step.
    """

    def __init__(self, config: SupervisedConfig, *, demonstrations: int, measure: Callable[[int], float]) -> None:
        self._config, self._measure = config, measure
        self._latest = config.latest_decay(demonstrations)
        self._decay_from: int | None = 0 if self._latest == 0 else None

    @property
    def expected_steps(self) -> int:
        """At most so many before the rate falls, then exactly."""
        return (self._latest if self._decay_from is None else self._decay_from) + self._config.decay_steps

    def look(self, step: int) -> Row:
        """Pass@1 where it is due, and at the last step."""
        target, row = self._config.target_pass_at_1, Row()
        due = self.ends(step) or (self._decay_from is None and self._due(step))
        reached = step >= self._latest
        if target is not None and due:
            pass_at_1 = self._measure(step)
            row["validation_pass_at_1"] = pass_at_1
            reached = reached or pass_at_1 >= target
        if self._decay_from is None and reached:
            self._decay_from = step
        return row

    def ends(self, step: int) -> bool:
        """When the rate has fallen to 0."""
        return self._decay_from is not None and step >= self._decay_from + self._config.decay_steps

    def share(self, step: int) -> float:
        """Warm-up, constant, and from the decision on the fall."""
        if self._decay_from is not None:
            return max(0.0, 1 - (step - self._decay_from) / self._config.decay_steps)
        return min(1.0, (step + 1) / self._config.warmup_steps)

    def leaves_checkpoint(self, step: int) -> bool:
        """Every measurement, the decision, and the end."""
        return step == self._decay_from or self.ends(step) or (self._decay_from is None and self._due(step))

    def _due(self, step: int) -> bool:
        started = self._config.target_pass_at_1 is None or step >= self._config.measure_from
        return started and step % self._config.measure_every == 0

    def state(self) -> Row:
        """Where the rate starts to fall, ``None`` where that is open."""
        return {"decay_from": self._decay_from}

    def restore(self, state: Mapping[str, float | int | None]) -> None:
        """See `state`."""
        held = state["decay_from"]
        self._decay_from = None if held is None else int(held)

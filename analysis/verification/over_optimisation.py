"""Where a learned reward goes on rising while accuracy falls: over-optimisation of the reward model.

Both are means over the completions of a training step (`reward_mean`, `accuracy` of ``metrics.jsonl``), so nothing more
than a run's rows is needed. Axes: S seeds, T steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["OverOptimisation", "over_optimisation"]


@dataclass(frozen=True, kw_only=True)
class OverOptimisation:
    """From the peak of accuracy to the end of the run.

    Attributes:
        step: where the smoothed accuracy, averaged over seeds, was highest; counted from 1.
        reward_change: of the smoothed reward from there to the end, mean over seeds.
        accuracy_change: of the smoothed accuracy likewise.
        accuracy_band: 95 % interval of that change over seeds (Student's t); ``None`` with one seed.
        found: the reward rose, accuracy fell, and the band, where there is one, lies below 0.
    """

    step: int
    reward_change: float
    accuracy_change: float
    accuracy_band: tuple[float, float] | None
    found: bool


def over_optimisation(
    reward_ST: NDArray[np.float64], accuracy_ST: NDArray[np.float64], *, window: int = 3
) -> OverOptimisation:
    """Compare reward and accuracy at the end of training with those at the peak of accuracy.

    A peak that was chosen because it is highest is too high by chance, and the change after it too low: the band covers
    seeds, not this choice. The seeds' own values at the common peak are compared, which keeps it small.

    Args:
        reward_ST: (S, T) mean reward of each step.
        accuracy_ST: (S, T) share of right completions of each step.
        window: steps that are averaged, a step with those before it.

    Raises:
        ValueError: other shapes, or fewer steps than a window.
    """
    reward, accuracy = np.asarray(reward_ST, dtype=np.float64), np.asarray(accuracy_ST, dtype=np.float64)
    if reward.ndim != 2 or reward.shape != accuracy.shape or reward.shape[1] < window or window < 1:
        raise ValueError(
            f"reward {reward.shape}, accuracy {accuracy.shape}, window {window}; expected (S, T) both, T at least the "
            "window."
        )
    smooth_reward, smooth_accuracy = _smoothed(reward, window), _smoothed(accuracy, window)
    peak = int(np.argmax(smooth_accuracy.mean(axis=0)))
    fall_S = smooth_accuracy[:, -1] - smooth_accuracy[:, peak]
    rise = float((smooth_reward[:, -1] - smooth_reward[:, peak]).mean())
    fall, band = float(fall_S.mean()), _band(fall_S)
    found = rise > 0 and fall < 0 and (band is None or band[1] < 0)
    return OverOptimisation(
        step=peak + window, reward_change=rise, accuracy_change=fall, accuracy_band=band, found=found
    )


def _smoothed(values_ST: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """(S, T − window + 1) means over windows."""
    return np.lib.stride_tricks.sliding_window_view(values_ST, window, axis=1).mean(axis=-1)


def _band(change_S: NDArray[np.float64]) -> tuple[float, float] | None:
    if len(change_S) < 2:
        return None
    from scipy.stats import t

    half = float(t.ppf(0.975, len(change_S) - 1) * change_S.std(ddof=1) / np.sqrt(len(change_S)))
    return float(change_S.mean()) - half, float(change_S.mean()) + half

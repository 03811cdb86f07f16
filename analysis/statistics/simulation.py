"""Simulated comparisons with a known truth: what an interval, a verdict or a stated power is worth.

Problems differ in difficulty (Beta, as fitted to a start policy); a training run moves every problem's logit by its
arm's effect, by noise that its start policy shares among all arms, and by noise of its own, larger in some arms than in
others; and each completion is a draw. The truth of an arm is the mean over all problems and all runs, by simulation of
a large population. `simulate` makes many comparisons at once, as counts, so that a calibration takes seconds.

    logit p_asp = logit q_p + effect_a + shared·u_s + noise_a·v_as + local·w_asp,     q ~ Beta(a, b), u, v, w ~ N(0, 1)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from analysis.statistics.metrics import pass_at_k

START_FIT = (2.0, 2.4)  # Beta of the embedded start policy's difficulty, temperature 1
SKEWED_FIT = (1.22, 0.49)  # Beta of a trained policy: most problems nearly solved


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A simulated method: shift of the logit, and the standard deviation of its training noise there."""

    effect: float = 0.0
    noise: float = 0.1
    follows_start: float = 1.0  # how much of the start policy's own deviation it keeps


@dataclass(frozen=True, kw_only=True)
class Design:
    """A comparison to be simulated."""

    arms: Mapping[str, Arm]
    difficulty: tuple[float, float] = START_FIT
    num_problems: int = 100
    num_samples: int = 16
    num_seeds: int = 3
    shared: float = 0.15  # of a start policy, in logits
    local: float = 0.3  # of single problems in single runs, in logits
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        if min(self.num_problems, self.num_samples, self.num_seeds) < 1 or min(self.difficulty) <= 0:
            raise ValueError(
                f"{self}: expected at least one problem, sample and seed, and a Beta with positive parameters"
            )
        object.__setattr__(self, "names", tuple(self.arms))


def simulate(design: Design, num_comparisons: int, generator: np.random.Generator) -> np.ndarray:
    """(N, A, S, P): right completions of each problem, of `design.num_samples`, in so many comparisons."""
    shape = (num_comparisons, 1, 1, design.num_problems)
    logit = _logits(generator.beta(*design.difficulty, size=shape))
    return generator.binomial(design.num_samples, _chances(design, logit, num_comparisons, generator))


def truth(
    design: Design, generator: np.random.Generator, ks: tuple[int, ...] = (1,), draws: int = 400_000
) -> np.ndarray:
    """(A, K): the true Pass@K of each arm over all problems and runs, to about 0.0005."""
    whole = Design(
        arms=design.arms,
        difficulty=design.difficulty,
        num_problems=1,
        num_samples=design.num_samples,
        num_seeds=1,
        shared=design.shared,
        local=design.local,
    )
    logit = _logits(generator.beta(*design.difficulty, size=(draws, 1, 1, 1)))
    chance_AN = _chances(whole, logit, draws, generator)[:, :, 0, 0].T
    return np.stack([(1 - (1 - chance_AN) ** k).mean(axis=1) for k in ks], axis=1)


def scores(counts_NASP: np.ndarray, num_samples: int, ks: tuple[int, ...] = (1,)) -> np.ndarray:
    """(N, A, S, P, K): Pass@K of each problem."""
    table_CK = np.stack([pass_at_k(np.arange(num_samples + 1), num_samples, k) for k in ks], axis=1)
    return table_CK[counts_NASP]


def _chances(design: Design, logit: np.ndarray, num: int, generator: np.random.Generator) -> np.ndarray:
    shape = (num, 1, design.num_seeds, 1)
    noise_A = np.array([arm.noise for arm in design.arms.values()])[:, None, None]
    effect_A = np.array([arm.effect for arm in design.arms.values()])[:, None, None]
    follows_A = np.array([arm.follows_start for arm in design.arms.values()])[:, None, None]
    start = design.shared * generator.standard_normal(shape)
    own = generator.standard_normal((num, len(design.arms), design.num_seeds, 1))
    local = generator.standard_normal((num, len(design.arms), design.num_seeds, logit.shape[-1]))
    moved = logit + effect_A + follows_A * start + noise_A * own + design.local * local
    return 1 / (1 + np.exp(-moved))


def _logits(chance: np.ndarray) -> np.ndarray:
    clipped = np.clip(chance, 1e-6, 1 - 1e-6)
    return np.log(clipped / (1 - clipped))

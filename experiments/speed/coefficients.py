"""Time of credit and coefficients, tensors in and out, for every method on one large batch."""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from algorithms import METHODS, TokenBatch, build_algorithm

__all__ = ["MethodTime", "keep_freed_memory", "large_batch", "measure_coefficients", "print_times"]

SEQUENCES, TOKENS, GROUP_SIZE, STEPS = 1024, 1024, 64, 16
REPEATS = 9
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)


@dataclass(frozen=True, kw_only=True)
class MethodTime:
    """Median seconds of one method over the repeats."""

    name: str
    credit_s: float
    coefficients_s: float

    @property
    def total_s(self) -> float:
        """Seconds of credit and coefficients together."""
        return self.credit_s + self.coefficients_s


def large_batch(seed: int = 0) -> tuple[TokenBatch, Tensor]:
    """1,024 completions of up to 1,024 tokens in groups of 64, float32, with every array; and the policy's logprobs."""
    generator = torch.Generator().manual_seed(seed)

    def noise(scale: float) -> Tensor:
        return scale * torch.randn(SEQUENCES, TOKENS, generator=generator)

    lengths = torch.randint(STEPS, TOKENS + 1, (SEQUENCES,), generator=generator)
    lengths[0] = TOKENS
    old = -noise(1.0).abs()
    ends = torch.rand(SEQUENCES, STEPS, generator=generator).argsort(dim=1).argsort(dim=1) + 1
    correct = torch.rand(SEQUENCES, generator=generator) > 0.5
    batch = TokenBatch(
        completion_mask=torch.arange(TOKENS) < lengths[:, None],
        rewards=correct.float(),
        correct=correct,
        group=torch.arange(SEQUENCES) // GROUP_SIZE,
        old_logprobs=old,
        reference_logprobs=old + noise(0.1),
        sampler_logprobs=old + noise(0.02),
        values=noise(0.5),
        step_rewards=torch.randn(SEQUENCES, STEPS, generator=generator).sign(),
        step_ends=ends.sort(dim=1).values * lengths[:, None] // STEPS - 1,
        pair=torch.arange(SEQUENCES) // 2,
        chosen=torch.arange(SEQUENCES) % 2 == 0,
        truncated=lengths == TOKENS,
        greedy_rewards=torch.zeros(SEQUENCES),
        max_length=TOKENS,
    )
    return batch, old + noise(0.1)


def measure_coefficients(threads: int = 2) -> list[MethodTime]:
    """Median times of every method on `large_batch`, with that many threads of torch."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        batch, policy_logprobs = large_batch()
        return [_measure(name, batch, policy_logprobs) for name in METHODS]
    finally:
        torch.set_num_threads(before)


def _measure(name: str, batch: TokenBatch, policy_logprobs: Tensor) -> MethodTime:
    algorithm = build_algorithm(name)
    credits, coefficients = [], []
    for _ in range(REPEATS):
        started = time.perf_counter()
        credit = algorithm.credit(batch)
        credited = time.perf_counter()
        algorithm.coefficients(batch, credit, policy_logprobs)
        credits.append(credited - started)
        coefficients.append(time.perf_counter() - credited)
    middle = REPEATS // 2
    return MethodTime(name=name, credit_s=sorted(credits)[middle], coefficients_s=sorted(coefficients)[middle])


def keep_freed_memory() -> bool:
    """Tell glibc to keep freed blocks instead of handing them back to the system; False where there is no glibc.

    At this size most of the time is otherwise the kernel's, which gives every fresh array zeroed pages again.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return all(bool(mallopt(option, 1 << 30)) for option in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD))


def print_times() -> None:
    """Measure with the allocator as it is, then with freed memory kept, and print a table in milliseconds."""
    fresh = measure_coefficients()
    kept = measure_coefficients() if keep_freed_memory() else fresh
    title = f"{SEQUENCES:,} × {TOKENS:,} tokens, float32, 2 threads, median of {REPEATS}, ms"
    table = Table(title=title, title_style="", pad_edge=False)
    for heading in ("method", "credit", "coefficients", "together", "together, freed memory kept"):
        table.add_column(heading, justify="left" if heading == "method" else "right")
    for item, again in zip(fresh, kept, strict=True):
        seconds = (item.credit_s, item.coefficients_s, item.total_s, again.total_s)
        table.add_row(item.name, *(f"{1e3 * value:.1f}" for value in seconds))
    Console().print(table)

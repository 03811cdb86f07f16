"""One seed per request, so that a sample depends on nothing but its own request."""

from __future__ import annotations

import hashlib

__all__ = ["request_seed"]


def request_seed(run_seed: int, step: int, problem_id: str, sample_index: int, purpose: str = "train") -> int:
    """Hash (run seed, purpose, step, problem, index) into a seed.

    Hashing keeps neighbours apart: consecutive seeds would let neighbouring prompts share their noise, and a running
    count would make a sample depend on the order of the batch.

    Args:
        run_seed: seed of the whole run.
        step: optimiser step the sample is drawn for.
        problem_id: `Problem.problem_id`.
        sample_index: 0-based index among the samples of this problem.
        purpose: what the sample is for; keeps training and evaluation noise apart.

    Returns:
        An integer in [0, 2**63).
    """
    key = f"{run_seed}\x1f{purpose}\x1f{step}\x1f{problem_id}\x1f{sample_index}"
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest()) >> 1

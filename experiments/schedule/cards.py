"""The GPUs of a machine, one for each worker process."""

from __future__ import annotations

import os

__all__ = ["VISIBLE", "card_of", "visible_cards"]

VISIBLE = "CUDA_VISIBLE_DEVICES"  # what CUDA lets a process see, read when it first looks


def visible_cards() -> tuple[str, ...]:
    """The GPUs that this process may use, as `VISIBLE` names them; no CUDA context is made."""
    named = os.environ.get(VISIBLE)
    if named is None:
        import torch

        return tuple(map(str, range(torch.cuda.device_count())))
    return tuple(card.strip() for card in named.split(",") if card.strip() not in ("", "-1"))


def card_of(worker: int, cards: tuple[str, ...]) -> dict[str, str]:
    """The environment in which a worker sees a GPU of its own, round robin; empty where there are not several.

    Args:
        worker: its number, from 0.
        cards: see `visible_cards`.
    """
    return {VISIBLE: cards[worker % len(cards)]} if len(cards) > 1 else {}

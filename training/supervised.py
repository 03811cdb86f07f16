"""Training the embedded model to a start policy: SFT until it is partly competent, then a decayed learning rate.

The end is measured, not guessed: skill appears late and suddenly, so the rate stays constant until the sampled Pass@1
on validation problems reaches a target, and then falls to 0. Without that fall, plain further SFT with a falling rate
gains as much as reinforcement does, and every later gain is confounded with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from algorithms.interface import Aggregation, BatchUnit
from algorithms.sft import SFT
from rewards.verdict import ScoredRollout, Status, Verdict
from training.checkpoints import latest_checkpoint, load_optimizer, load_training_state, save_checkpoint
from training.config import SupervisedConfig
from training.models.batches import build_batch, microbatches
from training.models.policy import Policy
from training.sources import DemonstrationSource
from training.update import UpdateOptions, accumulate_gradients

__all__ = ["SupervisedConfig", "train_supervised"]


def train_supervised(
    policy: Policy,
    source: DemonstrationSource,
    config: SupervisedConfig,
    *,
    folder: Path,
    measure: Callable[[int], float],
    on_step: Callable[[dict[str, float | int | None], int], None],
) -> Path:
    """Train in place and leave a checkpoint; a killed training goes on from the last measurement.

    Args:
        policy: freshly initialised, changed in place.
        source: demonstrations; `per_step` of its prompts is the batch size.
        config: see `SupervisedConfig`.
        folder: gets ``step-NNNNNN`` checkpoints.
        measure: Pass@1 in [0, 1] on validation problems of the policy as it is, given the step.
        on_step: called with a row of metrics and the expected number of steps in all.

    Returns:
        Folder of the last checkpoint.
    """
    algorithm = SFT(aggregation=Aggregation.TOKEN_MEAN)
    optimizers = _optimizers(policy.model, config)
    step, decay_from, seconds = _restore(policy, optimizers, folder)
    while True:
        started = time.perf_counter()
        if decay_from is None:
            due = step >= config.measure_from and step % config.measure_every == 0
            reached = due and measure(step) >= config.target_pass_at_1
            decay_from = step if reached or step >= config.max_steps else None
            if due or decay_from is not None:
                _save(folder, step, policy, optimizers, decay_from, seconds)
        last = None if decay_from is None else decay_from + config.decay_steps
        if last is not None and step >= last:
            return _save(folder, step, policy, optimizers, decay_from, seconds)
        scored = [
            ScoredRollout(rollout=rollout, verdict=_DEMONSTRATED, reward=1.0) for rollout in source.rollouts(step)
        ]
        batch = build_batch(scored, pad_token_id=policy.pad_token_id).to(policy.device)
        policy.model.zero_grad()
        split = microbatches(batch, BatchUnit.SEQUENCE, tokens=2**30, sequences=config.batch_size)
        measured = accumulate_gradients(
            policy.model, algorithm, batch, algorithm.credit(batch.tokens), split, UpdateOptions()
        )
        torch.nn.utils.clip_grad_norm_(policy.model.parameters(), 1.0)
        rate = config.rate(step, decay_from)
        for optimizer in optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
        step += 1
        seconds += time.perf_counter() - started
        on_step(
            {"step": step, "loss": measured["loss"], "learning_rate": rate, "seconds": seconds},
            last or config.max_steps,
        )


_DEMONSTRATED = Verdict(status=Status.CORRECT, answer="", answer_class="correct")


def _optimizers(model: nn.Module, config: SupervisedConfig) -> dict[str, torch.optim.Optimizer]:
    """Muon for the weight matrices of the layers, AdamW for embeddings and norms.

    Muon (https://kellerjordan.github.io/posts/muon/) reached the same Pass@1 on half the demonstrations that AdamW
    needed here; see EXPERIMENTS.md. Its update is rescaled to AdamW's, so both share one learning rate.
    """
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    held = {id(parameter) for parameter in matrices}
    others = [parameter for parameter in model.parameters() if id(parameter) not in held]
    muon = torch.optim.Muon(
        matrices, lr=config.learning_rate, weight_decay=config.weight_decay, adjust_lr_fn="match_rms_adamw"
    )
    adamw = torch.optim.AdamW(others, lr=config.learning_rate, weight_decay=config.weight_decay, betas=(0.9, 0.95))
    return {"muon": muon, "adamw": adamw}


def _restore(
    policy: Policy, optimizers: Mapping[str, torch.optim.Optimizer], folder: Path
) -> tuple[int, int | None, float]:
    """Bring policy and optimisers to the newest checkpoint; (step, decay_from, seconds)."""
    checkpoint = latest_checkpoint(folder)
    if checkpoint is None:
        return 0, None, 0.0
    policy.model.load_state_dict(load_file(checkpoint / "model.safetensors"), strict=False)
    for name, optimizer in optimizers.items():
        path = checkpoint / "training" / f"{name}.safetensors"
        load_optimizer(optimizer, path)
    state = load_training_state(checkpoint)
    decay_from = state["decay_from"]
    return int(state["step"] or 0), None if decay_from is None else int(decay_from), float(state["seconds"] or 0)


def _save(
    folder: Path,
    step: int,
    policy: Policy,
    optimizers: Mapping[str, torch.optim.Optimizer],
    decay_from: int | None,
    seconds: float,
) -> Path:
    state: dict[str, float | int | str | None] = {"decay_from": decay_from, "seconds": seconds}
    return save_checkpoint(folder, step=step, policy=policy, optimizers=optimizers, state=state)

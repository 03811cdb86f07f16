"""The one training loop: iterations, steps, reloads of the engine, evaluations, checkpoints.

SFT of a start policy is this loop too, with demonstrations as its source and another `StopRule`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

import torch

from algorithms.checks import check_token_numbers
from algorithms.interface import BatchUnit, DataSource
from training.accounting import rollout_metrics
from training.checkpoints import help_to_save, save_checkpoint
from training.finite import check_finite, check_weights
from training.models.batches import TrainingBatch
from training.models.critic import critic_loss
from training.models.lora import has_adapters
from training.models.microbatches import microbatches
from training.models.packing import is_packed
from training.models.policy import named_weights
from training.models.shards import clip_gradient
from training.models.transfer import sent
from training.sources.drawing import Drawn
from training.staleness.ahead import AheadSource
from training.staleness.measures import staleness_metrics
from training.stopping import Row, StopRule
from training.trainer import Trainer
from training.update import accumulate_gradients, denominator_of

__all__ = ["Row", "RunLog", "take_step", "train"]

_Result = TypeVar("_Result")


class RunLog(Protocol):
    """Where the loop writes what it measured."""

    def append(self, row: Row, /) -> None:
        """Keep one step's row."""
        ...

    def sync(self) -> str:
        """Force all rows to the disk: a checkpoint is worth nothing without the rows up to it. Their digest."""
        ...


def train(
    trainer: Trainer,
    rule: StopRule,
    *,
    done: int,
    checkpoints: Path,
    log: RunLog,
    after_step: Callable[[int], None] = lambda step: None,
) -> int:
    """Take the steps that are left, and leave checkpoints.

    Args:
        trainer: already at step `done`; its sampler holds its policy.
        rule: when to end, how large the rate is, which steps leave a checkpoint.
        done: steps already done, from `training.restore.restore`.
        checkpoints: folder of the checkpoints.
        log: gets one row a step.
        after_step: called with the number of steps done, after their row and before their checkpoint; what it writes
            must bear being written again after a kill.

    Returns:
        Steps done in all.

    Raises:
        NotFiniteError: a credit, loss, gradient norm or weight is not finite; the last checkpoint is from before.
        CheckpointError: a checkpoint could not be written.
    """
    step = done
    if step == 0:  # whatever will be saved is saved once before any work that could be lost
        _save(trainer, rule, checkpoints, step, log.sync())
    while not rule.ends(step):
        with _nothing_left_in_flight(trainer):
            row = take_step(trainer, step, rule.share(step))
        step += 1
        log.append({**row, **_look(trainer, rule, step)})
        trainer.report("train", step, max(step, rule.expected_steps), "steps")
        _led(trainer, after_step, step)
        if rule.leaves_checkpoint(step):
            check_weights(trainer.policy.model, step)
            _save(trainer, rule, checkpoints, step, log.sync())
    return step


def _look(trainer: Trainer, rule: StopRule, step: int) -> Row:
    """What the rule measures after `step` steps, and decides from it, on rank 0."""
    row, state = trainer.ranks.lead(lambda: (rule.look(step), rule.state()))
    if trainer.ranks.rank > 0:
        rule.restore(state)
    return row


def _led(trainer: Trainer, work: Callable[[int], _Result], step: int) -> _Result:
    """What `work(step)` gives on rank 0."""
    return trainer.ranks.lead(lambda: work(step))


def _save(trainer: Trainer, rule: StopRule, checkpoints: Path, step: int, rows: str) -> None:
    if trainer.ranks.rank == 0:
        save_checkpoint(
            checkpoints,
            step=step,
            policy=trainer.policy,
            optimizers=trainer.optimizers,
            state={**vars(trainer.counters), **rule.state(), "rows": rows},
            critic=trainer.critic,
            reference=trainer.moving_reference,
        )
    elif trainer.sharded:
        help_to_save(trainer.policy, trainer.optimizers, trainer.critic, trainer.moving_reference)
    trainer.ranks.wait()


def take_step(trainer: Trainer, step: int, share: float = 1.0) -> Row:
    """One step of any algorithm: the iteration's start, completions, batch, update, and the engine's new weights.

    Args:
        trainer: changed in place.
        step: counted from 0.
        share: of the learning rates, in [0, 1].

    Returns:
        Its row of metrics.

    Raises:
        NotFiniteError: see `train`; no weight is NaN, and earlier updates on the same batch have been made.
        ValueError: a diagnostic of the algorithm has the name of another column.
    """
    on_gpu = trainer.policy.device.type == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(trainer.policy.device)
    trainer.before_step(step)
    started = time.perf_counter()  # what is done before a step counts its own seconds, those before a kill too
    if trainer.moving_reference is not None and trainer.config.starts_iteration(step):
        trainer.moving_reference.load_state_dict(trainer.policy.model.state_dict())
    drawn = _led(trainer, trainer.draw, step)
    judged = time.perf_counter()
    batch = trainer.batch(drawn.kept, drawn.greedy)
    measured: Row = {"loss": None, "tokens_trained": 0}
    if batch is not None:
        measured = _update(trainer, batch, step, share)
    if trainer.config.max_staleness:
        measured |= staleness_metrics(
            step, drawn.scored, ratio=measured.get("ratio"), ratio_square=measured.pop("ratio_square", None)
        )
    if trainer.dynamic:
        measured["sampling_rounds"] = drawn.rounds
    sampled = rollout_metrics(drawn.scored, judged=trainer.judges)
    clash = measured.keys() & (sampled.keys() | vars(trainer.counters).keys()) - {"tokens_trained"}
    if clash:
        raise ValueError(f"diagnostics {sorted(clash)} have the name of a column of metrics.jsonl; rename them.")
    trainer.counters.tokens_trained += int(measured.pop("tokens_trained") or 0)
    if on_gpu:
        measured["peak_memory_gib"] = torch.cuda.max_memory_allocated(trainer.policy.device) / 2**30
        torch.cuda.synchronize(trainer.policy.device)  # else the optimiser's last step counts as the weights' way
    trained = time.perf_counter()
    sampling_seconds, landed, synced = _led(trainer, lambda done: _reload(trainer, done, drawn), step + 1)
    lasted = time.perf_counter() - started
    trainer.counters.seconds += lasted - drawn.sampling_seconds - landed + sampling_seconds
    return {
        "step": step + 1,
        **vars(trainer.counters),
        **sampled,
        "kl": None,
        **measured,
        "sampling_seconds": sampling_seconds,
        "scoring_seconds": drawn.scoring_seconds,
        "update_seconds": trained - judged,
        "weight_sync_seconds": synced,
        "step_seconds": lasted,  # by the clock; `seconds` counts what was trained on, whenever it was drawn
    }


def _reload(trainer: Trainer, step: int, drawn: Drawn) -> tuple[float, float, float]:
    """Give the engine the policy of `step` where the next completions are drawn from it.

    Returns:
        Seconds that drawing what was trained on took, seconds of now that belong to what is trained on later, and
        seconds of the weights' way into the engine.
    """
    landed = trainer.source.land() if isinstance(trainer.source, AheadSource) else 0.0
    source = trainer.algorithm.data_source
    iterated = source is DataSource.ITERATED and trainer.config.starts_iteration(step)
    started = time.perf_counter()
    if trainer.sampler is not None and (iterated or source is DataSource.ONLINE):
        trainer.sampler.load_weights(named_weights(trainer.policy.model), step)
    synced = time.perf_counter() - started
    return trainer.source.sampling_seconds(step - 1, elapsed=drawn.sampling_seconds), landed, synced


@contextmanager
def _nothing_left_in_flight(trainer: Trainer) -> Iterator[None]:
    """After an error the engines are free for whoever comes next."""
    try:
        yield
    finally:
        if isinstance(trainer.source, AheadSource):
            trainer.source.abandon()


def _update(trainer: Trainer, batch: TrainingBatch, step: int, share: float) -> Row:
    """Credit once, then `updates_per_batch` optimiser steps, none while the critic warms up; the critic afterwards."""
    model, algorithm, config = trainer.policy.model, trainer.algorithm, trainer.config
    credit = algorithm.credit(batch.tokens)
    check_token_numbers(credit, batch.tokens.completion_mask, f"credit of {type(algorithm).__name__}")
    check_finite(step, "credit", credit)

    def accumulate(tokens: int) -> dict[str, float]:
        split = _split(trainer, batch, algorithm.batch_unit, tokens, packed=is_packed(model))
        model.zero_grad()
        options = trainer.forward(tokens)
        split = _reporting(trainer, split)
        stale = config.max_staleness > 0
        return accumulate_gradients(model, algorithm, batch, credit, split, options, trainer.numbers, spread=stale)

    measured: dict[str, float] = {}
    warming_up = trainer.critic is not None and step < config.critic_warmup_steps
    tokens_trained, rate = 0.0, 0.0 if warming_up else config.learning_rate * share
    for _ in range(config.updates_per_batch):
        measured = trainer.ranks.add_up(model, trainer.pieces.run(accumulate))
        tokens_trained += measured["tokens_trained"]
        norm = clip_gradient(model, config.max_grad_norm)
        check_finite(step, "coefficient", measured["coefficient_abs_mean"])
        check_finite(step, "loss", measured["loss"])
        check_finite(step, "gradient norm", norm)
        measured["grad_norm"] = norm
        for optimizer in () if warming_up else trainer.policy_optimizers.values():
            _set_rate(optimizer, rate)
            optimizer.step()
        trainer.count_flops(4 if has_adapters(model) else 6, batch)  # frozen weights get no gradient of their own
    if trainer.critic is not None:
        measured["critic_loss"] = _update_critic(trainer, batch, step, share)
    return {**measured, "tokens_trained": tokens_trained, "learning_rate": rate}


def _split(trainer: Trainer, batch: TrainingBatch, unit: BatchUnit, tokens: int, *, packed: bool) -> list[torch.Tensor]:
    """Rows of each piece of at most `tokens` that is this process's."""
    most = trainer.config.microbatch_size
    own = trainer.ranks.split(
        batch,
        unit,
        lambda share: microbatches(share, unit, tokens=tokens, sequences=most, packed=packed),
        packed=packed,
    )
    return trainer.ranks.even(own) if trainer.sharded else own


def _reporting(trainer: Trainer, split: Sequence[torch.Tensor]) -> Iterator[torch.Tensor]:
    """The same microbatches, each reported when it is done."""
    for number, rows in enumerate(split, start=1):
        yield rows
        trainer.report("update", number, len(split), "microbatches")


def _update_critic(trainer: Trainer, batch: TrainingBatch, step: int, share: float) -> float:
    """Regress the critic on the algorithm's value targets; returns the loss before its last optimiser step."""
    critic, optimizer = trainer.critic, trainer.critic_optimizer
    assert critic is not None and optimizer is not None
    targets = trainer.algorithm.value_targets(batch.tokens)  # type: ignore[attr-defined]
    check_token_numbers(targets, batch.tokens.completion_mask, f"value_targets of {type(trainer.algorithm).__name__}")
    denominator = denominator_of(batch)

    def accumulate(tokens: int) -> float:
        optimizer.zero_grad()
        total = torch.zeros((), dtype=torch.float64, device=trainer.policy.device)
        for rows in _split(trainer, batch, BatchUnit.SEQUENCE, tokens, packed=is_packed(critic.backbone)):
            if not len(rows):  # as in `accumulate_gradients`
                (0.0 * critic.values(batch.shortest(), use_autocast=trainer.config.use_autocast).sum()).backward()
                continue
            part = batch.rows(rows)
            mask = part.tokens.completion_mask
            values = critic.values(part, use_autocast=trainer.config.use_autocast)
            wanted = targets[sent(rows, targets.device)][:, : mask.shape[1]]
            loss = critic_loss(values, wanted, mask, denominator)
            loss.backward()
            total += loss.detach().double()
        return float(total)

    total = 0.0
    for _ in range(trainer.config.critic_updates_per_batch):
        total = trainer.ranks.add_up(critic, {"loss": trainer.pieces.run(accumulate)})["loss"]
        norm = clip_gradient(critic, trainer.config.max_grad_norm)
        check_finite(step, "critic's loss", total)
        check_finite(step, "critic's gradient norm", norm)
        _set_rate(optimizer, trainer.config.critic_learning_rate * share)
        optimizer.step()
        trainer.count_flops(6, batch)
    return total


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):  # torchao's, which is compiled for a rate that changes
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate

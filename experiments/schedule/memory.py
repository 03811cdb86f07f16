"""What the arms of a recipe will hold in memory, told before they run."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from algorithms.interface import Need
from experiments.recipes.config import Recipe
from experiments.recipes.plugins import learned_name, load_method
from sampling.engines import EngineConfig
from training.config import TrainingConfig

if TYPE_CHECKING:
    from training.memory import MemoryEstimate

__all__ = ["memory_lines"]


@dataclass(frozen=True, kw_only=True)
class _RewardModels:
    """GiB of the reward models of an arm.

    Attributes:
        serving: weights of all that score, every member.
        refit: weights, gradients, moments and activations of the largest member that is fitted further; one at a time.
    """

    serving: float = 0.0
    refit: float = 0.0


def memory_lines(recipe: Recipe, *, ranks: int = 1) -> list[str]:
    """A line for every peak, with the arms that have it; none for arms of the embedded model, which is small.

    A reward model's first fit comes before its arms, in a process that holds no trainer, and is not counted. A refit
    comes between two updates: the peak has its activations or the update's, whichever are more.

    Args:
        recipe: as `door.check_recipe` gave it.
        ranks: processes that train each run together; what is told is of one of them.
    """
    from training.memory import MemoryEstimate, estimate_memory, model_size
    from training.models.folder import resolve_model
    from training.staleness.ahead import draws_beside

    sizes, arms = {}, defaultdict[tuple[MemoryEstimate, _RewardModels, str, int], list[str]](list)
    for name, arm in recipe.arms.items():
        own = recipe.overridden(arm.overrides)
        if own.model is None:
            continue
        if own.model not in sizes:
            sizes[own.model] = model_size(resolve_model(own.model))
        method = load_method(arm.algorithm, arm.settings)
        on_gpu = own.engine.device == "cuda"
        estimate = estimate_memory(
            sizes[own.model],
            arm.training,
            reference=Need.REFERENCE_LOGPROBS in method.needs,
            critic=Need.CRITIC in method.needs,
            compiled=arm.training.compiles(on_gpu=on_gpu),
            ranks=ranks,
            drawing=bool(method.needs & {Need.OLD_LOGPROBS, Need.OLD_LOGPROBS_FOR_CREDIT})
            and draws_beside(arm.training, own.engine, ranks=ranks),
        )
        learned = _reward_models(own, arm.training, on_gpu, ranks)
        engine = _engine_text(own.engine, sizes[own.model].parameters)
        arms[estimate, learned, engine, arm.training.microbatch_tokens].append(name)
    return [_line(names, *key) for key, names in arms.items()]


def _reward_models(recipe: Recipe, training: TrainingConfig, on_gpu: bool, ranks: int) -> _RewardModels:
    """What the reward models of an arm hold in a process; a model that leads a search is gone by then."""
    from training.memory import GIB, estimate_memory, model_size
    from training.models.folder import resolve_model

    serving, refit = 0.0, 0.0
    for name in {learned_name(recipe.reward), learned_name(recipe.task.step_reward)} - {None}:
        model = recipe.reward_models[str(name)]
        size = model_size(resolve_model(str(model.model or recipe.model)), scores=True)
        parts = ranks if training.shard == "full" else 1
        serving += model.members * 4 * size.parameters / GIB / parts
        if model.refit and training.iteration_steps is not None:
            by_trl = model.objective == "bradley_terry"  # which fits whole models
            fit = replace(model.as_training(model.batch_size), shard="none" if by_trl else training.shard)
            fused = fit.compiles(on_gpu=on_gpu)
            held = estimate_memory(size, fit, reference=False, critic=False, compiled=fused, ranks=ranks)
            refit = max(refit, held.total)
    return _RewardModels(serving=serving, refit=refit)


def _line(names: list[str], estimate: MemoryEstimate, learned: _RewardModels, engine: str, tokens: int) -> str:
    parts = {
        "weights": estimate.weights,
        "gradients and moments": estimate.learning,
        "reference": estimate.reference,
        "policy that draws": estimate.drawing,
        "critic": estimate.critic,
        "layers that are whole": estimate.gathered,
        "reward models": learned.serving,
    }
    if learned.refit > estimate.activations + estimate.logits:
        parts["a refit of a reward model"] = learned.refit
    else:
        parts |= {f"activations of {tokens:,} tokens": estimate.activations, "logits": estimate.logits}
    told = " + ".join(f"{name} {gib:.1f}" for name, gib in parts.items() if gib)
    total = sum(parts.values())
    return f"memory at the peak, by arithmetic, in GiB: {total:.1f} = {told}; {engine} ({', '.join(names)})"


def _engine_text(engine: EngineConfig, parameters: int) -> str:
    """What the engine holds beside the trainer."""
    weights = (2 if engine.vllm.dtype == "bfloat16" else 4) * parameters / 2**30
    if engine.name != "vllm":
        return f"engine {weights:.1f}"
    count = f"{engine.replicas} engines of " if engine.replicas > 1 else "engine "
    if engine.device == "cpu":
        return f"{count}{weights + engine.vllm.cpu_kv_cache_gib:.1f}"
    if engine.vllm.kv_cache_gib is None:
        return f"{count}{engine.vllm.gpu_memory_utilization:.0%} of the card"
    return f"{count}{weights + engine.vllm.kv_cache_gib:.1f}"

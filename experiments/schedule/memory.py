"""What the arms of a recipe will hold in memory, told before they run."""

from __future__ import annotations

from collections import defaultdict

from algorithms.interface import Need
from experiments.recipes.config import Recipe
from experiments.recipes.plugins import load_method
from sampling.engines import EngineConfig

__all__ = ["memory_lines"]


def memory_lines(recipe: Recipe, *, ranks: int = 1) -> list[str]:
    """A line for every peak, with the arms that have it; none for arms of the embedded model, which is small.

    Args:
        recipe: as `door.check_recipe` gave it.
        ranks: processes that train each run together; what is told is of one of them.
    """
    from training.memory import MemoryEstimate, estimate_memory, model_size
    from training.models.folder import resolve_model
    from training.staleness.ahead import draws_beside

    sizes, arms = {}, defaultdict[tuple[MemoryEstimate, str, int], list[str]](list)
    for name, arm in recipe.arms.items():
        own = recipe.overridden(arm.overrides)
        if own.model is None:
            continue
        if own.model not in sizes:
            sizes[own.model] = model_size(resolve_model(own.model))
        needs = load_method(arm.algorithm, arm.settings).needs
        on_gpu = own.engine.device == "cuda"
        estimate = estimate_memory(
            sizes[own.model],
            arm.training,
            reference=Need.REFERENCE_LOGPROBS in needs,
            critic=Need.CRITIC in needs,
            compiled=on_gpu if arm.training.compiled is None else arm.training.compiled,
            ranks=ranks,
            drawing=bool(needs & {Need.OLD_LOGPROBS, Need.OLD_LOGPROBS_FOR_CREDIT})
            and draws_beside(arm.training, own.engine, ranks=ranks),
        )
        engine = _engine_text(own.engine, sizes[own.model].parameters)
        arms[estimate, engine, arm.training.microbatch_tokens].append(name)
    return [_line(names, *key) for key, names in arms.items()]


def _line(names: list[str], estimate: object, engine: str, tokens: int) -> str:
    from training.memory import MemoryEstimate

    assert isinstance(estimate, MemoryEstimate)
    parts = {
        "weights": estimate.weights,
        "gradients and moments": estimate.learning,
        "reference": estimate.reference,
        "policy that draws": estimate.drawing,
        "critic": estimate.critic,
        "layers that are whole": estimate.gathered,
        f"activations of {tokens:,} tokens": estimate.activations,
        "logits": estimate.logits,
    }
    told = " + ".join(f"{name} {gib:.1f}" for name, gib in parts.items() if gib)
    return f"memory at the peak, by arithmetic, in GiB: {estimate.total:.1f} = {told}; {engine} ({', '.join(names)})"


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

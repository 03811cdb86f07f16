"""What a training will hold at its peak, by arithmetic from the sizes of its model; known before anything runs.

Bytes, with N weights, H channels, I of the MLP, V tokens of vocabulary, T tokens a piece:

    weights 4 N · gradients 4 N · AdamW's moments 8 N (2 N in 8 bits) · π_ref 4 N · critic 16 N
    a decoder layer's kept activations under bfloat16 autocast: (36 H + 8 I) T; fused by torch.compile: (14 H + 8 I) T
    keys and values of a group's prompt, once for each of its completions: 3 H T a layer
    logits, their float32 copy and gradients: 14 · min(T V, 2²⁸); fused: 10 · min(T V, 2²⁸)

The activations' factors count the arrays that autograd keeps of a Llama layer (float32 residual stream, norms, rotary
embeddings, attention, MLP). Against peaks measured on an H100 they are within 2 % (docs/performance.md). Float32 passes
keep about twice as much. With LoRA, gradients and moments are of the adapters alone, π_ref shares the weights, and
under autocast the frozen matrices take 2 bytes; with gradient checkpointing only a layer's input is kept, and one
layer at a time is computed again.

Sharded over R processes (FSDP2), weights, gradients, moments, π_ref and critic take 1/R of that. Whole at a time are,
with O weights outside the layers and L in each: weights, gradients and their copies on the way, 12 O + 32 L, and under
autocast the bfloat16 casts that the backward pass reads, 2 N, or 2 L with gradient checkpointing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from training.config import TrainingConfig

__all__ = ["MemoryEstimate", "ModelSize", "estimate_memory", "model_size", "size_of"]

GIB = 2**30
LOGITS_AT_A_TIME = 2**28  # as in `training.models.logprobs`, which loads torch


@dataclass(frozen=True, kw_only=True)
class ModelSize:
    """What the arithmetic needs of a model.

    Attributes:
        parameters: N, shared ones once.
        layers: decoder layers.
        hidden: H.
        intermediate: I; of mixtures of experts, of those that a token takes together.
        vocabulary: V.
        adapter_width: inputs and outputs of all linear layers but the head, summed up; a rank's weights.
        matrices: weights of those layers.
        outside: weights in no decoder layer: embeddings, norms, head.
    """

    parameters: int
    layers: int
    hidden: int
    intermediate: int
    vocabulary: int
    adapter_width: int
    matrices: int
    outside: int = 0


@dataclass(frozen=True, kw_only=True)
class MemoryEstimate:
    """GiB by what holds them, the engine aside.

    Attributes:
        weights: π_θ, in float32.
        learning: gradients and the optimiser's moments.
        reference: π_ref.
        drawing: the policy that drew what is in flight.
        critic: its weights, gradients and moments.
        activations: kept for the backward pass of one piece.
        logits: of as many tokens as exist at a time.
        gathered: what is whole at a time of a sharded model.
    """

    weights: float
    learning: float
    reference: float
    critic: float
    activations: float
    logits: float
    gathered: float = 0.0
    drawing: float = 0.0

    @property
    def total(self) -> float:
        """The sum of all parts, in GiB."""
        return sum(vars(self).values())


def estimate_memory(
    size: ModelSize,
    training: TrainingConfig,
    *,
    reference: bool,
    critic: bool,
    compiled: bool,
    ranks: int = 1,
    drawing: bool = False,
) -> MemoryEstimate:
    """The trainer's peak, in one process.

    Args:
        size: of the policy; a critic has the same.
        training: piece, precision and the options that save memory.
        reference: whether the method reads π_ref.
        critic: whether it has a critic.
        compiled: whether layers are fused, see `TrainingConfig.compiles`.
        ranks: processes that the run has, among which `TrainingConfig.shard` may divide it.
        drawing: whether a copy of the policy that draws is kept while the step trains (`AheadSource`).
    """
    weights, tokens = 4 * size.parameters, training.microbatch_tokens
    learning = size.parameters if training.lora_rank is None else training.lora_rank * size.adapter_width
    if training.lora_rank is not None:
        weights += 4 * learning - (2 * size.matrices if training.use_autocast else 0)
    moments = 2 if training.optimizer == "adamw_8bit" else 8
    scale, shared = 1 if training.use_autocast else 2, 3 if training.group_size > 1 else 0
    kept = scale * (((14 if compiled else 36) + shared) * size.hidden + 8 * size.intermediate) * tokens
    again = (4 * size.hidden * tokens * size.layers + kept) if training.gradient_checkpointing else None
    sharded = training.shard == "full"
    parts = GIB * (ranks if sharded else 1)
    shares = training.lora_rank is not None and not sharded  # π_ref has parts of its own of the frozen weights
    return MemoryEstimate(
        weights=weights / parts,
        learning=(4 + moments) * learning / parts,
        reference=(4 * learning if shares else weights) / parts if reference else 0.0,
        drawing=(4 * learning if shares else weights) / parts if drawing else 0.0,
        critic=(8 + moments) * size.parameters / parts if critic else 0.0,
        activations=(size.layers * kept if again is None else again) / GIB,
        logits=(10 if compiled else 14) * min(tokens * size.vocabulary, LOGITS_AT_A_TIME) / GIB,
        gathered=_gathered(size, training) / GIB if sharded else 0.0,
    )


def _gathered(size: ModelSize, training: TrainingConfig) -> float:
    """Bytes of what is whole at a time of a sharded model."""
    layer = (size.parameters - size.outside) / max(1, size.layers)
    casts = 2 * (layer if training.gradient_checkpointing else size.parameters) if training.use_autocast else 0
    if training.lora_rank is None:
        return 12 * size.outside + 32 * layer + casts
    return (2 if training.use_autocast else 4) * 3 * layer + 4 * size.outside  # adapters aside; casts are the weights


def model_size(folder: Path, *, scores: bool = False) -> ModelSize:
    """The sizes of the model in `folder`, of which only the configuration is read.

    Args:
        folder: one that `training.models.folder.resolve_model` let through.
        scores: of the reward model that is made of it: one number a token in place of a vocabulary.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification

    config: Any = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    kind: Any = AutoModelForSequenceClassification if scores else AutoModelForCausalLM
    if scores:
        config.num_labels = 1
    with torch.device("meta"):
        model: Any = kind.from_config(config, trust_remote_code=False)
    size = size_of(model)
    return replace(size, vocabulary=1) if scores else size


def size_of(model: Any) -> ModelSize:
    """The sizes of a model of transformers, which may lie on no device."""
    from torch import nn
    from transformers.modeling_layers import GradientCheckpointingLayer

    config = model.config
    head = model.get_output_embeddings()
    linear = [module for module in model.modules() if isinstance(module, nn.Linear) and module is not head]
    experts = getattr(config, "num_experts_per_tok", None) or 1
    layers = [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
    weights = {weight: weight.numel() for weight in model.parameters()}
    within = {weight: weight.numel() for layer in layers for weight in layer.parameters()}
    width = getattr(config, "moe_intermediate_size", None) or getattr(config, "intermediate_size", None)
    return ModelSize(
        parameters=sum(weights.values()),
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        intermediate=experts * (width or 4 * config.hidden_size),
        vocabulary=config.vocab_size,
        adapter_width=sum(module.in_features + module.out_features for module in linear),
        matrices=sum(module.weight.numel() for module in linear),
        outside=sum(weights.values()) - sum(within.values()),
    )

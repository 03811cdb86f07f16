"""NeMo-RL's own functions on the frozen batch: its advantage estimators and ClippedPGLossFn.

NeMo-RL has no wheel (the package index holds a placeholder, 0.0.0, without code), and its modules import CUDA-only
packages. So the classes and functions named in EXTRACTS are taken, as they stand, out of a folder with
nemo_rl/algorithms (a checkout, or a transcription of those definitions), compiled in one namespace with stand-ins for
the enums and the base class that they mention, and run. `definitions_sha256` in a golden file is of the definitions'
syntax trees without docstrings (`ast.unparse`), so that a checkout and a transcription without comments compare.
"""

import ast
import enum
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Optional

import torch
from frozen_batch import REWARD_GROUPS, Golden, PaddedBatch, one_group

EXTRACTS: Mapping[str, tuple[str, ...]] = {
    "nemo_rl/algorithms/utils.py": ("calculate_kl", "calculate_baseline_and_std_per_prompt", "masked_mean"),
    "nemo_rl/algorithms/loss/loss_functions.py": ("ClippedPGLossConfig", "ClippedPGLossFn"),
    "nemo_rl/algorithms/advantage_estimator.py": (
        "AdvEstimatorConfig",
        "GRPOAdvantageEstimator",
        "ReinforcePlusPlusAdvantageEstimator",
    ),
}
LOSS_FILE = "nemo_rl/algorithms/loss/loss_functions.py"
ADVANTAGE_FILE = "nemo_rl/algorithms/advantage_estimator.py"
CORRECTED = {"use_importance_sampling_correction": True}
LOSSES: Mapping[str, Mapping[str, object]] = {
    "default": {},
    "no_kl": {"reference_policy_kl_penalty": 0.0},
    "kl_k1": {"reference_policy_kl_penalty": 0.1, "reference_policy_kl_type": "k1"},
    "kl_k2": {"reference_policy_kl_penalty": 0.1, "reference_policy_kl_type": "k2"},
    "kl_k3": {"reference_policy_kl_penalty": 0.1},
    "dual_clip_3": {"ratio_clip_max": 0.28, "ratio_clip_c": 3.0},
    "sequence_level_loss": {"token_level_loss": False, "reference_policy_kl_penalty": 0.1},
    "gspo": {
        "token_level_loss": False,
        "sequence_level_importance_ratios": True,
        "ratio_clip_min": 0.4,
        "ratio_clip_max": 2.0,
        "reference_policy_kl_penalty": 0.0,
    },
    "cispo": {"use_cispo": True, "ratio_clip_max": 0.28, "reference_policy_kl_penalty": 0.0},
    "is_untruncated": {**CORRECTED, "reference_policy_kl_penalty": 0.1},
    "is_tis_2": {
        **CORRECTED,
        "truncated_importance_sampling_type": "tis",
        "truncated_importance_sampling_ratio": 2.0,
        "reference_policy_kl_penalty": 0.0,
    },
    "is_icepop": {
        **CORRECTED,
        "truncated_importance_sampling_type": "icepop",
        "truncated_importance_sampling_ratio": 3.0,
        "truncated_importance_sampling_ratio_min": 0.5,
        "reference_policy_kl_penalty": 0.0,
    },
}
ADVANTAGES: Mapping[str, tuple[str, Mapping[str, object], Mapping[str, object]]] = {
    "grpo": ("GRPOAdvantageEstimator", {}, {}),
    "grpo_not_normalized": ("GRPOAdvantageEstimator", {"normalize_rewards": False}, {}),
    "grpo_group_mean": ("GRPOAdvantageEstimator", {"use_leave_one_out_baseline": False}, {}),
    "reinforce_plus_plus": ("ReinforcePlusPlusAdvantageEstimator", {"minus_baseline": False}, {}),
    "reinforce_plus_plus_baseline": ("ReinforcePlusPlusAdvantageEstimator", {}, {}),
}


class StandInEnum(enum.Enum):
    """Stands for LossType, LossInputType and MetricNormalizer."""

    TOKEN_LEVEL = enum.auto()
    SEQUENCE_LEVEL = enum.auto()
    LOGPROB = enum.auto()
    TOKENS = enum.auto()
    SEQUENCES = enum.auto()
    NONE = enum.auto()


def nemo_rl_origin(root: Path) -> dict[str, object]:
    """Where the definitions come from, in place of a wheel."""
    return {
        "peer": "nemo_rl",
        "version": "main, after its pull request 2958 of June 2026 (no release on the package index)",
        "wheel": None,
        "wheel_sha256": None,
        "repository": "NVIDIA-NeMo/RL",
        "commits": {
            "nemo_rl/algorithms/loss/loss_functions.py": "006907a9570734f3e5d484c08ada84b0b89224c9",
            "nemo_rl/algorithms/advantage_estimator.py": "00925dd1e44b816b5cb6afa27d23d7bd7af2b957",
            "nemo_rl/algorithms/utils.py": "unknown; the version whose calculate_kl takes importance_sampling_weights",
        },
        "definitions_sha256": {
            name: hashlib.sha256(ast.unparse(node).encode()).hexdigest() for name, node in definitions(root).items()
        },
        "source_note": "definitions transcribed from the repository's files without comments and docstrings; "
        "file_sha256 is of the transcription",
    }


def definitions(root: Path) -> dict[str, ast.stmt]:
    """The extracted classes and functions by name, without docstrings."""
    found = {}
    for file, names in EXTRACTS.items():
        for node in ast.parse((root / file).read_text()).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name in names:
                for inner in ast.walk(node):
                    if isinstance(inner, ast.ClassDef | ast.FunctionDef) and ast.get_docstring(inner) is not None:
                        inner.body = inner.body[1:]
                found[node.name] = node
    return found


def namespace(root: Path) -> dict[str, Any]:
    """The peer's definitions, compiled together."""
    from pydantic import BaseModel

    names: dict[str, Any] = {
        "torch": torch,
        "BaseModel": BaseModel,
        "Optional": Optional,
        "Literal": Literal,
        "Any": Any,
    }
    names |= {"LossFunction": object, "BatchedDataDict": dict, "ClippedPGLossDataDict": dict, "Tensor": torch.Tensor}
    names |= {"LossType": StandInEnum, "LossInputType": StandInEnum, "MetricNormalizer": StandInEnum}
    for node in definitions(root).values():
        exec(compile(ast.Module([node], type_ignores=[]), "nemo_rl", "exec"), names)
    return names


def nemo_rl_goldens(root: Path, batch: PaddedBatch) -> Iterator[Golden]:
    """Yield every case of NeMo-RL; the default dtype is float64, or its float32 constants would not multiply ours."""
    torch.set_default_dtype(torch.float64)
    names = namespace(root)
    for name, (estimator, settings, loss_settings) in ADVANTAGES.items():
        yield Golden(
            name=f"advantage_{name}",
            function=f"nemo_rl.algorithms.advantage_estimator:{estimator}.compute_advantage",
            source=root / ADVANTAGE_FILE,
            description="compute_advantage with the group's number as prompt id, the response mask, and old and "
            "reference logprobs; torch's default dtype set to float64.",
            settings={**settings, **loss_settings},
            advantages_BT=advantages(names, batch, estimator, settings, loss_settings),
        )
    torch.set_default_dtype(torch.float32)
    for name, rewards in REWARD_GROUPS.items():
        group = one_group(rewards)
        yield Golden(
            name=f"advantage_grpo_{name}",
            function="nemo_rl.algorithms.advantage_estimator:GRPOAdvantageEstimator.compute_advantage",
            source=root / ADVANTAGE_FILE,
            description="Not the frozen batch: one group of one-token sequences in float32.",
            settings={"rewards": rewards},
            advantages_BT=advantages(names, group, "GRPOAdvantageEstimator", {}, {}),
            lengths_B=group.lengths_B,
        )
    torch.set_default_dtype(torch.float64)
    grpo = advantages(names, batch, "GRPOAdvantageEstimator", {}, {})
    for name, settings in LOSSES.items():
        loss, gradient_BT = loss_and_gradient(names, batch, grpo, settings)
        yield Golden(
            name=name,
            function="nemo_rl.algorithms.loss.loss_functions:ClippedPGLossFn.__call__",
            source=root / LOSS_FILE,
            description="GRPOAdvantageEstimator with its defaults, then ClippedPGLossFn of these settings, "
            "policy logprobs as next_token_logprobs, old as prev_logprobs, sampler as generation_logprobs, each behind "
            "one column of zeros for the prompt; global_valid_toks = tokens, global_valid_seqs = 8; torch's default "
            "dtype set to float64.",
            settings=settings,
            advantages_BT=grpo,
            loss=loss,
            gradient_BT=gradient_BT,
        )


def advantages(
    names: Mapping[str, Any],
    batch: PaddedBatch,
    estimator: str,
    settings: Mapping[str, object],
    loss_settings: Mapping[str, object],
) -> torch.Tensor:
    """Run one estimator."""
    order = sorted(set(batch.groups_B))
    prompt_ids = torch.tensor([[order.index(group)] for group in batch.groups_B])
    config, loss_config = names["AdvEstimatorConfig"](**settings), names["ClippedPGLossConfig"](**loss_settings)
    return names[estimator](config, loss_config).compute_advantage(
        prompt_ids,
        batch.rewards_B,
        batch.mask_BT.to(batch.rewards_B.dtype),
        logprobs_policy=batch.old_BT,
        logprobs_reference=batch.reference_BT,
    )


def loss_and_gradient(
    names: Mapping[str, Any], batch: PaddedBatch, advantages_BT: torch.Tensor, settings: Mapping[str, object]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Run the loss and differentiate it."""

    def behind_prompt(values_BT: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.pad(values_BT, (1, 0))

    data = {
        "token_mask": behind_prompt(batch.mask_BT.double()),
        "sample_mask": torch.ones_like(batch.rewards_B),
        "advantages": behind_prompt(advantages_BT),
        "prev_logprobs": behind_prompt(batch.old_BT),
        "generation_logprobs": behind_prompt(batch.sampler_BT),
        "reference_policy_logprobs": behind_prompt(batch.reference_BT),
    }
    policy_BT = batch.policy_BT.clone().requires_grad_()
    function = names["ClippedPGLossFn"](names["ClippedPGLossConfig"](**settings))
    tokens, sequences = batch.mask_BT.sum(), torch.tensor(batch.mask_BT.shape[0])
    loss, _ = function(policy_BT, data, sequences, tokens)
    (gradient_BT,) = torch.autograd.grad(loss, policy_BT)
    return loss.detach(), gradient_BT

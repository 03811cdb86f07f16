"""verl's own functions on the frozen batch: compute_advantage, apply_kl_penalty, ppo_loss and the rollout correction.

`ppo_loss` is run whole (policy loss, then KL loss, each aggregated by `agg_loss`). Only its change of layout from
packed to padded tensors (`no_padding_2_padding`) is replaced, by the identity: the arrays are padded here.
"""

import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

import numpy
import torch
from frozen_batch import REWARD_GROUPS, Golden, PaddedBatch, one_group

AGGREGATIONS = ("token-mean", "seq-mean-token-sum", "seq-mean-token-mean", "seq-mean-token-sum-norm")
KL_FORMS = ("kl", "mse", "low_var_kl", "k3+")
CORRECTIONS: Mapping[str, Mapping[str, object]] = {
    "is_token_2": {"rollout_is": "token", "rollout_is_threshold": 2.0},
    "is_sequence_2": {"rollout_is": "sequence", "rollout_is_threshold": 2.0},
    "is_token_icepop": {"rollout_is": "token", "rollout_is_threshold": "0.5_3.0"},
}
LOSS = "verl.workers.utils.losses:ppo_loss"
ADVANTAGE = "verl.trainer.ppo.ray_trainer:compute_advantage"


def verl_goldens(root: Path, batch: PaddedBatch) -> Iterator[Golden]:
    """Yield every case of verl, run from the unpacked wheel at `root` (which is on sys.path)."""
    trainer = importlib.import_module("verl.trainer.ppo.ray_trainer")
    losses = importlib.import_module("verl.workers.utils.losses")
    vars(losses)["no_padding_2_padding"] = lambda tensor, data: tensor
    yield from advantage_goldens(trainer, root, batch)
    yield from loss_goldens(trainer, losses, root, batch)


def advantages(trainer: ModuleType, batch: PaddedBatch, estimator: str, **settings: float | bool) -> torch.Tensor:
    """compute_advantage with an AlgoConfig; `kl_coef` above 0 puts apply_kl_penalty (kl_penalty "kl") before it."""
    algorithm = importlib.import_module("verl.trainer.config").AlgoConfig(
        adv_estimator=estimator, gamma=settings.get("gamma", 1.0), lam=settings.get("lam", 1.0)
    )
    mask_BT = batch.mask_BT.long()
    data = importlib.import_module("verl").DataProto.from_dict(
        tensors={
            "token_level_scores": batch.last_token_rewards_BT,
            "token_level_rewards": batch.last_token_rewards_BT,
            "response_mask": mask_BT,
            "old_log_probs": batch.old_BT,
            "ref_log_prob": batch.reference_BT,
            "values": batch.values_BT,
        },
        non_tensors={"uid": numpy.array(batch.groups_B, dtype=object)},
    )
    if settings.get("kl_coef"):
        controller = trainer.core_algos.FixedKLController(kl_coef=settings["kl_coef"])
        data, _ = trainer.apply_kl_penalty(data, controller, kl_penalty="kl")
    trainer.compute_advantage(
        data,
        adv_estimator=trainer.AdvantageEstimator(estimator),
        gamma=algorithm.gamma,
        lam=algorithm.lam,
        norm_adv_by_std_in_grpo=settings.get("norm_adv_by_std_in_grpo", True),
        config=algorithm,
    )
    return data.batch["advantages"]


def advantage_goldens(trainer: ModuleType, root: Path, batch: PaddedBatch) -> Iterator[Golden]:
    """The advantage estimators, without a loss."""
    cases: Mapping[str, tuple[str, Mapping[str, float | bool]]] = {
        "grpo": ("grpo", {}),
        "grpo_no_std": ("grpo", {"norm_adv_by_std_in_grpo": False}),
        "grpo_kl_in_reward": ("grpo", {"kl_coef": 0.1}),
        "rloo": ("rloo", {}),
        "reinforce_plus_plus": ("reinforce_plus_plus", {}),
        "reinforce_plus_plus_baseline": ("reinforce_plus_plus_baseline", {}),
        "gae": ("gae", {}),
        "gae_lambda": ("gae", {"gamma": 0.99, "lam": 0.95}),
        "gae_kl_in_reward": ("gae", {"gamma": 0.99, "lam": 0.95, "kl_coef": 0.1}),
    }
    for name, (estimator, settings) in cases.items():
        yield Golden(
            name=f"advantage_{name}",
            function=ADVANTAGE,
            source=root / "verl/trainer/ppo/ray_trainer.py",
            description="Score at the last token; apply_kl_penalty(kl) with the old and the reference logprobs first "
            "where kl_coef is set; then compute_advantage, uid = group. gamma and lam are 1.0 where not set.",
            settings={"adv_estimator": estimator, **settings},
            advantages_BT=advantages(trainer, batch, estimator, **settings),
        )
    for name, rewards in REWARD_GROUPS.items():
        group = one_group(rewards)
        yield Golden(
            name=f"advantage_grpo_{name}",
            function=ADVANTAGE,
            source=root / "verl/trainer/ppo/ray_trainer.py",
            description="Not the frozen batch: one group of one-token sequences in float32; compute_advantage.",
            settings={"adv_estimator": "grpo", "rewards": rewards},
            advantages_BT=advantages(trainer, group, "grpo"),
            lengths_B=group.lengths_B,
        )


def loss_goldens(trainer: ModuleType, losses: ModuleType, root: Path, batch: PaddedBatch) -> Iterator[Golden]:
    """ppo_loss with GRPO's advantages: each aggregation, clip, KL form and correction; then PPO's defaults with GAE."""
    grpo = advantages(trainer, batch, "grpo")
    cases: dict[str, Mapping[str, object]] = {"vanilla_default": {}}
    for mode in ("vanilla", "gspo", "cispo"):
        clip = {"clip_ratio_low": 0.2, "clip_ratio_high": 0.28}
        cases |= {
            f"{mode}_{aggregation.replace('-', '_')}": {
                "loss_mode": mode,
                "loss_agg_mode": aggregation,
                "clip_ratio_c": 3.0,
                **clip,
            }
            for aggregation in AGGREGATIONS
        }
    cases["vanilla_no_dual_clip"] = {"clip_ratio_c": 1e30}
    cases["vanilla_wide_clip_dual_10"] = {"clip_ratio_low": 0.4, "clip_ratio_high": 2.0, "clip_ratio_c": 10.0}
    cases["gspo_small_clip"] = {
        "loss_mode": "gspo",
        "loss_agg_mode": "seq-mean-token-mean",
        "clip_ratio_low": 0.0003,
        "clip_ratio_high": 0.0004,
    }
    for form in KL_FORMS:
        name = f"kl_loss_{form.replace('+', '_straight_through')}"
        cases[name] = {"use_kl_loss": True, "kl_loss_coef": 0.1, "kl_loss_type": form}
    cases["kl_loss_seq_mean_token_mean"] = {
        "use_kl_loss": True,
        "kl_loss_coef": 0.1,
        "loss_agg_mode": "seq-mean-token-mean",
    }
    cases |= CORRECTIONS
    for name, settings in cases.items():
        yield loss_golden(losses, root, batch, name, grpo, {"adv_estimator": "grpo"}, settings)
    for name, reward in {"ppo_default": {}, "ppo_kl_in_reward": {"gamma": 0.99, "lam": 0.95, "kl_coef": 0.1}}.items():
        gae = advantages(trainer, batch, "gae", **reward)
        yield loss_golden(losses, root, batch, name, gae, {"adv_estimator": "gae", **reward}, {})


def loss_golden(
    losses: ModuleType,
    root: Path,
    batch: PaddedBatch,
    name: str,
    advantages_BT: torch.Tensor,
    credit: Mapping[str, object],
    settings: Mapping[str, object],
) -> Golden:
    """Run ppo_loss on one setting of ActorConfig and of the rollout correction, and take its gradient."""
    config_module = importlib.import_module("verl.workers.config")
    correction = {key: value for key, value in settings.items() if key.startswith("rollout_")}
    actor = {key: value for key, value in settings.items() if key not in correction and key != "loss_mode"}
    mode = settings.get("loss_mode", "vanilla")
    config = config_module.ActorConfig(
        strategy="fsdp",
        rollout_n=4,
        ppo_micro_batch_size_per_gpu=8,
        policy_loss=config_module.PolicyLossConfig(loss_mode=mode),
        **actor,
    )
    mask_BT = batch.mask_BT.long()
    tensors = {"old_log_probs": batch.old_BT, "advantages": advantages_BT, "ref_log_prob": batch.reference_BT}
    if correction:
        helper = importlib.import_module("verl.trainer.ppo.rollout_corr_helper")
        weights, mask_BT, _ = helper.compute_rollout_correction_and_rejection_mask(
            batch.old_BT, batch.sampler_BT, mask_BT, **correction
        )
        if weights is not None:
            tensors["rollout_is_weights"] = weights.batch["rollout_is_weights"]
    data = importlib.import_module("tensordict").TensorDict(tensors | {"response_mask": mask_BT}, batch_size=8)
    facts = {"dp_size": 1, "batch_num_tokens": int(batch.mask_BT.sum()), "global_batch_size": mask_BT.shape[0]}
    importlib.import_module("verl.utils.tensordict_utils").assign_non_tensor(data, **facts)
    policy_BT = batch.policy_BT.clone().requires_grad_()
    loss, _ = losses.ppo_loss(config, {"log_probs": policy_BT}, data)
    (gradient_BT,) = torch.autograd.grad(loss, policy_BT)
    return Golden(
        name=name,
        function=LOSS,
        source=root / "verl/workers/utils/losses.py",
        description="compute_advantage, then (where rollout_* is set) compute_rollout_correction_and_rejection_mask on "
        "old and sampler logprobs, whose mask replaces the response mask, then ppo_loss with an ActorConfig of verl's "
        "defaults and these settings; batch_num_tokens = all tokens (the v1 trainer leaves loss_mask as it was), "
        "global_batch_size = 8, dp_size = 1, padded to 16. Its packed-to-padded step is replaced by the identity.",
        settings={**credit, **settings},
        advantages_BT=advantages_BT,
        loss=loss.detach(),
        gradient_BT=gradient_BT,
    )

"""OpenRLHF's own functions on the frozen batch: compute_advantages_and_returns and the actor's training_step.

`RemoteExperienceMaker.compute_advantages_and_returns` and `ActorPPOTrainer.training_step` are run whole, on objects
that carry only the attributes they read: the "actor" hands out the batch's policy logprobs, `strategy.backward` keeps
the loss. Modules that these files import but the arithmetic does not use (STAND_INS) are replaced by empty ones, and
the package folders' `__init__` are skipped, so that neither deepspeed nor ray nor vLLM is needed. `Tensor.float` is
made to give float64: the peer casts logprobs to float32 where it takes a KL or a batch mean, and that rounding is not
what is compared.
"""

import importlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest.mock import MagicMock

import torch
from frozen_batch import REWARD_GROUPS, Golden, PaddedBatch, one_group

STAND_INS = (
    "deepspeed",
    "ray",
    "openrlhf.utils.utils",
    "openrlhf.utils.deepspeed",
    "openrlhf.utils.deepspeed.deepspeed_utils",
    "openrlhf.utils.distributed_util",
    "openrlhf.utils.vlm_utils",
    "openrlhf.trainer.ray.launcher",
    "openrlhf.trainer.ray.utils",
    "openrlhf.models.actor",
    "openrlhf.models.model",
)
SKIPPED_INITS = ("openrlhf", "openrlhf.utils", "openrlhf.trainer", "openrlhf.trainer.ray")
ADVANTAGE = "openrlhf.trainer.ppo_utils.experience_maker:RemoteExperienceMaker.compute_advantages_and_returns"
LOSS = "openrlhf.trainer.ray.ppo_actor:ActorPPOTrainer.training_step"
ADVANTAGES: Mapping[str, Mapping[str, object]] = {
    "group_norm": {"estimator": "group_norm"},
    "group_norm_kl_in_reward": {"estimator": "group_norm", "kl_coef": 0.1},
    "group_norm_kl_k3_in_reward": {"estimator": "group_norm", "kl_coef": 0.1, "kl_estimator": "k3"},
    "dr_grpo": {"estimator": "dr_grpo"},
    "rloo": {"estimator": "rloo"},
    "reinforce": {"estimator": "reinforce"},
    "reinforce_baseline": {"estimator": "reinforce_baseline"},
    "reinforce_baseline_kl_in_reward": {"estimator": "reinforce_baseline", "kl_coef": 0.1},
    "gae": {"estimator": "gae"},
    "gae_kl_in_reward": {"estimator": "gae", "gamma": 0.99, "lambd": 0.95, "kl_coef": 0.1},
}
LOSSES: Mapping[str, Mapping[str, object]] = {
    "group_norm_default": {},
    "group_norm_kl_in_reward_default": {"kl_coef": 0.01},
    "decoupled_clip_dual_clip_3": {"eps_clip_low_high": [0.2, 0.28], "dual_clip": 3.0},
    "wide_clip": {"eps_clip_low_high": [0.4, 2.0]},
    "seq_mean_token_mean": {"loss_agg_mode": "seq-mean-token-mean"},
    "gspo": {"policy_loss_type": "gspo", "eps_clip_low_high": [0.4, 2.0]},
    "is_token_mask": {"is_correction_level": "token"},
    "is_token_clip_2": {
        "is_correction_level": "token",
        "is_correction_mode": "clip",
        "is_correction_threshold": [0.0, 2.0],
    },
    "kl_loss_k1": {"kl_use_loss": True, "kl_coef": 0.1, "kl_estimator": "k1"},
    "kl_loss_k2": {"kl_use_loss": True, "kl_coef": 0.1, "kl_estimator": "k2"},
    "kl_loss_k3": {"kl_use_loss": True, "kl_coef": 0.1, "kl_estimator": "k3"},
    "ppo_gae": {"estimator": "gae", "kl_coef": 0.01},
}
DEFAULTS: Mapping[str, object] = {
    "estimator": "group_norm",
    "gamma": 1.0,
    "lambd": 1.0,
    "kl_coef": 0.0,
    "kl_estimator": "k1",
    "kl_use_loss": False,
    "kl_unbiased_gradient": False,
    "eps_clip_low_high": [0.2, 0.2],
    "dual_clip": None,
    "loss_agg_mode": "token-mean",
    "policy_loss_type": "ppo",
    "is_correction_level": "off",
    "is_correction_mode": "mask",
    "is_correction_gating": "ratio",
    "is_correction_threshold": [0.5, 5.0],
}


def replace_unrelated_imports(root: Path) -> None:
    """Put empty modules in the place of STAND_INS, and bare packages in the place of SKIPPED_INITS."""
    for name in SKIPPED_INITS:
        package = ModuleType(name)
        package.__path__ = [str(root / name.replace(".", "/"))]
        sys.modules[name] = package
    for name in STAND_INS:
        sys.modules[name] = MagicMock(name=name)
    vars(sys.modules["openrlhf.utils"])["get_tokenizer"] = None


def openrlhf_goldens(root: Path, batch: PaddedBatch) -> Iterator[Golden]:
    """Yield every case of OpenRLHF, run from the unpacked wheel at `root` (which is on sys.path)."""
    replace_unrelated_imports(root)
    torch.Tensor.float = torch.Tensor.double
    for name, settings in ADVANTAGES.items():
        yield Golden(
            name=f"advantage_{name}",
            function=ADVANTAGE,
            source=root / "openrlhf/trainer/ppo_utils/experience_maker.py",
            description="One Experience of all eight sequences, four samples a prompt; experience.kl = "
            "compute_approx_kl(old, reference, kl_estimator) as in make_experience where kl_coef is set, else zeros; "
            "Tensor.float gives float64.",
            settings=settings,
            advantages_BT=experience(batch, {**DEFAULTS, **settings}).advantages,
        )
    for name, rewards in REWARD_GROUPS.items():
        group = one_group(rewards)
        yield Golden(
            name=f"advantage_group_norm_{name}",
            function=ADVANTAGE,
            source=root / "openrlhf/trainer/ppo_utils/experience_maker.py",
            description="Not the frozen batch: one group of one-token sequences in float32.",
            settings={"estimator": "group_norm", "rewards": rewards},
            advantages_BT=experience(group, DEFAULTS).advantages,
            lengths_B=group.lengths_B,
        )
    for name, settings in LOSSES.items():
        advantages_BT, loss, gradient_BT = loss_and_gradient(batch, {**DEFAULTS, **settings})
        yield Golden(
            name=name,
            function=LOSS,
            source=root / "openrlhf/trainer/ray/ppo_actor.py",
            description="compute_advantages_and_returns, then training_step with PolicyLoss built as in "
            "ActorPPOTrainer.__init__, kl_ctl = kl_coef, loss_batch_info from get_loss_batch_info (batch_num_tokens = "
            "tokens, global_batch_size = 8, dp_size = 1). KL is in the reward (kl_estimator) unless kl_use_loss; "
            "settings not named are the command line's defaults, save estimator group_norm and kl_coef 0. "
            "Tensor.float gives float64.",
            settings=settings,
            advantages_BT=advantages_BT,
            loss=loss,
            gradient_BT=gradient_BT,
        )


def arguments(settings: Mapping[str, object], group_size: int = 4) -> SimpleNamespace:
    """The command line's namespace, as far as the two functions read it."""
    advantage_names = [name for name in settings if name.startswith("is_correction")]
    return SimpleNamespace(
        algo=SimpleNamespace(
            advantage=SimpleNamespace(
                estimator=settings["estimator"],
                gamma=settings["gamma"],
                lambd=settings["lambd"],
                no_std_norm=False,
                **{name: settings[name] for name in advantage_names},
            ),
            kl=SimpleNamespace(
                use_loss=settings["kl_use_loss"],
                init_coef=settings["kl_coef"],
                estimator=settings["kl_estimator"],
                unbiased_gradient=settings["kl_unbiased_gradient"],
            ),
        ),
        actor=SimpleNamespace(
            entropy_coef=None,
            **{name: settings[name] for name in ("eps_clip_low_high", "dual_clip", "policy_loss_type")},
        ),
        rollout=SimpleNamespace(n_samples_per_prompt=group_size, max_new_tokens=16),
        reward=SimpleNamespace(clip_range=(-10, 10), overlong_buffer_len=None, stop_properly_penalty_coef=None),
        train=SimpleNamespace(dynamic_batch_enable=False),
    )


def experience(batch: PaddedBatch, settings: Mapping[str, object]):
    """The peer's Experience with advantages, after compute_advantages_and_returns."""
    maker_module = importlib.import_module("openrlhf.trainer.ppo_utils.experience_maker")
    utils = importlib.import_module("openrlhf.models.utils")
    args = arguments(settings, group_size=batch.groups_B.count(batch.groups_B[0]))
    kl_in_reward = bool(settings["kl_coef"]) and not settings["kl_use_loss"]
    kl_BT = torch.zeros_like(batch.old_BT)
    if kl_in_reward:
        kl_BT = utils.compute_approx_kl(batch.old_BT, batch.reference_BT, kl_estimator=settings["kl_estimator"])
    rollout = maker_module.Experience(
        sequences=batch.mask_BT.long(),
        attention_mask=batch.mask_BT.long(),
        action_mask=batch.mask_BT,
        action_log_probs=batch.old_BT,
        base_action_log_probs=batch.reference_BT,
        rollout_log_probs=batch.sampler_BT,
        values=batch.values_BT,
        rewards=batch.rewards_B.clone(),
        kl=kl_BT,
        index=list(range(batch.mask_BT.shape[0])),
    )
    maker = object.__new__(maker_module.RemoteExperienceMaker)
    maker.strategy, maker.args = SimpleNamespace(args=args), args
    maker.advantage_estimator = args.algo.advantage.estimator
    maker.kl_ctl = SimpleNamespace(value=settings["kl_coef"] if kl_in_reward else 0.0)
    return maker.compute_advantages_and_returns([rollout])[0]


def loss_and_gradient(
    batch: PaddedBatch, settings: Mapping[str, object]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Advantages, the loss that training_step hands to backward, and its gradient."""
    actor_module = importlib.import_module("openrlhf.trainer.ray.ppo_actor")
    loss_module = importlib.import_module("openrlhf.models.loss")
    args = arguments(settings)
    advantage = args.algo.advantage
    policy_BT = batch.policy_BT.clone().requires_grad_()
    kept: list[torch.Tensor] = []

    class Actor:
        """Hands out the policy logprobs."""

        def train(self) -> None:
            """Nothing to switch."""

        def __call__(self, *_: object, **__: object) -> tuple[torch.Tensor, None]:
            """Logprobs and no further output."""
            return policy_BT, None

    trainer = object.__new__(actor_module.ActorPPOTrainer)
    trainer.args, trainer.actor, trainer.actor_optim, trainer.ema_model, trainer.aux_loss = (
        args,
        Actor(),
        None,
        None,
        False,
    )
    trainer.actor_scheduler, trainer.replay_buffer = SimpleNamespace(get_last_lr=lambda: [0.0]), None
    trainer.strategy = SimpleNamespace(
        args=args,
        ring_attn_group=None,
        backward=lambda loss, *_: kept.append(loss),
        optimizer_step=lambda *_, **__: None,
        get_grad_norm=lambda _: 0.0,
    )
    trainer.actor_loss_fn = loss_module.PolicyLoss(
        clip_eps_low=args.actor.eps_clip_low_high[0],
        clip_eps_high=args.actor.eps_clip_low_high[1],
        dual_clip=args.actor.dual_clip,
        token_level_loss=settings["loss_agg_mode"] == "token-mean",
        policy_loss_type=args.actor.policy_loss_type,
        is_correction_level=advantage.is_correction_level,
        is_correction_mode=advantage.is_correction_mode,
        is_correction_gating=advantage.is_correction_gating,
        is_correction_threshold=advantage.is_correction_threshold,
    )
    rollout = experience(batch, settings)
    trainer.training_step(rollout, settings["kl_coef"], 0)
    (gradient_BT,) = torch.autograd.grad(kept[0], policy_BT)
    return rollout.advantages, kept[0].detach(), gradient_BT

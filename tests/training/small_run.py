"""A training run of seconds: a model of a few thousand parameters, three problems a step, the slow reference engine."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch

from algorithms import PPO, Algorithm, DataSource
from benchmarks.arithmetic import generate_problems
from rewards.reward import EachCompletion, Reward
from rewards.scoring import correctness_reward
from sampling.prompt import encode_prompts
from sampling.sampler import Sampler, SamplingConfig
from sampling.transformers_engine import TransformersSampler
from training.durable import digest_of
from training.loop import train
from training.models.critic import Critic
from training.models.embedded import EmbeddedModelConfig, build_embedded_model, build_embedded_tokenizer
from training.models.lora import frozen_copy
from training.models.policy import Policy, load_policy, named_weights
from training.parallel.ranks import Ranks
from training.parallel.sampler import SharedSampler
from training.restore import restore
from training.sources.demonstrations import DemonstrationSource
from training.sources.interface import Source
from training.sources.iterated import IteratedSource
from training.sources.online import OnlineSource
from training.sources.prompts import Prompts
from training.staleness.ahead import AheadSource
from training.stopping import AtStep, Row
from training.trainer import Trainer, TrainingConfig

TRAINING = TrainingConfig(
    steps=5,
    problems_per_step=3,
    group_size=4,
    learning_rate=3e-3,
    max_completion_tokens=10,
    iteration_steps=2,
)
SAMPLING = SamplingConfig(max_tokens=10)


def save_start(folder: Path) -> Path:
    """An untrained model."""
    config = EmbeddedModelConfig(hidden_size=32, num_layers=1, num_heads=1, intermediate_size=48)
    model, tokenizer = build_embedded_model(config, seed=0), build_embedded_tokenizer()
    Policy(model=model, tokenizer=tokenizer, eos_token_ids=(2,), pad_token_id=0).save(folder)
    return folder


# Some of an untrained model's completions hold a 7, so that there are right ones and pairs to learn from.
SEVENS = EachCompletion(
    name="sevens",
    function=lambda rollout, verdict: correctness_reward(rollout, verdict) + ("7" in rollout.completion),
    right_above=0.0,
)


class Rows(list[Row]):
    """What the loop takes for a log."""

    def sync(self) -> str:
        """Nothing is on a disk."""
        return digest_of(list(self))

    def drop_after(self, step: int) -> None:
        """Forget rows of later steps."""
        del self[step:]


def run(
    trainer: Trainer,
    folder: Path,
    rows: Rows,
    *,
    stop_after: int | None = None,
    watch: Callable[[], None] | None = None,
) -> int:
    """Train in `folder` from where it can be gone on from, as a run does; the step that was gone on from.

    Args:
        trainer: at its start.
        folder: of the checkpoints.
        rows: what an earlier call measured; gets what this one measures.
        stop_after: die after the row of the step after this one, before its checkpoint.
        watch: called after every step.
    """

    class Stop(Exception):
        pass

    def after_step(step: int) -> None:
        if watch is not None:
            watch()
        if stop_after is not None and step > stop_after:
            raise Stop

    rule = AtStep(trainer.config, checkpoint_every=1)
    done = restore(trainer, rule, folder, agreed=len(rows)).step
    rows.drop_after(done)
    if isinstance(trainer.source, IteratedSource | AheadSource):
        trainer.source.forget_after(done)
    sampler, model = trainer.sampler, trainer.policy.model
    assert sampler is not None
    trainer.ranks.lead(lambda: sampler.load_weights(named_weights(model), done))
    with suppress(Stop):
        train(trainer, rule, done=done, checkpoints=folder, log=rows, after_step=after_step)
    return done


def make_trainer(
    start: Path,
    algorithm: Algorithm,
    folder: Path,
    training: TrainingConfig = TRAINING,
    reward: Reward = SEVENS,
    prepare: Callable[[torch.nn.Module], None] = lambda model: None,
    ranks: Ranks | None = None,
) -> Trainer:
    """A trainer whose reward an untrained model does not always miss.

    Args:
        start: folder of the policy.
        algorithm: trains it.
        folder: of the completions that are drawn ahead.
        training: how.
        reward: of completions.
        prepare: changes the policy before all else.
        ranks: the processes that share it, each with an engine; ``None`` is one process.
    """
    policy = load_policy(start)
    prepare(policy.model)
    sampler: Sampler = TransformersSampler(start, eos_token_ids=(2,))
    if ranks is not None:
        sampler = SharedSampler(sampler, ranks, lambda: named_weights(policy.model))
    source: Source = OnlineSource(
        sampler=sampler, policy=policy, prompts=prompts_of(policy), sampling=SAMPLING, group_size=4, run_seed=0
    )
    if algorithm.data_source is DataSource.ITERATED:
        assert training.iteration_steps is not None
        source = IteratedSource(online=source, every=training.iteration_steps, steps=training.steps, folder=folder)
    elif training.max_staleness:
        source = AheadSource(online=source, staleness=training.max_staleness, steps=training.steps, folder=folder)
    return Trainer(
        policy=policy,
        algorithm=algorithm,
        config=training,
        source=source,
        sampler=sampler,
        reward=reward,
        reference=frozen_copy(policy.model),
        critic=Critic(start, device=torch.device("cpu")) if isinstance(algorithm, PPO) else None,
        ranks=ranks or Ranks(),
    )


def prompts_of(policy: Policy) -> Prompts:
    """Thirty training problems, three a step."""
    problems = generate_problems("train", 30)
    ids = [tuple(policy.tokenizer(item.question, add_special_tokens=False).input_ids) for item in problems]
    return Prompts(problems=tuple(problems), prompt_ids=tuple(ids), per_step=3, seed="0")


def demonstrations_of(policy: Policy) -> DemonstrationSource:
    """Their worked solutions."""
    prompts = prompts_of(policy)
    texts = [problem.question for problem in prompts.problems]
    return DemonstrationSource.encode(policy, prompts, encode_prompts(policy.tokenizer, texts, templated=False))


def weights(model: torch.nn.Module) -> torch.Tensor:
    """All weights, end to end. A copy."""
    return torch.cat([parameter.detach().flatten().clone() for parameter in model.parameters()])

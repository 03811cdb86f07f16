"""What one training step of any algorithm works with, and the batch it trains on: sample, score, attach logprobs.

It does not know which algorithm it runs; `training.loop` takes the steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor, nn

from algorithms.checks import check_members
from algorithms.interface import Algorithm, BatchUnit, DataSource, Exclusion, Need
from rewards.reward import Reward, StepReward, StepRewardFunction
from rewards.scoring import score_rollouts
from rewards.verdict import ScoredRollout, Status, Verdict
from sampling.rollout import Rollout
from sampling.sampler import Sampler
from sampling.text import TokenTexts
from training.accounting import Counters
from training.config import TrainingConfig
from training.models.batches import TrainingBatch, build_batch, build_pair_batch, unjudged_batch
from training.models.critic import Critic
from training.models.logprobs import ForwardOptions, splits_at_head
from training.models.lora import frozen_copy, has_adapters
from training.models.packing import can_pack, checkpoint_layers, compile_layers, pack_attention
from training.models.policy import Policy
from training.models.scores import score_entropies, score_kl, score_log_ratios, score_logprobs, score_values
from training.models.shards import shard
from training.optimizers import OptimizerFactory, Optimizers, adamw, named_adamw
from training.parallel.ranks import Ranks
from training.parallel.verdicts import shared_judge
from training.pieces import PieceSize
from training.sources.drawing import Drawn, Score, draw_step
from training.sources.interface import Source
from training.staleness.ahead import AheadSource
from training.update import TokenNumbers, log_probabilities

__all__ = ["Trainer", "TrainingConfig"]

_DEMONSTRATED = Verdict(status=Status.CORRECT, answer="", answer_class="correct")


@dataclass(kw_only=True)
class Trainer:
    """A policy in training: everything one step touches.

    Attributes:
        policy: π_θ, changed in place.
        algorithm: credit and coefficients.
        config: see `TrainingConfig`.
        source: hands out the completions of a step.
        sampler: gets the new weights after each step of an online method, after each iteration of an iterated one;
            ``None`` where the source draws nothing.
        reward: outcome reward; ``None`` takes demonstrations at their word: right, reward 1, nothing is judged.
        step_reward: reward of each step; used where the algorithm needs it.
        reference: π_ref; used where the algorithm needs it.
        critic: used where the algorithm needs it.
        known: what the source's completions are worth, where that is known already and no reward is asked.
        numbers: what is trained of each token; log π_θ in every method of Table 10.
        before_step: called by every rank with each step, counted from 0, before anything of it: a reward model is
            brought up to date here (Algorithm 1), and what that takes is added to the counters, seconds too.
        reward_parameters: of the reward models that every completion is scored with, for the counters.
        make_optimizers: those of the policy.
        counters: what has been used so far.
        report: told of progress within a step: `(what, done, total, unit)`.
        ranks: the processes that share the update; one unless said.
        device: where passes run; ``None`` takes where the policy lies, which is the CPU before it is sharded.
        pieces: how much is passed through a model at once; less where memory runs out.
    """

    policy: Policy
    algorithm: Algorithm
    config: TrainingConfig
    source: Source
    sampler: Sampler | None
    reward: Reward | None
    step_reward: StepReward | StepRewardFunction | None = None
    reference: nn.Module | None = None
    critic: Critic | None = None
    known: Score | None = None
    numbers: TokenNumbers = log_probabilities
    before_step: Callable[[int], None] = lambda step: None
    reward_parameters: int = 0
    make_optimizers: OptimizerFactory = named_adamw
    counters: Counters = field(default_factory=Counters)
    report: Callable[[str, float, float, str], None] = lambda what, done, total, unit: None
    ranks: Ranks = field(default_factory=Ranks)
    device: torch.device | None = None
    policy_optimizers: Optimizers = field(init=False)
    critic_optimizer: torch.optim.Optimizer | None = field(init=False, default=None)
    pieces: PieceSize = field(init=False)
    texts: TokenTexts = field(init=False)  # of the policy's tokens, for all steps
    drawing: nn.Module | None = field(init=False, default=None)  # the policy that drew what is in flight

    def __post_init__(self) -> None:
        check_members(self.algorithm, type(self.algorithm).__name__)
        source, needs = self.algorithm.data_source, self.algorithm.needs
        missing = [
            remedy
            for lacks, remedy in (
                (
                    bool(needs & {Need.REFERENCE_LOGPROBS, Need.KL_ESTIMATE}) and self.reference is None,
                    "a reference policy",
                ),
                (Need.CRITIC in needs and self.critic is None, "a critic"),
                (
                    Need.STEP_REWARDS in needs and self.step_reward is None,
                    "a step reward (`step_reward` of the recipe or of the reward file)",
                ),
                (Need.GREEDY_REWARD in needs and source is not DataSource.ONLINE, "completions of the policy itself"),
                (source in (DataSource.ONLINE, DataSource.ITERATED) and self.sampler is None, "a sampler"),
                (source is not DataSource.DEMONSTRATIONS and self.reward is None, "a reward"),
            )
            if lacks
        ]
        if missing:
            raise ValueError(
                f"{type(self.algorithm).__name__} needs {' and '.join(missing)}, which this run does not have."
            )
        adapted = has_adapters(self.policy.model)
        if (self.config.lora_rank is not None) != adapted:
            raise ValueError(
                f"lora_rank is {self.config.lora_rank} and the policy has {'' if adapted else 'no '}adapters; expected "
                "`add_adapters` where, and only where, a rank is given."
            )
        self.texts = TokenTexts(self.policy.tokenizer, self.policy.eos_token_ids)
        self.pieces = PieceSize(tokens=self.config.microbatch_tokens, fixed=self.sharded)
        self._try_heads(self.policy.model, self.reference)  # a few tokens: before layers are sharded or compiled
        if self.sharded:
            self._shard()
        if isinstance(self.source, AheadSource) and needs & {Need.OLD_LOGPROBS, Need.OLD_LOGPROBS_FOR_CREDIT}:
            self.source.logprobs = self._fresh_logprobs
            if self.sharded:  # rank 0 draws
                self.ranks.tasks["logprobs"] = self._fresh_logprobs
                self.source.logprobs = partial(self.ranks.together, "logprobs")
            if self.source.beside:
                self.drawing = frozen_copy(self.policy.model)
                self._try_heads(self.drawing)
                self.source.keep = self._keep_drawing
        if self._packs:
            for model in (self.policy.model, self.reference, self.drawing, getattr(self.critic, "backbone", None)):
                if model is not None:
                    pack_attention(model)
                    if self.config.compiles(on_gpu=self.policy.device.type == "cuda"):
                        compile_layers(model)
        if self.config.gradient_checkpointing:
            for model in (self.policy.model, getattr(self.critic, "backbone", None)):
                if model is not None:
                    checkpoint_layers(model)
        self.policy_optimizers = self.make_optimizers(self.policy.model, self.config)
        if self.critic is not None:
            self.critic_optimizer = adamw(self.critic, self.config, learning_rate=self.config.critic_learning_rate)

    @property
    def sharded(self) -> bool:
        """Whether each rank has a part of every model, through which all must pass together."""
        return self.config.shard == "full"

    def _try_heads(self, *models: nn.Module | None) -> None:
        """Find out how the logits of each are to be had, where they are what is trained."""
        for model in models if self.numbers is log_probabilities else ():
            if model is not None:
                splits_at_head(model, use_autocast=self.config.use_autocast)

    def _shard(self) -> None:
        """Leave this rank its parts of policy, reference and critic.

        Raises:
            ValueError: this is the only process.
        """
        if self.ranks.world == 1:
            raise ValueError(
                "shard is 'full' and one process trains the run; expected several (--gpus N, --ranks N or torchrun), "
                "or shard 'none'."
            )
        device = self.device or self.policy.device
        for model in (self.policy.model, self.reference):
            if model is not None:
                shard(model, device)
        if self.critic is not None:
            shard(self.critic, device)

    @property
    def _packs(self) -> bool:
        """Whether sequences are laid end to end: as configured, else in bfloat16 on a GPU where the model can."""
        if self.config.packed is not None:
            return self.config.packed
        return self.config.use_autocast and self.policy.device.type == "cuda" and can_pack(self.policy.model)

    @property
    def optimizers(self) -> Optimizers:
        """All optimisers by the name of their file in a checkpoint."""
        critic = {} if self.critic_optimizer is None else {"critic_optimizer": self.critic_optimizer}
        return {**self.policy_optimizers, **critic}

    @property
    def judges(self) -> bool:
        """Whether its completions have verdicts; demonstrations are taken at their word."""
        return self.reward is not None or self.known is not None

    @property
    def moving_reference(self) -> nn.Module | None:
        """π_ref where it follows the policy (Algorithm 1), so that a checkpoint must hold it too."""
        return self.reference if self.config.iteration_steps is not None else None

    @property
    def dynamic(self) -> bool:
        """Whether groups with equal rewards are drawn again (dynamic sampling)."""
        return Exclusion.EQUAL_GROUPS in self.algorithm.exclude

    def draw(self, step: int) -> Drawn:
        """The completions of `step`, counted from 0, scored."""
        problems = self.config.problems_per_step
        greedy = Need.GREEDY_REWARD in self.algorithm.needs
        drawn = draw_step(self.source, step, self._score, dynamic=self.dynamic, problems=problems, greedy=greedy)
        if self.algorithm.data_source is not DataSource.DEMONSTRATIONS:
            every = [*drawn.scored, *drawn.greedy]
            tokens = sum(item.rollout.num_own_tokens for item in every)
            read = sum(len(item.rollout.prompt_ids) + len(item.rollout.completion_ids) for item in every)
            self.counters.completions_sampled += len(every)
            self.counters.tokens_generated += tokens
            self.counters.flops += 2.0 * (self.policy.num_parameters + self.reward_parameters) * read
        return drawn

    def _score(self, rollouts: Sequence[Rollout]) -> list[ScoredRollout]:
        if self.known is not None:
            return self.known(rollouts)
        if self.reward is None:
            return [ScoredRollout(rollout=rollout, verdict=_DEMONSTRATED, reward=1.0) for rollout in rollouts]
        return score_rollouts(
            rollouts,
            reward=self.reward,
            step_reward=self.step_reward if Need.STEP_REWARDS in self.algorithm.needs else None,
            token_ends=self.texts.ends,
            judged=shared_judge(self.ranks),
        )

    def batch(self, scored: Sequence[ScoredRollout], greedy: Sequence[ScoredRollout] = ()) -> TrainingBatch | None:
        """The arrays of a step; ``None`` where there is nothing to learn from.

        Args:
            scored: what is trained on.
            greedy: the greedy completion of each of its problems, where the algorithm reads their rewards.
        """
        if not scored:
            return None
        pad = self.policy.pad_token_id
        if self.algorithm.batch_unit is BatchUnit.PAIR:
            ranked = Need.RANKED_PAIRS in self.algorithm.needs
            batch = build_pair_batch(scored, pad_token_id=pad, by_reward=ranked)
        else:
            batch = build_batch(scored, pad_token_id=pad)
        if batch is not None and greedy:
            rewards = {item.rollout.problem.problem_id: item.reward for item in greedy}
            of_rows = torch.tensor([rewards[item.rollout.problem.problem_id] for item in scored])
            batch = batch.with_tokens(replace(batch.tokens, greedy_rewards=of_rows.to(batch.tokens.rewards)))
        return None if batch is None else self._score_tokens(batch.to(self.policy.device))

    def _fresh_logprobs(self, rollouts: Sequence[Rollout]) -> list[tuple[float, ...]]:
        """log π of completions that are trained on later, under the policy that drew them; see `AheadSource`."""
        model = self.policy.model if self.drawing is None else self.drawing
        batch = unjudged_batch(rollouts, pad_token_id=self.policy.pad_token_id).to(self.policy.device)
        found = self.pieces.run(lambda size: score_logprobs(model, batch, self.forward(size))).cpu()
        return [tuple(row[: rollout.num_own_tokens].tolist()) for row, rollout in zip(found, rollouts, strict=True)]

    def _keep_drawing(self) -> None:
        assert self.drawing is not None
        self.drawing.load_state_dict(self.policy.model.state_dict())

    def _score_tokens(self, batch: TrainingBatch) -> TrainingBatch:
        """Attach logprobs, the KL's estimate, entropies and values, as far as the algorithm reads them."""
        needs, config = self.algorithm.needs, self.config

        def logprobs(model: nn.Module) -> torch.Tensor:
            found = self._shared(batch, lambda share, options: score_logprobs(model, share, options))
            self.count_flops(2, batch)
            return found

        tokens = replace(batch.tokens, max_length=config.max_completion_tokens)
        several_updates = config.updates_per_batch > 1 and Need.OLD_LOGPROBS in needs
        if tokens.old_logprobs is not None:  # an older policy's, of when it drew; counted now, as their tokens are
            self.count_flops(2, batch)
        elif several_updates or Need.OLD_LOGPROBS_FOR_CREDIT in needs:
            tokens = replace(tokens, old_logprobs=logprobs(self.policy.model))
        if Need.REFERENCE_LOGPROBS in needs and self.reference is not None:
            tokens = replace(tokens, reference_logprobs=logprobs(self.reference))
        if Need.KL_ESTIMATE in needs and self.reference is not None:
            model, reference = self.policy.model, self.reference

            def log_ratios(other: TrainingBatch) -> Tensor:
                return self._shared(other, lambda share, options: score_log_ratios(model, reference, share, options))

            tokens = replace(tokens, kl_estimate=score_kl(batch, log_ratios))
            self.count_flops(4, batch)
        if Need.ENTROPIES in needs:
            model = self.policy.model
            entropies = self._shared(batch, lambda share, options: score_entropies(model, share, options))
            tokens = replace(tokens, entropies=entropies)
            self.count_flops(2, batch)
        if Need.CRITIC in needs and self.critic is not None:
            critic = self.critic
            values = self._shared(batch, lambda share, options: score_values(critic, share, options))
            tokens = replace(tokens, values=values)
            self.count_flops(2, batch)
        return batch.with_tokens(tokens)

    def _shared(self, batch: TrainingBatch, score: Callable[[TrainingBatch, ForwardOptions], Tensor]) -> Tensor:
        """Numbers of every completion token, each rank's share in pieces that fit. (B, T)."""
        return self.ranks.by_rows(
            batch, lambda share: self.pieces.run(lambda size: score(share, self.forward(size))), packed=self._packs
        )

    def forward(self, tokens: int) -> ForwardOptions:
        """How passes are run, in pieces of at most `tokens`."""
        return ForwardOptions(
            microbatch_tokens=tokens,
            microbatch_size=self.config.microbatch_size,
            temperature=self.config.temperature,
            use_autocast=self.config.use_autocast,
            truncation=self.config.truncation,
            even=self.ranks.even if self.sharded else list,
        )

    def count_flops(self, per_parameter: int, batch: TrainingBatch) -> None:
        """Add the estimate of passes over the whole batch; see `Counters.flops`."""
        self.counters.flops += float(per_parameter) * self.policy.num_parameters * int(batch.lengths.sum())

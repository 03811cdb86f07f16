"""The same completions under every method: coefficients of each token, and how alike the gradients that they imply are.

Written to coefficients.json in a comparison's folder, for the report. Drawn from a trained policy of the comparison, so
that reference, values and step rewards are those of a real run; π_old = π_θ, as it is with one update a batch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers.utils.logging import disable_progress_bar

from algorithms import METHODS, Algorithm, BatchUnit, Need, build_algorithm, counted
from algorithms.interface import aggregation_weights
from experiments.recipes.config import TaskConfig
from experiments.recipes.plugins import load_algorithm, load_step_reward
from experiments.runs.problems import load_problems
from experiments.runs.prompts import render_prompts
from experiments.schedule.plan import start_folder_name
from rewards.scoring import score_rollouts
from rewards.verdict import ScoredRollout
from sampling.engines import EngineConfig, build_sampler
from sampling.sampler import SamplingConfig, sample_rollouts
from sampling.text import TokenTexts
from training.checkpoints import latest_checkpoint
from training.models.batches import TrainingBatch, build_batch
from training.models.critic import Critic
from training.models.folder import resolve_model
from training.models.logprobs import ForwardOptions
from training.models.policy import Policy, load_policy
from training.models.scores import score_entropies, score_kl, score_log_ratios, score_logprobs, score_values
from training.peers.methods import is_trl
from training.update import accumulate_gradients

__all__ = ["FILE_NAME", "draw_coefficients", "write_coefficients"]

FILE_NAME = "coefficients.json"
PROBLEMS, GROUP_SIZE = 12, 8
PREFERRED_ARMS = ("grpo", "grpo_process", "ppo", "online_rft", "rft")
FORWARD = ForwardOptions()


def write_coefficients(folder: Path, *, max_tokens: int, seed: int) -> Path | None:
    """Draw completions in a finished comparison's folder and write what each method makes of them.

    A file that is younger than every run is left alone.

    Args:
        folder: a comparison; its first seed's runs and start policy are read.
        max_tokens: longest completion.
        seed: which seed's runs; of the drawing too.

    Returns:
        The file, or ``None`` where no run of that seed has a checkpoint.
    """
    target = folder / FILE_NAME
    finished = [path.stat().st_mtime for path in folder.glob("runs/*/finished.json")]
    if target.is_file() and target.stat().st_mtime > max(finished, default=0.0):
        return target
    runs = _runs_with_checkpoints(folder, seed)
    if not runs:
        return None
    disable_progress_bar()
    arm = next((name for name in PREFERRED_ARMS if name in runs), next(iter(runs)))
    methods = {
        name: load_algorithm(config["algorithm"], config["settings"])
        for name, (config, _) in runs.items()
        if not is_trl(config["algorithm"])  # TRL's trainers show no coefficients; their equations are among the others
    }
    config, checkpoint = runs[arm]
    critic = runs["ppo"][1] / "training" / "critic.safetensors" if "ppo" in runs else None
    content = draw_coefficients(
        checkpoint,
        reference=_start_folder(folder, config) or checkpoint,
        critic=critic,
        methods=methods,
        task=TaskConfig(**config["task"]),
        max_tokens=max_tokens,
        seed=seed,
    )
    content["policy"] = f"{arm}, seed {seed}, at the end of its run"
    temporary = target.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, ensure_ascii=False, allow_nan=False), encoding="utf-8")
    temporary.replace(target)
    return target


def draw_coefficients(
    model: Path,
    *,
    reference: Path,
    critic: Path | None,
    methods: Mapping[str, Algorithm],
    task: TaskConfig,
    max_tokens: int,
    seed: int,
) -> dict[str, Any]:
    """Completions of a policy with the coefficients of `methods` and, for the gradients, of every other method.

    Args:
        model: folder of π_θ.
        reference: folder of π_ref.
        critic: safetensors file of a critic that belongs to that architecture; without it V = 0.
        methods: the comparison's arms; other methods of `algorithms` follow with their defaults.
        task: where the problems come from; those of the validation split are used.
        max_tokens: longest completion.
        seed: of the drawing.

    Returns:
        ``sequences`` (problem, reward, verdict, tokens), ``methods`` (coefficients and weights of each sequence,
        ``null`` for one that the method leaves out), ``gradients`` (names and the matrix of their cosines).
    """
    policy = load_policy(model)
    scored = _draw(policy, model, task, max_tokens, seed)
    batch = _with_arrays(build_batch(scored, pad_token_id=policy.pad_token_id), policy, reference, critic, max_tokens)
    batch, pair_rows = _with_pairs(batch)
    every = {**methods, **{name: build_algorithm(name) for name in METHODS if name not in methods}}
    usable = {name: algorithm for name, algorithm in every.items() if Need.GREEDY_REWARD not in algorithm.needs}
    found, gradients = [], {}
    for name, algorithm in usable.items():
        rows = pair_rows if algorithm.batch_unit is BatchUnit.PAIR else torch.arange(len(batch))
        if len(rows) == 0:  # no problem has a right and a wrong completion
            continue
        part = batch.rows(rows)
        if name in methods:
            found.append(
                {"name": name, "aggregation": str(algorithm.aggregation), **_values(algorithm, part, rows, len(batch))}
            )
        gradients[name] = _gradient(algorithm, part, policy)
    texts = TokenTexts(policy.tokenizer, policy.eos_token_ids)
    return {
        "sequences": [_sequence(texts, item) for item in scored],
        "methods": found,
        "gradients": _cosines(gradients),
        "values": "of the trained critic" if critic is not None else "0",
    }


def _runs_with_checkpoints(folder: Path, seed: int) -> dict[str, tuple[dict[str, Any], Path]]:
    """Configuration and last checkpoint of each finished run of the seed, by arm, in the order of their folders."""
    runs = {}
    for path in sorted((folder / "runs").glob(f"*-seed{seed}")):
        checkpoint = latest_checkpoint(path / "checkpoints")
        if checkpoint is None or not (path / "finished.json").is_file():
            continue
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
        runs[config["arm"]] = (config, checkpoint)
    return runs


def _start_folder(folder: Path, config: Mapping[str, Any]) -> Path | None:
    """Folder of the policy that a run started from: its model, or the start policy trained for its arm and seed."""
    if config["model"] is not None:
        return resolve_model(config["model"])
    recipe = folder / "recipe.json"
    arms = json.loads(recipe.read_text(encoding="utf-8"))["arms"] if recipe.is_file() else {}
    overrides = arms.get(config["arm"], {}).get("overrides", {})
    return latest_checkpoint(folder / start_folder_name(overrides, config["seed"]) / "checkpoints")


def _draw(policy: Policy, model: Path, task: TaskConfig, max_tokens: int, seed: int) -> list[ScoredRollout]:
    engine = EngineConfig(name="transformers", device="cuda" if policy.device.type == "cuda" else "cpu")
    engine = replace(engine, vllm=replace(engine.vllm, dtype="float32"))
    sampler = build_sampler(model, engine, eos_token_ids=policy.eos_token_ids, max_positions=policy.max_positions)
    problems = load_problems(task, "validation", PROBLEMS)
    rendered = render_prompts(problems, task, policy.tokenizer)
    rollouts = sample_rollouts(
        sampler,
        policy.tokenizer,
        [(problem, prompt.ids) for problem, prompt in zip(problems, rendered, strict=True)],
        SamplingConfig(temperature=1.0, max_tokens=max_tokens, with_logprobs=True),
        samples_per_problem=GROUP_SIZE,
        run_seed=seed,
        step=0,
        purpose="coefficients",
    )
    return score_rollouts(
        rollouts,
        step_reward=load_step_reward(task.step_reward),
        token_ends=TokenTexts(policy.tokenizer, policy.eos_token_ids).ends,
    )


def _with_arrays(
    batch: TrainingBatch, policy: Policy, reference: Path, critic: Path | None, max_tokens: int
) -> TrainingBatch:
    """The batch with all that any method reads of models, so that none of them has to be left out."""
    logprobs, start = score_logprobs(policy.model, batch, FORWARD), load_policy(reference).model
    tokens = replace(
        batch.tokens,
        old_logprobs=logprobs,
        reference_logprobs=score_logprobs(start, batch, FORWARD),
        entropies=score_entropies(policy.model, batch, FORWARD),
        kl_estimate=score_kl(batch, lambda other: score_log_ratios(policy.model, start, other, FORWARD)),
        values=torch.zeros_like(logprobs),
        max_length=max_tokens,
    )
    if critic is not None and critic.is_file():
        judge = Critic(reference, device=policy.device)
        judge.load(critic)
        tokens = replace(tokens, values=score_values(judge, batch, FORWARD))
    return batch.with_tokens(tokens)


def _with_pairs(batch: TrainingBatch) -> tuple[TrainingBatch, Tensor]:
    """The batch with pairs of a right and a wrong completion marked, in sampling order, and the rows in one."""
    correct, group = batch.tokens.require("correct", "a pairwise method"), batch.tokens.group
    pair, rows = torch.arange(len(batch)) + len(batch), []
    for number in group.unique():
        right = torch.nonzero((group == number) & correct)[:, 0].tolist()
        wrong = torch.nonzero((group == number) & ~correct)[:, 0].tolist()
        for chosen, rejected in zip(right, wrong, strict=False):
            pair[chosen] = pair[rejected] = len(rows) // 2
            rows += [chosen, rejected]
    tokens = replace(batch.tokens, pair=pair, chosen=correct)
    return batch.with_tokens(tokens), torch.tensor(sorted(rows), dtype=torch.int64)


def _values(algorithm: Algorithm, part: TrainingBatch, rows: Tensor, count: int) -> dict[str, Any]:
    """Coefficients and weights of all `count` sequences; ``None`` for those that are not in `rows`."""
    tokens = part.tokens
    assert tokens.old_logprobs is not None and tokens.max_length is not None
    found = algorithm.coefficients(tokens, algorithm.credit(tokens), tokens.old_logprobs)
    left = counted(algorithm, tokens)
    weights = aggregation_weights(
        left.mask, algorithm.aggregation, left.denominator(algorithm.batch_unit, tokens.max_length)
    )
    coefficients: list[list[float] | None] = [None] * count
    sequence_weights: list[float | None] = [None] * count
    for place, row in enumerate(rows.tolist()):
        length = int(tokens.completion_mask[place].sum())
        coefficients[row] = [round(value, 6) for value in found.values[place, :length].tolist()]
        sequence_weights[row] = float(weights[place, 0])
    return {"coefficients": coefficients, "weights": sequence_weights}


def _gradient(algorithm: Algorithm, part: TrainingBatch, policy: Policy) -> Tensor:
    """−∇ of the surrogate loss over all parameters, flattened, float64."""
    model = policy.model
    model.zero_grad()
    accumulate_gradients(
        model,
        algorithm,
        part,
        algorithm.credit(part.tokens),
        [torch.arange(len(part))],
        FORWARD,
    )
    gradient = torch.cat([-p.grad.flatten().double() for p in model.parameters() if p.grad is not None])
    model.zero_grad()
    return gradient


def _cosines(gradients: Mapping[str, Tensor]) -> dict[str, Any]:
    """Names and pairwise cosines of the gradients that are not exactly zero."""
    kept = {name: gradient for name, gradient in gradients.items() if bool(gradient.any())}
    names = list(kept)
    units = [kept[name] / kept[name].norm() for name in names]
    matrix = [[round(float(a @ b), 4) for b in units] for a in units]
    return {"names": names, "cosines": matrix}


def _sequence(texts: TokenTexts, item: ScoredRollout) -> dict[str, Any]:
    rollout = item.rollout
    ends = texts.ends(rollout.completion_ids)
    starts = [0, *ends[:-1]]
    return {
        "problem_id": rollout.problem.problem_id,
        "question": rollout.problem.question,
        "gold_answer": rollout.problem.gold_answer,
        "reward": item.reward,
        "verdict": item.verdict.status.name,
        "truncated": rollout.truncated,
        "tokens": [rollout.completion[start:end] for start, end in zip(starts, ends, strict=True)],
    }

"""Where training's completions come from: a search under a model of steps, and problems beyond the SFT set."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from experiments.inspection.methods import recipe_table, source_in_use
from experiments.recipes.arms import select_arms
from experiments.recipes.catalogue import RECIPES
from experiments.recipes.config import ArmConfig, Recipe, SourceConfig
from experiments.recipes.fields import apply_settings
from experiments.runs.engines import SamplerCache
from experiments.runs.jobs import RewardFitJob, StartJob
from experiments.runs.problems import load_problems
from experiments.schedule.door import check_recipe
from experiments.schedule.estimate import Rates, job_costs
from experiments.schedule.plan import plan_jobs
from rewards import check_answer
from sampling.rollout import Rollout
from sampling.sampler import SamplingConfig
from sampling.search import SearchConfig, Searched, search
from tests.experiments.miniature import recipe as miniature
from tests.experiments.runs.test_reward_models import STEPS, finished
from tests.training.reward_models.small_model import EOS, TOKENIZER
from training.models.policy import load_policy

SEARCH = {
    "source.search": "best_first",
    "source.guide": "model:prm",
    "source.width": 3,
    "source.branching": 3,
    "source.budget": 150,
}
BEYOND = {"source.problems": "beyond_sft", "task.train_problems": 40}


def recipe() -> Recipe:
    base = miniature()

    def arm(algorithm: str, overrides: dict[str, Any]) -> ArmConfig:
        like = base.arms[algorithm]
        return replace(like, training=replace(like.training, steps=2), overrides=overrides)

    return replace(
        base,
        arms={
            "searched": arm("rft", SEARCH),
            "pairs": arm("dpo", SEARCH),
            "beyond": arm("rft", BEYOND),
            "online": arm("grpo", BEYOND),
        },
        reward_models={"prm": STEPS},
        engine=replace(base.engine, name="transformers"),
        evaluation=replace(base.evaluation, every=0, decoding_temperatures=()),
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """All jobs, one after the other."""
    out = tmp_path_factory.mktemp("sources") / "cmp"
    torch.set_num_threads(1)
    jobs = plan_jobs(check_recipe(recipe()), out, evaluate_start=False)
    samplers = SamplerCache()
    for job in jobs:
        job.run(samplers, lambda what, done, total, unit: None)
    return out, {job.name: job for job in jobs}


def blocks(job: Any) -> list[dict[str, Any]]:
    assert job.offline is not None
    return [json.loads(line) for line in job.offline.read_text().splitlines()]


def rows(job: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (job.folder / "metrics.jsonl").read_text().splitlines()]


def searched_again(jobs: dict[str, Any], block: dict[str, Any]) -> list[Searched]:
    """The search of the first step once more, led by transformers alone: the least step of the fit's own head."""
    [fit] = [job for job in jobs.values() if isinstance(job, RewardFitJob)]
    [start] = [job for job in jobs.values() if isinstance(job, StartJob)]
    told = finished(fit.folder)
    head = AutoModelForSequenceClassification.from_pretrained(
        fit.folder / told["models"][0], num_labels=1, dtype=torch.float32
    ).eval()

    def least(rollout: Rollout) -> float:
        """Of the scores at the tokens that end a line of the completion, and at its last."""
        ids = rollout.completion_ids
        newline = TOKENIZER("\n", add_special_tokens=False).input_ids[0]
        ends = [place for place, token in enumerate(ids) if token == newline and place and ids[place - 1] != newline]
        if ids[-1] not in (newline, EOS) or (ids[-1] == EOS and len(ids) > 1 and ids[-2] != newline):
            ends.append(len(ids) - 1)
        if not ends:
            return 0.0
        with torch.no_grad():
            hidden = head.base_model(torch.tensor([[*rollout.prompt_ids, *ids]])).last_hidden_state[0]
            scores = head.score(hidden)[len(rollout.prompt_ids) :, 0][ends]
        return float(torch.sigmoid(scores / told["temperatures"][0]).min())

    def score(rollouts: Sequence[Rollout]) -> list[float]:
        return [least(rollout) for rollout in rollouts]

    folder = start.folder / "checkpoints" / finished(start.folder)["checkpoint"]
    policy = load_policy(folder)
    problems = {each.problem_id: each for each in load_problems(recipe().task, "train", 16)}
    asked = [problems[each] for each in dict.fromkeys(row["problem_id"] for row in block["rollouts"])]
    prompts = [(each, tuple(TOKENIZER(each.question, add_special_tokens=False).input_ids)) for each in asked]
    sampler = SamplerCache().get(recipe().engine, folder, policy)
    training = recipe().arms["searched"].training
    return search(
        sampler,
        policy.tokenizer,
        prompts,
        SamplingConfig(temperature=training.temperature, max_tokens=training.max_completion_tokens),
        SearchConfig(method="best_first", width=3, branching=3, budget=150),
        score,
        run_seed=0,
        step=0,
    )


def test_what_was_searched_for_is_what_the_guides_own_head_leads_to(done: tuple[Path, dict[str, Any]]) -> None:
    block = blocks(done[1]["searched-seed0"])[0]
    found = searched_again(done[1], block)
    group = recipe().arms["searched"].training.group_size
    expected = [
        (list(candidate.rollout.completion_ids), index)
        for each in found
        for index, candidate in enumerate(each.candidates[:group])
    ]
    assert [(row["completion_ids"], row["sample_index"]) for row in block["rollouts"]] == expected
    kept = sum(len(ids) for ids, _ in expected)
    assert block["spent"]["tokens"] == sum(each.tokens for each in found) - kept
    assert all(each.tokens <= 150 for each in found)
    assert any(len(each.candidates) > group for each in found), "else it does not show that the best of them are kept"


def test_a_search_is_paid_for_by_the_arm_that_trains_on_it(done: tuple[Path, dict[str, Any]]) -> None:
    """Tokens: those of the fit's samples, and every one that the search drew, kept or not."""
    job = done[1]["searched-seed0"]
    [fit] = [each for each in done[1].values() if isinstance(each, RewardFitJob)]
    first = blocks(job)[0]
    drawn = sum(each.tokens for each in searched_again(done[1], first))
    cost = finished(fit.folder)["cost"]
    assert rows(job)[0]["tokens_generated"] == cost["tokens"] + drawn
    assert rows(job)[0]["completions_sampled"] == cost["completions"] + len(first["rollouts"])
    assert rows(job)[0]["flops"] > cost["flops"] + first["spent"]["flops"] > cost["flops"]
    second = blocks(job)[1]
    own = sum(len(row["completion_ids"]) for row in second["rollouts"])
    assert second["spent"]["tokens"] != first["spent"]["tokens"]
    assert rows(job)[1]["tokens_generated"] - rows(job)[0]["tokens_generated"] == own + second["spent"]["tokens"]


def test_rft_keeps_what_is_right_of_it_and_dpo_shares_the_draw(done: tuple[Path, dict[str, Any]]) -> None:
    first = blocks(done[1]["searched-seed0"])[0]
    gold = {each.problem_id: each.gold_answer for each in load_problems(recipe().task, "train", 16)}
    right = [
        len(row["completion_ids"])
        for row in first["rollouts"]
        if check_answer(row["completion"], gold[row["problem_id"]]).correct
    ]
    assert rows(done[1]["searched-seed0"])[0]["tokens_trained"] == sum(right)
    assert done[1]["pairs-seed0"].offline == done[1]["searched-seed0"].offline
    assert len(list((done[0] / "offline").glob("*.jsonl"))) == 2


def test_problems_beyond_the_sft_set_are_none_of_its_questions(done: tuple[Path, dict[str, Any]]) -> None:
    """SFT has the first 16 of 40 training problems: 24 others are left, for offline and online arms alike."""
    every = load_problems(recipe().task, "train", 40)
    shown = {each.question for each in every[:16]}
    beyond = {each.problem_id for each in every if each.question not in shown}
    drawn = {row["problem_id"] for block in blocks(done[1]["beyond-seed0"]) for row in block["rollouts"]}
    assert drawn and drawn <= beyond
    for arm in ("beyond", "online"):
        prompts = json.loads((done[0] / "runs" / f"{arm}-seed0" / "prompts.json").read_text())["training"]
        assert prompts["number"] == len(beyond)


def test_the_recipe_of_reward_models_takes_offline_methods_on_searches() -> None:
    """The command of docs/algorithms/reward_models.md: its last arm has iterations, which offline methods have not."""
    base = RECIPES["reward-models"]("cpu")
    asked = replace(base, arms=select_arms(base, ["rft", "dpo"]), contrasts=None, seeds=(0,))
    settings = ["source.search=beam", "source.guide=model:prm_rule"]
    jobs = plan_jobs(check_recipe(apply_settings(asked, settings)), Path("out"), evaluate_start=False)
    assert [type(job).__name__ for job in jobs] == ["StartJob", "RewardFitJob", "OfflineJob", "RunJob", "RunJob"]
    assert jobs[2].after == ("start-seed0", jobs[1].name)


def test_table_10_says_where_completions_really_come_from() -> None:
    source = "q ~ P_sft(Q), o ~ π_sft(O|q)"
    assert source_in_use(source, SourceConfig()) == source
    beyond = SourceConfig(problems="beyond_sft", search="beam", guide="model:prm")
    assert source_in_use(source, beyond) == "q ~ P(Q) beyond P_sft, o ~ beam search of π_sft by model:prm"
    table = recipe_table(recipe())
    assert [next(iter(column.cells)) for column in table.columns][2] == (
        "q ~ P_sft(Q), o ~ best_first search of π_sft by model:prm"
    )


def test_the_estimate_counts_the_fits_of_every_iteration() -> None:
    """18 steps in iterations of 6: two fits beside the first, of (512 + 64) × 8 completions; frozen: none.

    A fit takes as long as drawing these and 2 · 512 · 8 more, at 1 s each; so an arm takes 2 · 12,800 s longer.
    """
    base = RECIPES["reward-models"]("cpu")
    arms = {name: base.arms[name] for name in ("orm", "orm_3", "orm_frozen")}
    jobs = plan_jobs(replace(base, arms=arms, contrasts=None, seeds=(0,)), Path("out"), evaluate_start=False)
    rates = Rates(training={"grpo": 0.0}, drawing=1.0, evaluation=0.0, start=0.0, source="here")
    costs = {cost.job: cost for cost in job_costs(jobs, rates)}
    drawn = {name: costs[f"{name}-seed0"].training_completions for name in arms}
    assert drawn["orm_3"] - drawn["orm"] == 2 * (512 + 64) * 8 and drawn["orm_frozen"] == drawn["orm"]
    assert costs["orm_3-seed0"].seconds == 2 * ((512 + 64) * 8 + 2 * 512 * 8) and costs["orm-seed0"].seconds == 0


@pytest.mark.parametrize(
    ("settings", "algorithm", "message"),
    [
        (["source.search=beam"], "rft", r"source\.search is 'beam' and source\.guide is None; expected both"),
        (["source.guide=model:prm"], "rft", r"source\.search is 'none' and source\.guide is 'model:prm'"),
        (
            ["source.search=beam", "source.guide=model:orm"],
            "rft",
            r"source\.guide is 'model:orm' and the recipe has no",
        ),
        (["source.search=beam", "source.guide=equations"], "rft", r"source\.guide is 'equations'; expected model:NAME"),
        (["source.search=beam", "source.guide=model:prm"], "grpo", r"and π_θ completions are sampled; expected an off"),
        (
            ["source.search=beam", "source.guide=model:prm", "source.budget=8"],
            "rft",
            r"budget is 8 tokens for 16 first steps",
        ),
        (["source.problems=beyond_sft", "supervised.demonstrations=null"], "rft", r"SFT has demonstrations of all"),
        (
            ["source.problems=beyond_sft"],
            "rft",
            r"expected at most the number of training problems beyond the SFT set, 0",
        ),
    ],
)
def test_a_source_that_cannot_be_is_refused_before_anything_starts(
    settings: list[str], algorithm: str, message: str
) -> None:
    base = recipe()
    plain = replace(base, arms=select_arms(miniature(), [algorithm]))
    with pytest.raises(ValueError, match=message):
        check_recipe(apply_settings(plain, settings))

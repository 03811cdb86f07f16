"""N steps equal k steps, a resume, and N − k steps, bit for bit; checkpoints survive a full disk."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import training.checkpoints
from algorithms import GRPO, PPO, Algorithm, OnlineRFT
from benchmarks.arithmetic import generate_problems
from rewards.reward import EachCompletion
from rewards.scoring import correctness_reward
from rewards.verdict import StepVerdict
from sampling.rollout import Rollout
from sampling.sampler import SamplingConfig
from sampling.transformers_engine import TransformersSampler
from training.checkpoints import CheckpointError, latest_checkpoint, save_checkpoint
from training.loop import Row, resume, run_training
from training.models.critic import Critic
from training.models.embedded import EmbeddedModelConfig, build_embedded_model, build_embedded_tokenizer
from training.models.policy import ModelNotFoundError, Policy, load_policy, named_weights
from training.sources import OnlineSource, Prompts
from training.trainer import Trainer, TrainingConfig

TRAINING = TrainingConfig(
    steps=4,
    problems_per_step=3,
    group_size=4,
    learning_rate=1e-3,
    schedule="linear",
    microbatch_size=5,
    max_completion_tokens=12,
    updates_per_batch=2,
)


class Rows(list[Row]):
    def drop_after(self, step: int) -> None:
        self[:] = [row for row in self if int(row["step"] or 0) <= step]


@pytest.fixture
def start(tmp_path: Path) -> Path:
    config = EmbeddedModelConfig(hidden_size=32, num_layers=2, num_heads=2, intermediate_size=48)
    model, tokenizer = build_embedded_model(config, seed=0), build_embedded_tokenizer()
    Policy(model=model, tokenizer=tokenizer, eos_token_ids=(2,), pad_token_id=0).save(tmp_path / "start")
    return tmp_path / "start"


def two_steps(rollout: Rollout) -> tuple[StepVerdict, ...]:
    """Both halves of the text, each rewarded for its sevens; every real step of an untrained model is wrong."""
    middle, end = len(rollout.completion) // 2, len(rollout.completion)
    halves = rollout.completion[:middle], rollout.completion[middle:]
    return tuple(StepVerdict(end=at, reward=text.count("7")) for at, text in zip((middle, end), halves, strict=True))


def make_trainer(start: Path, algorithm: Algorithm) -> Trainer:
    policy = load_policy(start)
    sampler = TransformersSampler(start, eos_token_ids=(2,))
    problems = generate_problems("train", 30)
    prompt_ids = [tuple(policy.tokenizer(item.question, add_special_tokens=False).input_ids) for item in problems]
    source = OnlineSource(
        sampler=sampler,
        policy=policy,
        prompts=Prompts(problems=tuple(problems), prompt_ids=tuple(prompt_ids), per_step=3, seed="0"),
        sampling=SamplingConfig(max_tokens=12),
        group_size=4,
        run_seed=0,
    )
    return Trainer(
        policy=policy,
        algorithm=algorithm,
        config=TRAINING,
        source=source,
        sampler=sampler,
        # A reward that an untrained model does not always miss, so that there is something to learn from.
        reward=EachCompletion(
            name="sevens",
            function=lambda rollout, verdict: correctness_reward(rollout, verdict) + rollout.completion.count("7"),
            right_above=0.0,
        ),
        step_reward=two_steps,
        reference=load_policy(start).model,
        critic=Critic(start, device=torch.device("cpu")) if isinstance(algorithm, PPO) else None,
    )


def train(trainer: Trainer, folder: Path, rows: Rows, *, stop_after: int | None = None) -> None:
    class Stop(Exception):
        pass

    def after_step(step: int, row: dict) -> None:
        if stop_after is not None and step > stop_after:
            raise Stop

    done = resume(trainer, folder)
    trainer.sampler.load_weights(named_weights(trainer.policy.model), done)
    try:
        run_training(trainer, done=done, checkpoints=folder, checkpoint_every=1, log=rows, after_step=after_step)
    except Stop:
        assert stop_after is not None


TIMES = ("seconds", "sampling_seconds", "scoring_seconds", "update_seconds")


def measured(rows: Rows) -> list[dict]:
    return [{name: value for name, value in row.items() if name not in TIMES} for row in rows]


@pytest.mark.parametrize("algorithm", [OnlineRFT(), PPO(), GRPO(supervision="process")])
def test_stop_and_resume_is_bit_for_bit_the_whole_run(algorithm: Algorithm, start: Path, tmp_path: Path) -> None:
    whole, whole_rows = make_trainer(start, algorithm), Rows()
    train(whole, tmp_path / "whole", whole_rows)

    rows = Rows()
    train(make_trainer(start, algorithm), tmp_path / "parts", rows, stop_after=2)
    assert [row["step"] for row in rows] == [1, 2, 3]  # the third was measured but not checkpointed
    resumed = make_trainer(start, algorithm)
    train(resumed, tmp_path / "parts", rows)

    assert measured(rows) == measured(whole_rows)
    assert any(row["loss"] for row in rows)
    before = load_policy(start).model
    for ours, theirs, old in zip(
        resumed.policy.model.parameters(), whole.policy.model.parameters(), before.parameters(), strict=True
    ):
        assert torch.equal(ours, theirs)
        assert not torch.equal(ours, old)


def test_checkpoint_loads_in_transformers_and_holds_only_safetensors(start: Path, tmp_path: Path) -> None:
    trainer = make_trainer(start, PPO())
    train(trainer, tmp_path / "run", Rows())
    checkpoint = latest_checkpoint(tmp_path / "run")
    assert checkpoint is not None and checkpoint.name == "step-000004"
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["step-000004"]  # older ones are gone
    model = AutoModelForCausalLM.from_pretrained(checkpoint)
    for ours, theirs in zip(model.parameters(), trainer.policy.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert AutoTokenizer.from_pretrained(checkpoint).decode([21, 13, 12], skip_special_tokens=True)
    assert not [path for path in checkpoint.rglob("*") if path.suffix in (".bin", ".pt", ".pkl")]


@pytest.mark.parametrize("fault", ["disk full", "disk full in safetensors"])
def test_a_failed_checkpoint_leaves_the_previous_one(
    fault: str, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer, folder = make_trainer(start, OnlineRFT()), tmp_path / "run"

    def save(step: int) -> None:
        save_checkpoint(
            folder, step=step, policy=trainer.policy, optimizers=trainer.optimizers, state=dict(vars(trainer.counters))
        )

    trainer.step(0)
    save(1)
    before = (folder / "step-000001" / "model.safetensors").read_bytes()

    def refuse(tensors: dict, path: Path) -> None:
        path.write_bytes(b"half a file")
        if fault == "disk full":
            raise OSError(28, "No space left on device")
        raise training.checkpoints.SafetensorError("Error while serializing: I/O error: No space left on device")

    trainer.step(1)
    monkeypatch.setattr(training.checkpoints, "save_file", refuse)
    with pytest.raises(CheckpointError, match=r"No space left on device.*the previous one \(step-000001\) is whole"):
        save(2)
    assert [path.name for path in folder.iterdir()] == ["step-000001"]
    assert (folder / "step-000001" / "model.safetensors").read_bytes() == before
    assert resume(make_trainer(start, OnlineRFT()), folder) == 1


def test_a_half_written_checkpoint_does_not_count(start: Path, tmp_path: Path) -> None:
    """What a kill in the middle of writing leaves."""
    folder = tmp_path / "run"
    shutil.copytree(start, folder / ".step-000009.tmp")
    assert latest_checkpoint(folder) is None


def test_a_checkpoint_that_was_set_aside_when_the_kill_came_counts(start: Path, tmp_path: Path) -> None:
    """A kill between the two renames with which a step is written again."""
    folder = tmp_path / "run"
    shutil.copytree(start, folder / ".step-000003.tmp")
    (folder / ".step-000003.old").mkdir()
    (folder / ".step-000003.old" / "whole").touch()
    assert latest_checkpoint(folder) == folder / "step-000003"
    assert (folder / "step-000003" / "whole").is_file()
    (folder / ".step-000003.old").mkdir()  # and one after them: the new one has its name
    assert latest_checkpoint(folder) == folder / "step-000003"
    assert (folder / "step-000003" / "whole").is_file()


def test_a_damaged_state_is_named(start: Path, tmp_path: Path) -> None:
    trainer, folder = make_trainer(start, OnlineRFT()), tmp_path / "run"
    trainer.step(0)
    state = dict(vars(trainer.counters))
    checkpoint = save_checkpoint(folder, step=1, policy=trainer.policy, optimizers=trainer.optimizers, state=state)
    state_file = checkpoint / "training" / "state.json"
    state_file.write_text(json.dumps({"step": 1, **state})[:-5])
    with pytest.raises(CheckpointError, match="cannot be read"):
        resume(make_trainer(start, OnlineRFT()), folder)


def test_models_that_cannot_be_loaded_are_named(tmp_path: Path, start: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="does not exist"):
        load_policy(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelNotFoundError, match=r"no config\.json \(it holds nothing\)"):
        load_policy(tmp_path / "empty")
    (tmp_path / "vision").mkdir()
    (tmp_path / "vision" / "config.json").write_text('{"model_type": "vit"}')
    with pytest.raises(ModelNotFoundError, match=r"config\.json names no architecture"):
        load_policy(tmp_path / "vision")
    with pytest.raises(ModelNotFoundError, match="could not be fetched from the hub"):
        load_policy("nobody/no-such-model")

"""N steps equal k steps, a resume, and N − k steps, bit for bit; checkpoints survive a full disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

import training.checkpoints
from algorithms import GRPO, PPO, Algorithm, OnlineRFT
from analysis.records.schema import TIME_COLUMNS
from benchmarks.arithmetic import generate_problems
from rewards.reward import EachCompletion
from rewards.scoring import correctness_reward
from rewards.verdict import StepVerdict
from sampling.rollout import Rollout
from sampling.sampler import SamplingConfig
from sampling.transformers_engine import TransformersSampler
from tests.training.small_run import Rows, run
from training.checkpoints import CheckpointError, check_model, latest_checkpoint, load_optimizer, save_checkpoint
from training.loop import take_step
from training.models.critic import Critic
from training.models.embedded import EmbeddedModelConfig, build_embedded_model, build_embedded_tokenizer
from training.models.folder import ModelNotFoundError
from training.models.policy import Policy, load_policy
from training.restore import Restored, restore
from training.sources.online import OnlineSource
from training.sources.prompts import Prompts
from training.stopping import AtStep
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


@pytest.fixture
def start(tmp_path: Path) -> Path:
    return save_start(tmp_path / "start")


def save_start(folder: Path) -> Path:
    config = EmbeddedModelConfig(hidden_size=32, num_layers=2, num_heads=2, intermediate_size=48)
    model, tokenizer = build_embedded_model(config, seed=0), build_embedded_tokenizer()
    Policy(model=model, tokenizer=tokenizer, eos_token_ids=(2,), pad_token_id=0).save(folder)
    return folder


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


def measured(rows: Rows) -> list[dict]:
    return [{name: value for name, value in row.items() if name not in TIME_COLUMNS} for row in rows]


@pytest.mark.parametrize("algorithm", [OnlineRFT(), PPO(), GRPO(supervision="process")])
def test_stop_and_resume_is_bit_for_bit_the_whole_run(algorithm: Algorithm, start: Path, tmp_path: Path) -> None:
    whole, whole_rows = make_trainer(start, algorithm), Rows()
    run(whole, tmp_path / "whole", whole_rows)

    rows = Rows()
    run(make_trainer(start, algorithm), tmp_path / "parts", rows, stop_after=2)
    assert [row["step"] for row in rows] == [1, 2, 3]  # the third was measured but not checkpointed
    resumed = make_trainer(start, algorithm)
    run(resumed, tmp_path / "parts", rows)

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
    run(trainer, tmp_path / "run", Rows())
    checkpoint = latest_checkpoint(tmp_path / "run")
    assert checkpoint is not None and checkpoint.name == "step-000004"
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"step-000003", "step-000004"}  # older ones are gone
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

    take_step(trainer, 0)
    save(1)
    before = (folder / "step-000001" / "model.safetensors").read_bytes()

    def refuse(tensors: dict, path: Path) -> None:
        path.write_bytes(b"half a file")
        if fault == "disk full":
            raise OSError(28, "No space left on device")
        raise training.checkpoints.SafetensorError("Error while serializing: I/O error: No space left on device")

    take_step(trainer, 1)
    monkeypatch.setattr(training.checkpoints, "save_file", refuse)
    with pytest.raises(CheckpointError, match=r"No space left on device.*the previous one \(step-000001\) is whole"):
        save(2)
    assert [path.name for path in folder.iterdir()] == ["step-000001"]
    assert (folder / "step-000001" / "model.safetensors").read_bytes() == before
    assert restored(start, folder).step == 1


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


def restored(start: Path, folder: Path, agreed: int = 99) -> Restored:
    trainer = make_trainer(start, OnlineRFT())
    return restore(trainer, AtStep(TRAINING, checkpoint_every=1), folder, agreed=agreed)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) * 2 // 3] ^= 4
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("file", ["model.safetensors", "training/optimizer.safetensors", "training/state.json"])
@pytest.mark.parametrize("damage", [cut, zero, flip, Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_damaged_checkpoint_is_passed_over_for_a_whole_one(
    file: str, damage: Callable[[Path], None], trained: tuple[Path, Path], tmp_path: Path
) -> None:
    start, folder = trained[0], tmp_path / "run"
    shutil.copytree(trained[1], folder)
    assert restored(start, folder) == Restored(step=4)
    damage(folder / "step-000004" / file)
    found = restored(start, folder)
    assert found.step == 3
    assert [reason.startswith("step-000004 is damaged: ") for reason in found.passed_over] == [True]
    damage(folder / "step-000003" / file)
    assert restored(start, folder).step == 0


def test_a_state_of_another_step_is_not_taken(trained: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copytree(trained[1], tmp_path / "run")
    (tmp_path / "run" / "step-000004").rename(tmp_path / "run" / "step-000009")
    found = restored(trained[0], tmp_path / "run")
    assert found.step == 3
    assert "state.json is of step 4; expected 9" in found.passed_over[0]


def test_a_copy_of_a_checkpoint_may_be_called_anything_and_its_damage_still_shows(
    trained: tuple[Path, Path], tmp_path: Path
) -> None:
    copy = tmp_path / "my-model"
    newest = latest_checkpoint(trained[1])
    assert newest is not None
    shutil.copytree(newest, copy)
    check_model(copy)
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    (copy / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"config\.json is missing, or not what was written"):
        check_model(copy)


def test_a_checkpoint_newer_than_the_rows_is_passed_over(trained: tuple[Path, Path]) -> None:
    """As after a power cut that lost the end of metrics.jsonl."""
    found = restored(*trained, agreed=3)
    assert found.step == 3
    assert "step-000004 is newer than the rows and evaluations, whole up to step 3" in found.passed_over
    assert restored(*trained, agreed=2).step == 0


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A start policy, and the checkpoints of a training from it."""
    start, folder = save_start(tmp_path_factory.mktemp("start")), tmp_path_factory.mktemp("run")
    run(make_trainer(start, OnlineRFT()), folder, Rows())
    return start, folder


def test_moments_of_another_model_are_named_with_both_shapes(trained: tuple[Path, Path]) -> None:
    newest = latest_checkpoint(trained[1])
    assert newest is not None
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(3)) for _ in range(100)])
    with pytest.raises(CheckpointError, match=r"a moment has the shape \(.*\) and its parameter \(3,\); expected"):
        load_optimizer(optimizer, newest / "training" / "optimizer.safetensors")


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
    copy = shutil.copytree(start, tmp_path / "cut")
    kept = load_file(copy / "model.safetensors")
    kept.pop("model.norm.weight")
    save_file(kept, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelNotFoundError, match=r"lacks the weights model\.norm\.weight; expected those of the whole"):
        load_policy(copy)

"""The frozen batch as padded tensors, and what a golden file holds; shared by the peers' modules beside this one."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

GOLDEN_FOLDER = Path(__file__).parent / "golden"
SIGNIFICANT_DIGITS = 12
# Rewards of one group, apart from the frozen batch: what becomes of a single winner, and of equal rewards in float32.
REWARD_GROUPS: Mapping[str, Sequence[float]] = {"one_in_eight": (1.0, *(0.0,) * 7), "equal_seven": (0.3,) * 7}


@dataclass(frozen=True, kw_only=True)
class PaddedBatch:
    """batch.json right-padded with zeros to its max_length: (B,) and (B, T) tensors, mask True on real tokens."""

    groups_B: tuple[str, ...]
    rewards_B: torch.Tensor
    policy_BT: torch.Tensor
    old_BT: torch.Tensor
    reference_BT: torch.Tensor
    sampler_BT: torch.Tensor
    values_BT: torch.Tensor
    mask_BT: torch.Tensor

    @property
    def lengths_B(self) -> list[int]:
        """Tokens of each sequence."""
        return self.mask_BT.sum(dim=-1).tolist()

    @property
    def last_token_rewards_BT(self) -> torch.Tensor:
        """The sequence's reward at its last token, zero elsewhere."""
        rewards_BT = torch.zeros_like(self.policy_BT)
        for row, length in enumerate(self.lengths_B):
            rewards_BT[row, length - 1] = self.rewards_B[row]
        return rewards_BT


@dataclass(frozen=True, kw_only=True)
class Golden:
    """One case of one peer: the call, its settings, and what came out; gradient = d loss / d policy logprob."""

    name: str
    function: str
    source: Path
    description: str
    settings: Mapping[str, object]
    advantages_BT: torch.Tensor
    loss: torch.Tensor | None = None
    gradient_BT: torch.Tensor | None = None
    lengths_B: Sequence[int] | None = None  # where the case is not about the frozen batch


def read_batch(path: Path = GOLDEN_FOLDER / "batch.json") -> PaddedBatch:
    """Read the frozen batch."""
    stored = json.loads(path.read_text())
    sequences, width = stored["sequences"], stored["max_length"]

    def padded(field: str) -> torch.Tensor:
        rows = [row[field] + [0.0] * (width - len(row[field])) for row in sequences]
        return torch.tensor(rows, dtype=torch.float64)

    lengths = torch.tensor([len(row["policy_logprobs"]) for row in sequences])
    return PaddedBatch(
        groups_B=tuple(row["group"] for row in sequences),
        rewards_B=torch.tensor([row["reward"] for row in sequences], dtype=torch.float64),
        policy_BT=padded("policy_logprobs"),
        old_BT=padded("old_logprobs"),
        reference_BT=padded("reference_logprobs"),
        sampler_BT=padded("sampler_logprobs"),
        values_BT=padded("values"),
        mask_BT=torch.arange(width) < lengths.unsqueeze(-1),
    )


def one_group(rewards: Sequence[float]) -> PaddedBatch:
    """One group of one-token sequences with these rewards in float32, the dtype that the peers hold them in."""
    zeros_BT = torch.zeros(len(rewards), 1)
    return PaddedBatch(
        groups_B=("q",) * len(rewards),
        rewards_B=torch.tensor(rewards, dtype=torch.float32),
        policy_BT=zeros_BT,
        old_BT=zeros_BT,
        reference_BT=zeros_BT,
        sampler_BT=zeros_BT,
        values_BT=zeros_BT,
        mask_BT=torch.ones(len(rewards), 1, dtype=torch.bool),
    )


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_golden(golden: Golden, batch: PaddedBatch, origin: Mapping[str, object], root: Path) -> Path:
    """Write one golden file: `origin` (peer, version, wheel and its sha256), the case, and the ragged arrays."""
    if golden.gradient_BT is not None and golden.gradient_BT[~batch.mask_BT].any():
        raise ValueError(f"{golden.name}: padding received a gradient; expected zeros there")
    lengths_B = golden.lengths_B or batch.lengths_B
    document: dict[str, object] = {
        **origin,
        "function": golden.function,
        "file": golden.source.relative_to(root).as_posix(),
        "file_sha256": sha256(golden.source),
        "description": golden.description,
        "dtype": str(golden.advantages_BT.dtype).removeprefix("torch."),
        "batch_sha256": sha256(GOLDEN_FOLDER / "batch.json"),
        "settings": dict(golden.settings),
        "advantages": ragged(golden.advantages_BT, lengths_B),
    }
    if golden.gradient_BT is not None and golden.loss is not None:
        document["loss"] = rounded(golden.loss.item())
        document["gradient"] = ragged(golden.gradient_BT, lengths_B)
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in document.items()]
    path = GOLDEN_FOLDER / f"{origin['peer']}_{golden.name}.json"
    path.write_text("{" + ",\n ".join(lines) + "}\n")
    return path


def ragged(values_BT: torch.Tensor, lengths_B: Sequence[int]) -> list[list[float]]:
    """Rows cut to the sequences' lengths."""
    return [
        [rounded(value) for value in row[:length].tolist()] for row, length in zip(values_BT, lengths_B, strict=True)
    ]


def rounded(value: float) -> float:
    """The number to twelve significant digits."""
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")

"""The command `coeflab evaluate-rewards`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from experiments.commands.options import Repeated

__all__ = ["EvaluateRewards"]


@dataclass(frozen=True, kw_only=True)
class EvaluateRewards:
    """Ask a process reward model for the first wrong step of given solutions: ProcessBench's F1, beside two baselines
    that know nothing."""

    model: str
    """Folder of a fit (reward_models/… of a comparison), or a model folder or hub id with a head of one number."""
    benchmark: Repeated[tuple[str, ...]] = ()
    """processbench_gsm8k (without any), processbench_math, processbench_olympiadbench, processbench_omnimath. May be
    repeated."""
    data_dir: str = "../shared/data"
    """Folder that holds processbench/gsm8k.jsonl and its like."""
    prompt: str = "chain_of_thought"
    """How the problems are asked: that of the policy whose solutions the model learned from."""
    threshold: float = 0.5
    """A step whose probability of being right lies below it is wrong. Given, never chosen on what is reported."""
    limit: int | None = None
    """The first so many solutions of each; default all."""
    microbatch_tokens: int = 16384
    """Most tokens scored at once."""
    json: bool = False
    """Print one JSON object, with a field for each benchmark, instead of the table."""

    def run(self) -> None:
        """Score every solution, and print the accuracies."""
        import json

        from experiments.commands.options import current_device
        from experiments.inspection.process_bench import evaluate_process_bench, process_bench_lines

        results = evaluate_process_bench(
            self.model,
            self.benchmark or ("processbench_gsm8k",),
            Path(self.data_dir),
            prompt=self.prompt,
            threshold=self.threshold,
            limit=self.limit,
            device=current_device(),
            microbatch_tokens=self.microbatch_tokens,
        )
        print(json.dumps(results) if self.json else "\n".join(process_bench_lines(results)))

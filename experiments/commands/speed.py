"""The command `coeflab speed`: our times beside a peer's, for the same work in the same run."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import tyro

__all__ = ["Speed"]

PEERS = {"checker": "math-verify", "step": "trl", "sampling": "transformers"}


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Time a part of coeflab beside a peer on the same work."""

    part: tyro.conf.Positional[Literal["checker", "step", "sampling", "analysis", "coefficients", "sizes"]]
    """checker: answers judged. step: an optimiser step of GRPO. sampling: vLLM. Without a peer: analysis, statistics;
    coefficients, credit and coefficients of every method; sizes, what models of 0.5B to 7B take of a card."""
    peer: str | None = None
    """math-verify for checker, trl for step, transformers for sampling; each is the default there."""
    data_dir: Path | None = None
    """Folder of benchmark files for checker and step; without it, problems made for checker, the hub for step."""
    pairs: int = 1500
    """Most pairs of a workload of checker; at least 11."""
    model: str | None = None
    """Folder or hub id of a model for step: whole steps on GSM8K too, sampling included, beside the update alone."""
    against: Path | None = None
    """An earlier measurement of the same part (what --json printed), set beside this one."""
    json: bool = False
    """The last line is one JSON object: ours_s, peer_s, peer_over_ours, machine, versions, date."""

    def run(self) -> None:
        """Print the times, and JSON last where asked."""
        if self.model is not None and self.part != "step":
            raise ValueError(f"--model is given for {self.part}; expected it for step alone.")
        if self.against is not None and self.part not in PEERS:
            raise ValueError(f"--against is given for {self.part}, which has no peer; expected {', '.join(PEERS)}.")
        if self.part == "analysis":
            from experiments.speed.analysis import measure_analysis, timing_table

            print(timing_table(measure_analysis()))
            return
        if self.part == "coefficients":
            from experiments.speed.coefficients import print_times

            print_times()
            return
        if self.part == "sizes":
            self._sizes()
            return
        from experiments.speed.history import compared, measured_on, read_speed

        then = None if self.against is None else read_speed(self.against, self.part)  # refused before anything is timed
        peer = self.peer or PEERS[self.part]
        if self.part == "checker":
            ours, theirs, details = self._checker(peer)
        elif self.part == "step":
            ours, theirs, details = self._step(peer)
        else:
            from experiments.speed.sampling import measure_sampling

            ours, theirs, details = measure_sampling(peer)
        print(f"ours {ours:.3f} s, {peer} {theirs:.3f} s: {theirs / ours:.2f} times ours")
        now = {
            "part": self.part,
            "peer": peer,
            "ours_s": ours,
            "peer_s": theirs,
            "peer_over_ours": theirs / ours,
            **details,
            **measured_on(),
        }
        if then is not None:
            print("\n".join(compared(now, then)))
        if self.json:
            print(json.dumps(now))

    def _sizes(self) -> None:
        from experiments.speed.history import measured_on
        from experiments.speed.sizes import measure_sizes, size_table

        rows = measure_sizes()
        print(size_table(rows))
        if self.json:
            print(json.dumps({"part": self.part, "rows": [asdict(row) for row in rows], **measured_on()}))

    def _step(self, peer: str) -> tuple[float, float, dict[str, object]]:
        """The update alone; of a given model whole steps too, which the times are then of."""
        from experiments.speed.step import measure_step

        if self.model is None:
            return measure_step(peer)
        from experiments.speed.whole_step import in_a_process, measure_whole_steps

        ours, theirs, details = in_a_process(measure_step, peer, self.model)  # what it takes of a card ends with it
        print(f"update alone, float32: ours {ours:.3f} s, {peer} {theirs:.3f} s: {theirs / ours:.2f} times ours")
        import statistics

        from experiments.commands.options import current_device
        from experiments.recipes.catalogue import build_recipe
        from experiments.schedule.door import check_recipe

        recipe = build_recipe("gsm8k-grpo", current_device()).with_model(self.model)
        task = replace(recipe.task, data_dir=None if self.data_dir is None else str(self.data_dir))
        whole = measure_whole_steps(check_recipe(replace(recipe, task=task)))
        details |= {"update_ours_s": ours, "update_peer_s": theirs}
        details |= {"ours": asdict(whole[0]), "peer_steps": asdict(whole[1])}
        return statistics.median(whole[0].seconds), statistics.median(whole[1].seconds), details

    def _checker(self, peer: str) -> tuple[float, float, dict[str, object]]:
        from experiments.speed.checker import checker_table, checker_workloads, measure_checker

        workloads, real = checker_workloads(self.data_dir, self.pairs)
        if not real:
            print("no benchmark files (--data-dir): the problems are made for this measurement")
        speeds = measure_checker(workloads, peer)
        print(checker_table(speeds))
        details: dict[str, object] = {"benchmark_files": real, "workloads": [asdict(speed) for speed in speeds]}
        return sum(speed.ours_s for speed in speeds), sum(speed.peer_s for speed in speeds), details

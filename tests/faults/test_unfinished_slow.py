"""A seeded fault campaign against comparisons at work: what is gone on with ends as if nothing had been, or by name.

Kills, power cuts, a full disk, and damage of every file of what a kill left. After each fault the same command is given
again, as a user would. Silent: it ends well, and a row, a sample, a weight or a record differs. Hang: more than
`SECONDS`. Nameless: an error that names no file of the folder or no remedy, or a remedy that does not work.
`pytest -m slow -s` prints the counts.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from analysis.records.schema import TIME_COLUMNS
from tests.faults.small_comparison import ARMS, Fault, work, write_reward
from tests.faults.test_campaign_slow import brackets, cut, flip, folder_instead, noise, remove, zero_page
from training.checkpoints import CheckpointError, check_model

SECONDS = 300.0  # on a busy machine; a run takes 5
KILLS, CUTS, FULL = 20, 20, 16
SNAPSHOTS, DAMAGES = 6, 5  # of damages, so many of each kind
DAMAGE: dict[str, Callable[[Path, random.Random], None]] = {
    "cut": cut,
    "zeroed page": zero_page,
    "removed": remove,
    "a folder instead": folder_instead,
    "brackets": brackets,
    "noise": noise,
}
OURS = re.compile(r"(?:experiments|training|analysis|rewards|benchmarks)\.[\w.]+")
server = multiprocessing.get_context("forkserver")
server.set_forkserver_preload(["tests.faults.small_comparison"])


class Campaign:
    """One whole comparison to compare with, and what is done to others.

    Args:
        place: a folder for everything.
    """

    def __init__(self, place: Path) -> None:
        self.place, self.whole = place, place / "whole"
        self.counts: Counter[tuple[str, str]] = Counter()
        self.bad: list[str] = []
        write_reward(place)
        started = time.monotonic()
        assert self.run(self.whole).startswith("DONE")
        self.seconds = time.monotonic() - started
        self.events = int(self.run(place / "again").split()[1])
        shutil.rmtree(place / "again")
        self.results = results(self.whole)
        assert all(row["grad_norm"] > 0 for row in self.results["grpo-seed0"][0]), "else a wrong resume cannot show"

    def run(self, folder: Path, fault: Fault | None = None, *, kill_after: float | None = None) -> str:
        """The last line of a child that runs the comparison: DONE, ENDED with the error, "killed", or "hang"."""
        told = folder.with_suffix(".told")
        child = server.Process(target=work, args=(self.place, folder, fault or Fault(), told))
        child.start()
        child.join(SECONDS if kill_after is None else kill_after)
        hangs = child.is_alive() and kill_after is None
        child.kill()
        child.join()
        text = told.read_text(encoding="utf-8", errors="replace") if told.exists() else ""
        ends = [line for line in text.split("\n\n") if line.startswith(("DONE", "ENDED"))]
        return "hang" if hangs else ends[-1] if ends else "killed"

    def judge(self, kind: str, what: str, folder: Path) -> None:
        """Give the same command again, and count how that ended."""
        said = self.run(folder)
        ended = "hang" if said == "hang" else self._ended(folder, said)
        self.counts[kind, ended] += 1
        if ended not in ("same", "refused, remedy works"):
            self.bad.append(f"{kind}, {what}: {ended}: {said[:600]}")
            print(self.bad[-1], flush=True)

    def _ended(self, folder: Path, said: str) -> str:
        if said.startswith("DONE"):
            return "same" if self.same(folder) else "silent"
        remedy = re.search(r"[Rr]emove (?:it|what stands in its place|the folder |that file|that folder|this)", said)
        named = re.findall(rf"{re.escape(str(folder))}[\w./=+-]*", said)
        if not OURS.search(said) or not remedy or not named:
            return "nameless"
        path = Path(re.sub(r"[.:;,]+$", "", named[-1] if "remove the folder" in said else named[0]))
        if path == folder or not path.exists():
            return f"nameless (remedy {path})" if not path.exists() else self._anew(folder)
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        return "refused, remedy works" if self.run(folder).startswith("DONE") and self.same(folder) else "no remedy"

    def _anew(self, folder: Path) -> str:
        shutil.rmtree(folder)
        return "refused, remedy works" if self.run(folder).startswith("DONE") and self.same(folder) else "no remedy"

    def same(self, folder: Path) -> bool:
        """Whether everything that a reader or another run takes from the folder is what it is in the whole one."""
        try:
            found = results(folder)
        except (OSError, ValueError, KeyError) as error:
            print(f"cannot be read: {error!r:.300}")
            return False
        return found.keys() == self.results.keys() and all(alike(found[key], self.results[key]) for key in found)


def results(folder: Path) -> dict[str, Any]:
    """Rows, samples, weights and environment of each run, weights of the start policy, and what is compared."""
    found: dict[str, Any] = {}
    runs = [*(folder / "runs" / f"{arm}-seed0" for arm in ARMS), *folder.glob("start-seed*")]
    for run in [path for path in runs if path.is_dir()]:
        lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [{key: item for key, item in json.loads(line).items() if key not in TIME_COLUMNS} for line in lines]
        samples = pd.DataFrame()
        if (run / "samples.parquet").exists():
            samples = pd.read_parquet(run / "samples.parquet")
            samples = samples.sort_values(["step", "problem_id", "sample_index"], ignore_index=True)
        decoded = [pd.read_parquet(path) for path in sorted((run / "decoding").glob("*.parquet"))]
        last = sorted((run / "checkpoints").iterdir())[-1]
        facts = [json.loads((run / name).read_text(encoding="utf-8")) for name in ("config.json", "environment.json")]
        found[run.name] = (rows, samples, *decoded, weights_of(last), facts, last.name)
    found["comparison"] = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    return found


def weights_of(checkpoint: Path) -> Any:
    """The weights; ``None`` for those that whoever starts from them refuses by name: no result here depends on them."""
    try:
        check_model(checkpoint)
    except CheckpointError:
        return None
    return load_file(checkpoint / "model.safetensors")


def alike(ours: Any, theirs: Any) -> bool:
    """Equality of what `results` gives."""
    if ours is None:
        return True
    if isinstance(ours, tuple):
        return all(alike(first, second) for first, second in zip(ours, theirs, strict=True))
    if isinstance(ours, pd.DataFrame):
        return ours.equals(theirs)
    if isinstance(ours, dict) and any(isinstance(item, torch.Tensor) for item in ours.values()):
        return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
    return ours == theirs


pytestmark = [pytest.mark.slow, pytest.mark.timeout(10_800)]
SEED = 0


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """The whole comparison."""
    return Campaign(tmp_path_factory.mktemp("campaign"))


def ended_well(campaign: Campaign) -> bool:
    """Counts, printed; whether nothing was silent, hanging or nameless."""
    for (kind, ended), count in sorted(campaign.counts.items()):
        print(f"{kind:18} {ended:24} {count}", flush=True)
    print(f"{sum(campaign.counts.values())} faults: {len(campaign.bad)} silent, hanging or nameless", flush=True)
    good = not campaign.bad
    campaign.counts.clear()
    campaign.bad.clear()
    return good


def test_kills(campaign: Campaign) -> None:
    """Half of them at an event of the disk, half at any moment."""
    draw = random.Random(SEED)
    for number in range(KILLS):
        folder = campaign.place / f"kill-{number}"
        if number % 2:
            campaign.run(folder, kill_after=draw.uniform(0.05, campaign.seconds))
        else:
            campaign.run(folder, Fault(kind="kill", at=draw.randrange(1, campaign.events)))
        campaign.judge("kill", str(number), folder)
        shutil.rmtree(folder)
    assert ended_well(campaign)


def test_power_cuts(campaign: Campaign) -> None:
    draw = random.Random(SEED + 1)
    for number in range(CUTS):
        folder = campaign.place / f"power-{number}"
        fault = Fault(kind="power", at=draw.randrange(1, campaign.events), seed=number)
        campaign.run(folder, fault)
        campaign.judge("power cut", str(fault), folder)
        shutil.rmtree(folder)
    assert ended_well(campaign)


def test_full_disks(campaign: Campaign) -> None:
    """The disk refuses to sync, or takes no file beyond a length: told with file and remedy, and gone on with."""
    draw = random.Random(SEED + 2)
    largest = max(path.stat().st_size for path in files_of(campaign.whole))
    for number in range(FULL):
        folder = campaign.place / f"full-{number}"
        fault = Fault(kind="sync", at=draw.randrange(1, campaign.events))
        if number % 2:
            fault = Fault(kind="file", at=int(largest ** draw.random()))
        said = campaign.run(folder, fault)
        told = said.startswith("DONE") or (str(folder) in said and "ree some disk space" in said)
        campaign.counts["full disk, first", "told" if told else "nameless"] += 1
        if not told:
            campaign.bad.append(f"{fault}: {said[:600]}")
            print(campaign.bad[-1], flush=True)
        campaign.judge("full disk", str(fault), folder)
        shutil.rmtree(folder)
    assert ended_well(campaign)


def test_damage_of_every_file(campaign: Campaign) -> None:
    """A bit in each file that a kill leaves at some moment, and what else can happen to one."""
    draw = random.Random(SEED + 3)
    left = [campaign.place / f"left-{number}" for number in range(SNAPSHOTS)]
    for number, folder in enumerate(left, start=1):
        campaign.run(folder, Fault(kind="kill", at=campaign.events * number // (SNAPSHOTS + 1)))
    files = sorted({path.relative_to(folder) for folder in left for path in files_of(folder)})
    damages = [("bit flip", name, flip) for name in files]
    damages += [(kind, draw.choice(files), fault) for kind, fault in DAMAGE.items() for _ in range(DAMAGES)]
    for kind, name, damage in damages:
        whole = draw.choice([folder for folder in left if (folder / name) in files_of(folder)])
        folder = shutil.copytree(whole, campaign.place / "damaged")
        damage(folder / name, draw)
        campaign.judge(kind, f"{name} of {whole.name}", folder)
        shutil.rmtree(folder)
    print(f"{len(files)} files")
    assert ended_well(campaign)


def files_of(folder: Path) -> list[Path]:
    """Every file of a comparison that is not empty, without what is only for people to read."""
    return [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size and path.suffix != ".log"]

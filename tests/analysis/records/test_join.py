"""Comparisons of two folders as one: names, starts, contrasts, and what is refused."""

import json
from pathlib import Path

import pandas as pd
import pytest

from analysis import RecordError, load_joined, report_folder, score_comparison, write_report
from tests.analysis.conftest import metric_rows, sample_rows, save_comparison, save_run

CONTRAST = {"name": "GRPO − start", "plus": ["grpo"], "minus": ["sft_start"]}


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """The comparison of `save_comparison` twice; B has an arm of its own, and both declare the same contrast."""
    made = tmp_path / "A", tmp_path / "B"
    for folder in made:
        save_comparison(folder)
        described = {"title": f"title {folder.name}", "contrasts": [CONTRAST]}
        (folder / "comparison.json").write_text(json.dumps(described))
    for seed in (0, 1):
        rows = sample_rows("rft", seed, {4: ["CCCC", "Caaa"]})
        save_run(made[1] / "runs" / f"rft-seed{seed}", rows, metric_rows(4))
    return made


def edit(folder: Path, **columns) -> None:
    for path in folder.glob("runs/*/samples.parquet"):
        samples = pd.read_parquet(path)
        samples.assign(**{name: change(samples[name]) for name, change in columns.items()}).to_parquet(path)


def test_one_start_is_kept_once_and_arms_of_one_name_are_two(folders):
    joined = load_joined(folders)
    assert joined.arms == ("sft_start", "grpo (A)", "rft", "grpo (B)")
    assert joined.alike == (joined.arms,)
    assert [len(joined.runs_of(arm)) for arm in joined.arms] == [2, 2, 2, 2]
    assert joined.description["title"] == "title A and title B"
    assert joined.description["contrasts"] == [
        {"name": f"GRPO − start ({name})", "plus": [f"grpo ({name})"], "minus": ["sft_start"]} for name in "AB"
    ]
    scores = {arm.arm: arm.pass_SPK[:, :, 0].mean() for arm in score_comparison(joined)}
    assert scores == pytest.approx({"sft_start": 0.3125, "grpo (A)": 0.625, "grpo (B)": 0.625, "rft": 0.625})


def test_arms_of_other_starts_are_compared_within_their_folder(folders):
    path = folders[1] / "runs" / "sft_start-seed0" / "samples.parquet"
    samples = pd.read_parquet(path)
    samples.loc[0, "verdict"] = "INCORRECT"  # another policy
    samples.to_parquet(path)
    joined = load_joined(folders)
    assert joined.arms == ("sft_start (A)", "grpo (A)", "sft_start (B)", "rft", "grpo (B)")
    assert joined.alike == (("sft_start (A)", "grpo (A)"), ("sft_start (B)", "rft", "grpo (B)"))
    assert joined.baseline_of("rft", "sft_start") == "sft_start (B)"


def test_a_folder_that_does_not_say_its_temperature_is_noted(folders):
    def silent() -> list[str]:
        return [note for note in load_joined(folders).notes if "temperature" in note]

    assert [note.partition(":")[0] for note in silent()] == [
        "A, B do not say at which temperature the samples were drawn"
    ]
    for folder, expected in zip(
        folders, (["B does not say at which temperature the samples were drawn"], []), strict=True
    ):
        for path in folder.glob("runs/*/config.json"):
            path.write_text(json.dumps(json.loads(path.read_text()) | {"evaluation": {"temperature": 1.0}}))
            (path.parent / "finished.json").write_text("{}")
        assert [note.partition(":")[0] for note in silent()] == expected


def test_folders_that_are_not_alike_are_refused_by_what_differs(folders, tmp_path):
    edit(folders[1], problem_id=lambda ids: "other " + ids)
    with pytest.raises(RecordError, match="different problems"):
        load_joined(folders)
    edit(folders[1], problem_id=lambda ids: ids.str.removeprefix("other "))
    for folder, temperature in zip(folders, (1.0, 0.7), strict=True):
        for path in folder.glob("runs/*/config.json"):
            config = json.loads(path.read_text()) | {"evaluation": {"temperature": temperature}}
            path.write_text(json.dumps(config))
            (path.parent / "finished.json").write_text("{}")
    with pytest.raises(RecordError, match=r"different temperatures \(A: 1; B: 0.7\)"):
        load_joined(folders)
    for path in folders[1].glob("runs/*/config.json"):
        path.write_text(path.read_text().replace("0.7", "1.0"))
    for folder, version in zip(folders, ("1", "2"), strict=True):
        for path in folder.glob("runs/*/environment.json"):
            path.write_text(json.dumps({"checker_version": version}))
    with pytest.raises(RecordError, match="different versions of the answer checker"):
        load_joined(folders)
    with pytest.raises(RecordError, match="expected different names"):
        load_joined([folders[0], tmp_path / "elsewhere" / ".." / "A"])


def test_the_report_of_two_folders_lies_beside_them(folders):
    page = write_report(folders)
    assert page == report_folder(folders) / "index.html" == folders[0].parent / "report-A-B" / "index.html"
    text = page.read_text()
    assert "Joined from 2 folders, A, B" in text and "grpo (A)" in text and "grpo (B)" in text
    assert not (folders[0] / "report").exists()

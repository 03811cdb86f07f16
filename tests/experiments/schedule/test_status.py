"""`coeflab status`: every state that a run can be in, on a folder that nobody tidied."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.records.lock import lock_folder
from experiments.schedule.status import read_status, status_lines

ESC = "\x1b[31mred"


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    out = tmp_path / "out"
    runs = ["a-seed0", "b-seed0", "c-seed0", "d-seed0", "e-seed0", f"f{ESC}"]
    write(out / "comparison.json", {"runs": runs, "failures": {"c-seed0": "KeyError: 'boom'\nsecond line"}})
    write(out / "start-seed0" / "finished.json", {"validation_pass_at_1": 0.25})
    write(out / "runs" / "a-seed0" / "finished.json", {"steps": 30, "pass_at_1": 0.7344})
    write(out / "runs" / "b-seed0" / "config.json", {"training": {"steps": 30}})
    write(out / "runs" / "b-seed0" / "metrics.jsonl", '{"step": 11}\n{"step": 12}\n{"st')
    write(out / "runs" / "c-seed0" / "config.json", {})
    write(out / "runs" / "d-seed0" / "finished.json", "[" * 200_000)
    write(out / "runs" / "e-seed0" / "config.json", "\0\0\0")
    return out


def states(out: Path) -> list[tuple[str, str]]:
    return [(run.state, run.name) for run in read_status(out)]


def test_every_state(folder: Path) -> None:
    assert states(folder) == [
        ("finished", "start-seed0"),
        ("finished", "a-seed0"),
        ("stopped", "b-seed0"),
        ("failed", "c-seed0"),
        ("damaged", "d-seed0"),
        ("damaged", "e-seed0"),
        ("stopped", f"f{ESC}"),
    ]
    with lock_folder(folder):
        assert states(folder)[2] == ("running", "b-seed0")
        assert states(folder)[-1] == ("waiting", f"f{ESC}")
    lines = status_lines(folder)
    assert lines[1].split() == ["finished", "a-seed0", "30", "steps,", "Pass@1", "0.734"]
    assert lines[2].split()[:6] == ["stopped", "b-seed0", "step", "12", "of", "30,"]
    assert lines[3].split(maxsplit=2) == ["failed", "c-seed0", "KeyError: 'boom'"]
    assert lines[-1] == "7 runs: 2 finished, 2 stopped, 2 damaged, 1 failed"
    assert "\x1b" not in "".join(lines)


def test_a_choice_and_a_single_run(folder: Path) -> None:
    write(folder / "choice" / "runs" / "a_rate=1-seed100" / "finished.json", {"steps": 3, "pass_at_1": 0.5})
    assert states(folder)[0] == ("finished", "choice/a_rate=1-seed100")
    assert states(folder / "runs" / "b-seed0") == [("stopped", "b-seed0")]


def test_samples_made_elsewhere_are_finished_and_those_of_our_runs_are_not(tmp_path: Path) -> None:
    config = {"arm": "a", "seed": 0, "algorithm": "samples made elsewhere"}
    configs = {"a": config, "b": {**config, "evaluation": {}}, "c": {"arm": "c", "seed": 0}}
    for name, each in configs.items():
        write(tmp_path / "runs" / name / "config.json", each)
    assert {state for state, _ in states(tmp_path)} == {"stopped"}
    for name in configs:
        write(tmp_path / "runs" / name / "samples.parquet", "")
    assert states(tmp_path) == [("finished", "a"), ("stopped", "b"), ("stopped", "c")]


@pytest.mark.parametrize("content", [[], "x", {"runs": 3, "failures": [1]}, {"runs": [1, None, "a"]}, "[" * 99999])
def test_a_damaged_description_hides_no_run(tmp_path: Path, content: object) -> None:
    write(tmp_path / "comparison.json", content)
    write(tmp_path / "runs" / "a" / "finished.json", {"steps": "many", "pass_at_1": None})
    assert ("finished", "a") in states(tmp_path)


def test_what_is_no_folder_of_ours_is_said(tmp_path: Path) -> None:
    for path, message in ((tmp_path / "none", "is no folder"), (tmp_path, "holds no results of coeflab")):
        with pytest.raises(ValueError, match=message):
            read_status(path)

"""Tables out: tidy frames of run folders, CSV and Parquet that agree, all or nothing."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from analysis import Resampling, load_comparison, load_runs, score_comparison, write_frames, write_tables

FEW = Resampling(num_resamples=50)


def test_frames_of_runs_hold_every_row_with_its_run(comparison_dir):
    frames = load_runs(comparison_dir)
    assert frames.runs[["comparison", "arm", "seed", "final_step"]].to_numpy().tolist() == [
        ["cmp", "sft_start", 0, 0],
        ["cmp", "sft_start", 1, 0],
        ["cmp", "grpo", 0, 4],
        ["cmp", "grpo", 1, 4],
    ]
    last = frames.evaluations.query("arm == 'grpo' and seed == 0 and step == 4").iloc[0]  # CCCa, CCab
    assert (last["pass_at_1"], last["samples"], last["problems"]) == (5 / 8, 8, 2)
    assert (last["completions_sampled"], last["INCORRECT"], last["num_tokens"]) == (32, 3 / 8, 11.5)
    assert len(frames.metrics) == 8  # four steps of two runs
    assert len(frames.samples) == 4 * 8 + 2 * 2 * 4  # last steps, and two evaluations of grpo before
    assert "completion" not in frames.samples
    right = frames.samples["verdict"] == "CORRECT"
    assert frames.samples[right].groupby(["arm", "seed"], observed=True).size().loc[("sft_start", 0)] == 3


def test_frames_with_texts_and_of_several_folders(comparison_dir, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (comparison_dir / "runs" / "grpo-seed1").rename(other / "grpo-seed1")
    frames = load_runs([comparison_dir, other / "grpo-seed1"], texts=True)
    assert frames.samples.groupby("comparison").size().to_dict() == {"cmp": 8 + 8 + 16, "grpo-seed1": 16}
    assert frames.samples["completion"].str.contains("<script>").all()
    with pytest.raises(ValueError, match="expected different names"):
        load_runs([comparison_dir, comparison_dir])


def test_csv_and_parquet_hold_the_same_numbers(comparison_dir, tmp_path):
    comparison = load_comparison(comparison_dir)
    extra = pd.DataFrame({"arm": ["grpo"], "note": ['a "quoted", <b>text</b>\nof two lines']})
    paths = write_tables(comparison, tmp_path / "data", baseline="sft_start", resampling=FEW, more={"extra": extra})
    assert sorted(path.name for path in paths) == sorted(path.name for path in (tmp_path / "data").iterdir())
    for path in paths:
        if path.suffix == ".csv":
            parquet = pd.read_parquet(path.with_suffix(".parquet")).replace(
                "", np.nan
            )  # an empty text in CSV is no text
            both = pd.read_csv(path, dtype={"group": str}), parquet  # a level such as "2" is a name
            pd.testing.assert_frame_equal(*both, check_dtype=False, check_exact=False, rtol=1e-12)
    curves = pd.read_parquet(tmp_path / "data" / "curves.parquet")
    point = curves.query("quantity == 'pass' and arm == 'grpo' and x == 1")["point"].item()
    assert point == pytest.approx(0.625)  # by hand in conftest
    problems = pd.read_parquet(tmp_path / "data" / "problems.parquet")
    seen = problems.query("arm == 'sft_start' and seed == 0 and k == 2")[["pass_at_k", "maj_at_k"]].to_numpy()
    np.testing.assert_allclose(seen, [[1 / 2, 2 / 6], [5 / 6, 4 / 6]])  # by hand in test_analysis_curves
    assert score_comparison(comparison)[1].arm == "grpo"


def test_a_table_that_cannot_be_written_leaves_the_folder_as_it_was(tmp_path):
    folder = tmp_path / "data"
    write_frames({"a": pd.DataFrame({"x": [1]})}, folder)
    mixed = pd.DataFrame({"x": [1, "two", object()]})  # parquet has no type for it
    with pytest.raises(pa.ArrowInvalid, match="column x"):
        write_frames({"a": pd.DataFrame({"x": [2]}), "b": mixed}, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["a.csv", "a.parquet"]
    assert pd.read_parquet(folder / "a.parquet")["x"].tolist() == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["data"]  # no draft is left behind


def test_a_name_that_leaves_the_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"'\.\./a' is no file name"):
        write_frames({"../a": pd.DataFrame({"x": [1]})}, tmp_path / "data")

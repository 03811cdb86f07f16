"""Hostile and damaged run folders: one bad run never stops the report, and each refusal names file and field."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis import RecordError, load_comparison, load_run, write_report
from analysis.records.reading import UnfinishedRunError, check_files, printable
from analysis.report.export import csv_text
from experiments.cli import main

GOOD = {0: ["CCWW", "CWCW"]}


def configure(folder: Path, **values: Any) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, **values}), encoding="utf-8")


def raw(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)


def table(folder: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    pq.write_table(change(pq.read_table(folder / "samples.parquet")), folder / "samples.parquet")


def replaced(name: str, values: Any) -> Callable[[pa.Table], pa.Table]:
    def change(samples: pa.Table) -> pa.Table:
        column = values(samples) if callable(values) else pa.array(values)
        return samples.set_column(samples.column_names.index(name), name, column)

    return change


def a_folder_instead(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()


def not_utf8(samples: pa.Table) -> pa.Array:
    offsets = pa.py_buffer(pa.array(range(len(samples) + 1), pa.int32()).buffers()[1])
    return pa.StringArray.from_buffers(len(samples), offsets, pa.py_buffer(b"\xff" * len(samples)))


HEAD = b'{"arm": "bad", "algorithm": "x", "seed": '


def column(name: str, values: list[Any]) -> Callable[[Path], None]:
    """The column filled with `values`, over and over."""
    return lambda folder: table(folder, replaced(name, lambda t: pa.array((values * len(t))[: len(t)])))


DEEP = b"[" * 200_000 + b"]" * 200_000
FAULTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "seed NaN": (lambda f: raw(f, "config.json", HEAD + b"NaN}"), "config.json: seed is nan"),
    "seed Infinity": (lambda f: raw(f, "config.json", HEAD + b"Infinity}"), "config.json: seed is inf"),
    "seed null": (lambda f: configure(f, seed=None), "config.json: seed is None; expected a whole number"),
    "seed list": (lambda f: configure(f, seed=[1]), r"config.json: seed is \[1\]"),
    "seed beyond 64 bits": (lambda f: configure(f, seed=1 << 70), "config.json: seed is 118"),
    "seed of 10,000 digits": (lambda f: raw(f, "config.json", HEAD + b"1" * 10_000 + b"}"), "config.json: "),
    "arm a list": (lambda f: configure(f, arm=["bad"]), r"config.json: arm is \['bad'\]"),
    "arm with an escape": (lambda f: configure(f, arm="\x1b[31mbad"), r"config.json: arm is '\\x1b\[31mbad'"),
    "arm of a million letters": (lambda f: configure(f, arm="b" * 1_000_000), "config.json: arm is 'bbb"),
    "arm empty": (lambda f: configure(f, arm=""), "config.json: arm is ''"),
    "brackets in config": (lambda f: raw(f, "config.json", DEEP), "config.json: nested too deeply"),
    "brackets in environment": (lambda f: raw(f, "environment.json", DEEP), "environment.json: nested too deeply"),
    "brackets in metrics": (lambda f: raw(f, "metrics.jsonl", DEEP), "metrics.jsonl: line 1: nested too deeply"),
    "config no UTF-8": (
        lambda f: raw(f, "config.json", b'{"arm": "\xff\xfe"}'),
        r"config.json: byte 9 \(0xff\) is no UTF-8",
    ),
    "metrics no UTF-8": (lambda f: raw(f, "metrics.jsonl", b'{"step": 1, "x": "\xff"}\n'), "metrics.jsonl: byte 18"),
    "metrics a list": (lambda f: raw(f, "metrics.jsonl", b"[1]\n"), "metrics.jsonl: line 1: holds a list"),
    "metrics step NaN": (lambda f: raw(f, "metrics.jsonl", b'{"step": NaN}\n'), "metrics.jsonl: line 1: step is nan"),
    "metrics step a text": (lambda f: raw(f, "metrics.jsonl", b'{"step": "1"}\n'), "line 1: step is '1'"),
    "metrics flops a list": (
        lambda f: raw(f, "metrics.jsonl", b'{"step": 1, "flops": [1]}\n'),
        r"line 1: flops is \[1\]",
    ),
    "config a folder": (lambda f: a_folder_instead(f, "config.json"), "config.json: is a folder"),
    "samples a folder": (lambda f: a_folder_instead(f, "samples.parquet"), "samples.parquet: is a folder"),
    "samples cut": (
        lambda f: raw(f, "samples.parquet", (f / "samples.parquet").read_bytes()[:100]),
        "samples.parquet: cannot be read",
    ),
    "samples empty": (lambda f: raw(f, "samples.parquet", b""), "samples.parquet: cannot be read"),
    "samples zeros": (lambda f: raw(f, "samples.parquet", bytes(5000)), "samples.parquet: cannot be read"),
    "null verdicts": (column("verdict", ["CORRECT", None]), "samples.parquet: verdict of row 1 is null"),
    "null steps": (column("step", [0, None]), "samples.parquet: step of row 1 is null"),
    "verdict numbers": (column("verdict", [1]), "the column verdict holds int64"),
    "step texts": (column("step", ["0"]), "the column step holds string"),
    "a column twice": (
        lambda f: table(f, lambda t: t.append_column("verdict", t.column("verdict"))),
        "has the column verdict 2 times",
    ),
    "benchmark with an escape": (column("benchmark", ["\x1b[2J"]), r"samples.parquet: benchmark is '\\x1b\[2J'"),
    "verdict no UTF-8": (lambda f: table(f, replaced("verdict", not_utf8)), "samples.parquet: "),
    "finished.json no JSON": (lambda f: raw(f, "finished.json", b"{"), "finished.json: not JSON"),
    "finished.json files a list": (
        lambda f: raw(f, "finished.json", b'{"sha256": []}'),
        r"finished.json: sha256 is \[\]",
    ),
}


@pytest.mark.parametrize(("fault", "message"), FAULTS.values(), ids=FAULTS)
def test_one_bad_run_is_left_out_by_name_and_the_report_is_written(comparison_dir, make_run, fault, message) -> None:
    bad = make_run("bad", 0, GOOD)
    fault(bad)
    started = time.monotonic()
    with pytest.raises(RecordError, match=message):
        load_run(bad)
    comparison = load_comparison(comparison_dir)
    assert time.monotonic() - started < 10
    [left_out] = [run for run in comparison.unfinished if run.name == "bad-seed0"]
    assert left_out.reason.isprintable() and len(left_out.reason) < 1100
    assert comparison.arms == ("sft_start", "grpo")


def test_texts_of_folders_and_descriptions_cannot_reach_the_terminal(
    one_run_dir, make_run, monkeypatch, capsys
) -> None:
    bad = make_run("bad", 0, GOOD)
    bad.rename(bad.parent / "bad\x1b[31m-seed0")
    (bad.parent / "bad\x1b[31m-seed0" / "config.json").write_text('{"arm": "x\x1b[5m')
    (one_run_dir / "comparison.json").write_text(json.dumps({"title": "\x1b]0;owned\x07 title"}), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["coeflab", "report", str(one_run_dir)])
    main()
    printed = "".join(capsys.readouterr())
    page = (one_run_dir / "report" / "index.html").read_text(encoding="utf-8")
    assert "\x1b" not in printed + page and "\x07" not in printed + page
    assert "left out: bad\\x1b[31m-seed0" in printed


def test_a_damaged_run_that_had_finished_shows_in_the_exit_code(one_run_dir, make_run, monkeypatch, capsys) -> None:
    cut = make_run("bad", 0, GOOD)
    raw(cut, "samples.parquet", b"PAR1")
    monkeypatch.setattr(sys, "argv", ["coeflab", "report", str(one_run_dir)])
    main()  # it may still be running
    raw(cut, "finished.json", b"{}")
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    assert ended.value.code == 1 and "left out as damaged: bad-seed0" in err and "report: " in out


def finish(folder: Path) -> dict[str, str]:
    names = [path.name for path in folder.iterdir() if path.is_file()]
    files = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    (folder / "finished.json").write_text(json.dumps({"sha256": files}), encoding="utf-8")
    return files


@pytest.mark.parametrize("name", ["config.json", "metrics.jsonl", "samples.parquet"])
def test_a_bit_that_flips_after_the_end_is_found(make_run, name: str) -> None:
    folder = (
        make_run("grpo", 7, GOOD, steps=0)
        if name != "metrics.jsonl"
        else make_run("grpo", 7, {1: ["CW", "WC"]}, steps=1)
    )
    finish(folder)
    load_run(folder)
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 4
    (folder / name).write_bytes(content)
    with pytest.raises(RecordError, match=name):
        load_run(folder)
    with pytest.raises(UnfinishedRunError, match=rf"{name} is not what it was when the run finished: its SHA-256 is"):
        check_files(folder)
    (folder / name).unlink()
    with pytest.raises(UnfinishedRunError, match=rf"{name} is not what it was .* that of no file"):
        check_files(folder)


def test_the_report_goes_elsewhere_by_out(one_run_dir, monkeypatch, capsys, tmp_path) -> None:
    (one_run_dir / "report").write_text("in the way")
    monkeypatch.setattr(sys, "argv", ["coeflab", "report", str(one_run_dir)])
    with pytest.raises(SystemExit):
        main()
    assert "--out FOLDER` writes it elsewhere" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["coeflab", "report", str(one_run_dir), "--out", str(tmp_path / "elsewhere")])
    main()
    assert f"report: {tmp_path / 'elsewhere' / 'index.html'}" in capsys.readouterr().out
    assert (tmp_path / "elsewhere" / "index.html").is_file()
    assert (one_run_dir / "report").read_text() == "in the way"


def test_the_longest_name_that_is_taken_is_reported_in_seconds(comparison_dir, make_run) -> None:
    make_run("n" * 200, 0, GOOD)
    started = time.process_time()  # not by the clock: others may be using the machine
    write_report(comparison_dir)
    assert time.process_time() - started < 60


def test_no_cell_is_a_formula() -> None:
    frame = pd.DataFrame(
        {"=name": ["=1+1", "@sum", "+cmd", "-cmd|x", "-5", "+.5", "-1e-3", "plain", "x=1", None], "n": range(-5, 5)}
    )
    frame["kind"] = pd.Categorical(["=x"] * 10)
    lines = csv_text(frame).splitlines()
    assert lines[0] == "'=name,n,kind"
    cells = [line.split(",")[0] for line in lines[1:]]
    assert cells == ["'=1+1", "'@sum", "'+cmd", "'-cmd|x", "-5", "+.5", "-1e-3", "plain", "x=1", ""]
    assert [line.split(",")[1] for line in lines[1:]] == [str(n) for n in range(-5, 5)]
    assert {line.split(",")[2] for line in lines[1:]} == {"'=x"}


def test_printable_keeps_letters_and_lines() -> None:
    assert printable("über π\n∇") == "über π\n∇"
    assert printable("\x1b[0m\x9b\u202e\ud800") == "\\x1b[0m\\x9b\\u202e\\ud800"
    assert printable("a" * 50, 10) == "aaaaaaaaaa … (50 characters)"

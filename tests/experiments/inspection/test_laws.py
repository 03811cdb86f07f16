"""`coeflab laws` and docs/laws.md."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from algorithms import METHODS, build_algorithm
from algorithms.laws import Law, claims_of
from experiments.cli import main
from experiments.inspection.laws import PAGE_EXAMPLES, judged_methods, laws_page

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "laws.md").read_text(encoding="utf-8")
FUNCTIONS = """\
def right(rewards, groups):
    return rewards * 0


right.claims = ("equal_rewards_give_zero", "monotone")


def wrong(rewards, groups):
    return -rewards


wrong.claims = ("monotone",)


def silent(rewards, groups):
    return -rewards
"""


def coeflab(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["coeflab", "laws", "--examples", "20", *arguments])
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@pytest.fixture
def functions(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(FUNCTIONS, encoding="utf-8")
    return str(tmp_path / "mine.py")


def test_a_broken_claim_is_shown_and_ends_with_1(monkeypatch, capsys, functions: str) -> None:
    assert coeflab(monkeypatch, f"{functions}:right") == 0
    assert "✓  │ equal_rewards_give_zero" in re.sub(" +│", " │", capsys.readouterr().out).replace("✓ │", "✓  │")
    assert coeflab(monkeypatch, f"{functions}:right", f"{functions}:wrong") == 1
    out = capsys.readouterr().out
    assert "wrong monotone: rewards [0, 0], groups [0, 0]: with 1 more for sequence 0 its credit goes from [0" in out
    assert "right monotone" not in out


def test_without_claims_everything_is_judged_and_nothing_fails(monkeypatch, capsys, functions: str) -> None:
    assert coeflab(monkeypatch, f"{functions}:silent") == 0
    assert "✗" in capsys.readouterr().out
    assert coeflab(monkeypatch, f"{functions}:silent", "--claim", "monotone", "--json") == 1
    found = {item["law"]: item for item in json.loads(capsys.readouterr().out)}
    assert (found["monotone"]["claimed"], found["monotone"]["holds"]) == (True, False)
    assert (found["scales_with_rewards"]["claimed"], found["scales_with_rewards"]["holds"]) == (False, True)
    assert found["microbatch_split"]["applies"] is False


def test_a_preset_with_fields_and_the_counterexamples_of_what_it_does_not_claim(monkeypatch, capsys) -> None:
    assert coeflab(monkeypatch, "grpo", "--set", 'scale="none"', "--counterexamples") == 0
    out = capsys.readouterr().out
    assert "· grpo scale_invariant: rewards [0, 1], groups [0, 0]" in out.replace("[1, 0]", "[0, 1]")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("grop",), "did you mean 'grpo'"),
        (("grpo", "--claim", "mean"), "there is no law 'mean'"),
        (("grpo", "--examples", "0"), "--examples is 0; expected at least 1"),
    ],
)
def test_errors_are_one_paragraph(monkeypatch, capsys, arguments: tuple[str, ...], message: str) -> None:
    assert coeflab(monkeypatch, *arguments) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and message in err and err.count("\n") == 1


def test_a_function_has_no_fields(monkeypatch, capsys, functions: str) -> None:
    assert coeflab(monkeypatch, f"{functions}:right", "--set", "std_eps=0") == 1
    assert "is a function, which has no fields" in capsys.readouterr().err


def page_marks() -> dict[str, list[str]]:
    rows = re.findall(r"^\| `([^`]+)` \| (.*) \|$", PAGE, re.MULTILINE)
    return {name: cells.split(" | ") for name, cells in rows if name not in list(Law)}


def test_the_page_shows_what_every_method_claims() -> None:
    marks = page_marks()
    assert list(marks) == list(METHODS)
    for name, row in marks.items():
        claims = claims_of(build_algorithm(name))
        assert claims is not None
        shown = dict(zip(Law, row, strict=True))
        assert {law for law, mark in shown.items() if mark == "✓"} == claims, name
        assert "✗" not in row, name


def test_the_page_says_what_the_code_says_around_the_table() -> None:
    empty = laws_page({})
    without_table = re.sub(r"^\| `[^`]+` \| [^`]*? \|\n", "", PAGE, flags=re.MULTILINE)
    without_list = re.sub(r"found:\n\n(- .*\n)+", "found:\n\n- none\n", without_table)
    assert without_list == empty


@pytest.mark.slow
def test_the_page_is_current() -> None:
    assert laws_page(judged_methods(METHODS, examples=PAGE_EXAMPLES)) == PAGE

"""Wrong input at the command line: exit code 1, one paragraph, the nearest name or the remedy, and nothing written."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import cli

ROOT = Path(__file__).parents[2]

DATA = '{"id": "a", "question": "1+1?", "answer": "2", "solution": null, "level": null, "subject": null}\n'


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["coeflab", *arguments])
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "--recipe", "aritmetic"], "did you mean 'arithmetic'"),
        (["train", "--algorithm", "grop"], "did you mean 'grpo'?"),
        (["compare", "--algorithm", "nosuch"], "unknown algorithm 'nosuch'. Known: cispo,"),
        (["compare", "--algorithm", "control_fomat"], "did you mean 'control_format'?"),
        (["compare", "--algorithm", "grpo_proces"], "did you mean 'grpo_process'?"),
        (["train", "--set", "source=1"], "'source' is a group of fields; expected one of them: source.problems,"),
        (["train", "--set", "engine.vllm=1"], "'engine.vllm' is a group of fields; expected one of them: engine.vllm."),
        (["train", "--set", "evalation=1"], "did you mean 'evaluation.…'?"),
        (["train", "--set", "engine.vlm=1"], "did you mean 'engine.vllm.…'?"),
        (["train", "--set", "seeds=1"], "no field 'seeds'; --seeds says them"),
        (["train", "--reward", "shufled:correctness"], "did you mean 'shuffled:correctness'?"),
        (["laws", "grpo", "--claim", "mean_zero"], "did you mean 'group_mean_zero'?"),
        (["audit-golds", "--data-dir", "data", "--benchmark", "gms8k"], "did you mean 'gsm8k'?"),
        (["watch", ".", "--metric", "entrpy"], "did you mean 'entropy'?"),
        (["train", "--algorithm", "mine.py"], "expected mine.py:NAME (no such file)"),
        (["compare", "--recipe", "mine.py:mine"], "there is no file"),
        (["train", "--seed", "18446744073709551616"], "a seed is 18446744073709551616; expected a whole number"),
        (["train", "--algorithm", "grpo", "--set", "klcoef=0.1"], "did you mean 'kl_coef'"),
        (["train", "--algorithm", "grpo", "--set", "kl_coef"], "expected field=value"),
        (
            ["train", "--algorithm", "grpo", "--set", "kl_coef=a lot"],
            "method.kl_coef is 'a lot'; expected a finite float",
        ),
        (["train", "--algorithm", "grpo", "--set", "kl_coef=-1"], "kl_coef is -1"),
        (["train", "--set", "grop_size=4"], "did you mean 'group_size'"),
        (["train", "--set", "learning_rate=1"], "supervised.learning_rate and training.learning_rate"),
        (["compare", "--set", "kl_coef=0.1"], "no field 'kl_coef' in rft, online_rft, dpo"),
        (["train", "--prompt", "chain_of_thoughts"], "did you mean 'chain_of_thought'"),
        (["train", "--prompt", "mine.txt"], "there is no prompt file mine.txt"),
        (["train", "--benchmark", "data/gsm8k/test.jsonl"], "is one list of problems, to evaluate on"),
        (["evaluate", "--model", ".", "--set", "top_q=0.9"], "did you mean 'top_p'"),
        (["evaluate", "--model", ".", "--set", "task.tool_turns=2"], "the prompt 'auto' runs no tool; expected 'tool'"),
        (
            ["evaluate", "--model", ".", "--prompt", "tool", "--set", "tool_turns=0"],
            "tool_turns is 0; expected at",
        ),
        (["evaluate", "--model", ".", "--benchmark", "gsm8k+pyton"], "did you mean 'gsm8k+python'"),
        (["evaluate", "--model", ".", "--benchmark", "gsm8k+tool", "--prompt", "bare"], "has a prompt of its own"),
        (
            ["train", "--algorithm", "grpo", "--set", "task.prompt=program"],
            "which is for evaluation; expected a prompt",
        ),
        (["evaluate", "--model", ".", "--benchmark", "papers"], "did you mean 'paper'"),
        (["decontaminate", "gone.jsonl", "--against", "gsm8k", "--data-dir", "nowhere", "--out", "c.jsonl"], "nowhere"),
        (["evaluate", "--model", ".", "--set", "temperature=NaN"], "expected a finite float"),
        (["evaluate", "--model", ".", "--temperature", "nan"], "temperature is nan"),
        (["train", "--model", "no/such/folder"], "does not exist"),
        (["train", "--model", "."], "has no config.json"),
        (["train", "--reward", "mine.py:reward"], "there is no file"),
        (["train", "--steps", "0"], "steps is 0; expected at least 1"),
        (["compare", "--workers", "0"], "workers is 0"),
        (["compare", "--seeds", "1", "1"], "expected different ones"),
        (["compare", "--algorithm", "grpo", "--algorithm", "grpo"], "two arms would be called 'grpo'"),
        (["evaluate", "--model", "nowhere/nothing", "--benchmark", "gms8k"], "did you mean 'gsm8k'"),
        (["evaluate", "--model", ".", "--data-dir", "data"], "has no config.json"),
        (["evaluate", "--model", ".", "--data-dir", "nowhere"], "does not exist"),
        (["evaluate", "--model", ".", "--data-dir", "broken"], "test.jsonl"),
        (["evaluate", "--model", ".", "--data-dir", "data", "--limit", "0"], "expected at least 1"),
        (["report", "nowhere"], "nowhere"),
        (["compare", "--out", "data/gsm8k/test.jsonl"], "is a file; expected a folder for the results"),
        (["train", "--out", "data/gsm8k/test.jsonl/below"], "is a file; expected a folder for the results"),
        (["coefficients", "--batch", "nowhere.json"], "nowhere.json does not exist; check the path"),
        (["status", "data"], "holds no results of coeflab"),
        (["show", "arithmetik"], "did you mean 'arithmetic'"),
        (["new", "method", "data/gsm8k/x.txt"], "is no Python file"),
        (["new", "method", "nowhere/mine.py"], "there is no folder nowhere; make it first"),
        (["convert", "nothing-here"], "neither a file nor an installed package"),
    ],
)
def test_wrong_input(arguments: list[str], message: str, run, tmp_path: Path) -> None:
    for name, text in (("data", DATA), ("broken", DATA + '{"id": "b", "question"\n')):
        (tmp_path / name / "gsm8k").mkdir(parents=True)
        (tmp_path / name / "gsm8k" / "test.jsonl").write_text(text)
    code, _, err = run(*arguments)
    assert code == 1
    assert message in " ".join(err.split())
    assert sum(line.startswith("error: ") for line in err.splitlines()) == 1
    assert "Traceback" not in err
    assert not (tmp_path / "runs").exists(), "a refused command leaves nothing behind"


def test_a_command_that_does_not_exist(run) -> None:
    code, _, err = run("trian")
    assert code == 2
    assert err.startswith("error: unknown command 'trian'; did you mean 'train'? Known: methods, ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["compare", "--engine", "vlm"], ["error: --engine is 'vlm'; did you mean 'vllm'?"]),
        (["evaluate", "--model", ".", "--split=tset"], ["error: --split is 'tset'; did you mean 'test'?"]),
        (
            ["evaluate", "--model", ".", "--search", "beam", "bets_first", "--split", "tset"],
            [
                "error: --search is 'bets_first'; did you mean 'best_first'?",
                "error: --split is 'tset'; did you mean 'test'?",
            ],
        ),
        (["speed", "stpe", "--json"], ["error: part is 'stpe'; did you mean 'step'?"]),
        (["new", "recip", "recip"], ["error: kind is 'recip'; did you mean 'recipe'?"]),
        (["new", "recipe", "recip", "--bogus", "1"], []),
        (["train", "--engine", "neither", "--out", "vlm"], []),
        (["train", "--engine", "vllm", "--stepz", "vlm"], []),
    ],
)
def test_a_word_that_an_option_does_not_take(arguments: list[str], said: list[str], run) -> None:
    """What tyro refuses it refuses in words of its own; the nearest words stand below these."""
    code, _, err = run(*arguments)
    assert code == 2
    told, lines = err.splitlines(), [line for line in err.splitlines() if line.startswith("error: ")]
    assert lines == said == told[len(told) - len(said) :]
    assert "For full helptext, run" in err


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "out/report"), "no space is left for out/report; free some"),
        (PermissionError(errno.EACCES, "Permission denied", "out"), "out may not be read or written here"),
        (FileExistsError(errno.EEXIST, "File exists", "mine.py"), "mine.py is there already"),
        (OSError(errno.EIO, "Input/output error"), "[Errno 5] Input/output error"),
        (ValueError("as it is"), "as it is"),
    ],
)
def test_errors_of_the_system_are_said_in_words(error: Exception, words: str) -> None:
    assert cli.told(error).startswith(words)


HEAVY = ("torch", "transformers", "vllm", "datasets", "matplotlib", "pandas", "scipy", "sympy")


@pytest.mark.parametrize(
    ("arguments", "loaded"),
    [
        (["compare", "--recipe", "aritmetic"], set()),
        (["train", "--recipe", "nowhere.py:mine"], set()),
        (["--version"], set()),
        (["train", "--algorithm", "grop"], {"torch"}),
    ],
)
def test_a_typo_is_told_before_what_is_heavy_is_loaded(arguments: list[str], loaded: set[str], tmp_path: Path) -> None:
    code = (
        "import sys\nfrom experiments.cli import main\n"
        f"sys.argv = ['coeflab', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print('loaded', *sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert set(done.stdout.splitlines()[-1].split()[1:]) <= loaded, done.stderr


@pytest.mark.parametrize("module", ["experiments", "experiments.cli"])
def test_the_command_line_is_a_module_too(module: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", module, "--version"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("coeflab ")


def test_a_broken_line_is_named_with_its_number(run, tmp_path: Path) -> None:
    (tmp_path / "gsm8k").mkdir()
    (tmp_path / "gsm8k" / "test.jsonl").write_text(DATA + "{broken\n")
    _, _, err = run("evaluate", "--model", ".", "--data-dir", str(tmp_path))
    assert "test.jsonl" in err
    assert "line 2" in err


def test_a_gold_answer_that_cannot_be_read_names_file_line_and_remedy(run, tmp_path: Path) -> None:
    (tmp_path / "gsm8k").mkdir()
    (tmp_path / "gsm8k" / "test.jsonl").write_text(DATA + DATA.replace('"a"', '"b"').replace('"2"', '"\\\\frac{1}{"'))
    code, _, err = run("evaluate", "--model", ".", "--data-dir", str(tmp_path))
    assert code == 1
    told = " ".join(err.split())
    assert f"{tmp_path / 'gsm8k' / 'test.jsonl'}, line 2, problem 'b': gold answer: got" in told
    assert "fix the problem's gold_answer or drop the problem." in told


def test_offline_hub_says_what_to_do(run) -> None:
    code, _, err = run("evaluate", "--model", ".", "--benchmark", "math500")
    assert code == 1
    assert "--data-dir" in err


def test_methods_prints_every_method(run) -> None:
    code, out, _ = run("methods")
    assert code == 0
    for name in ("sft", "rft", "online_rft", "dpo", "ppo", "grpo", "grpo_process"):
        assert f"{name} " in out
    for column in ("P_sft(Q)", "π_θ(O|q)", "Â_t + β(π_ref/π_θ − 1)", "Eq. 21"):
        assert column in out


@pytest.mark.parametrize("arguments", [["--help"], ["show", "arithmetic"]])  # the second fills more than one buffer
def test_a_reader_that_has_seen_enough_is_no_error(arguments: list[str]) -> None:
    """As `coeflab --help | head` closes its end while more is written."""
    command = [sys.executable, "-m", "experiments", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as told:
        assert told.stdout is not None and told.stderr is not None
        told.stdout.close()
        assert told.stderr.read() == b""

"""Formal proofs: Metamath really checks them where it is installed; what leaves a gap is refused everywhere."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.problem import Problem, Statement
from rewards.proof import (
    CommandChecker,
    Metamath,
    ProofCheckerMissingError,
    ProofReward,
    isabelle,
    lean4,
    proof_of,
    prove,
)
from rewards.sandbox.run import SandboxLimits, why_unavailable
from rewards.verdict import Status
from sampling.rollout import Rollout

DATABASES = Path("/usr/share/metamath/databases")
SMALL = Metamath(database=DATABASES / "demo0.mm")
installed = pytest.mark.skipif(
    not SMALL.program.is_file() or not SMALL.database.is_file() or why_unavailable() is not None,
    reason="Metamath is not installed here (apt install metamath metamath-databases): no proof is checked",
)
sandboxed = pytest.mark.skipif(why_unavailable() is not None, reason=f"no sandbox here: {why_unavailable()}")

# The first example of the Metamath book, chapter 2: t = t from two axioms and modus ponens.
REFLEXIVE = (
    "tt tze tpl tt weq tt tt weq tt a2 tt tze tpl tt weq tt tze tpl tt weq tt tt weq wim tt a2 "
    "tt tze tpl tt tt a1 mp mp"
)


def theorem(text: str, header: str = "", language: str = "metamath") -> Problem:
    statement = Statement(language=language, header=header, text=text)
    return Problem(problem_id="t", benchmark="b", question="q", gold_answer="proof", statements=(statement,))


GOAL = theorem("goal $p |- t = t")


@installed
@pytest.mark.parametrize(
    ("problem", "proof", "status", "why"),
    [
        (GOAL, REFLEXIVE, Status.CORRECT, ""),
        (GOAL, f"It is:\n```metamath\n{REFLEXIVE}\n```\n", Status.CORRECT, ""),
        (GOAL, f"```\n{GOAL.statements[0].text}\n{REFLEXIVE}\n```", Status.CORRECT, ""),  # with the statement again
        (GOAL, "tt th1", Status.CORRECT, ""),  # the database has it already
        (GOAL, REFLEXIVE.removesuffix(" mp"), Status.INCORRECT, "the RPN stack"),
        (theorem("goal $p |- t = 0"), REFLEXIVE, Status.INCORRECT, "Error"),  # a proof of something else
        (GOAL, "?", Status.INCORRECT, "labels alone"),
        (GOAL, f"{REFLEXIVE} $.\nbad $a |- t = 0", Status.INCORRECT, "labels alone"),  # an axiom of its own
        (GOAL, "goal", Status.INCORRECT, ""),  # itself
        (theorem("g $p |- Q", "${ h1 $e |- P $. h2 $e |- ( P -> Q ) $."), "wp wq h1 h2 mp", Status.CORRECT, ""),
        (theorem("g $p |- Q", "${ h1 $e |- P $. h2 $e |- ( P -> Q ) $."), "wp wq h2 h1 mp", Status.INCORRECT, ""),
        (theorem("g $p |- Q $( no $)"), "h", Status.INCORRECT, ""),
        (GOAL, "```metamath\nmp", Status.NO_ANSWER, ""),
        (GOAL, "", Status.NO_ANSWER, ""),
    ],
)
def test_metamath_accepts_a_proof_and_nothing_else(problem: Problem, proof: str, status: Status, why: str) -> None:
    verdict = prove(problem, proof, SMALL)
    assert verdict.status is status, verdict
    assert why in verdict.reason


@installed
@pytest.mark.skipif(not Metamath().database.is_file(), reason="there is no set.mm")
def test_a_theorem_of_the_large_database() -> None:
    """p → p by the database's own theorem id, and a step that it does not have."""
    problem = theorem("coeflab-goal $p |- ( ph -> ph )")
    assert prove(problem, "wph id", Metamath()).correct
    assert prove(problem, "wph wps ax-1", Metamath()).status is Status.INCORRECT


def rollout(completion: str, opening: str = "") -> Rollout:
    return Rollout(
        problem=GOAL,
        prompt_ids=(1,),
        completion_ids=(1,),
        completion=completion,
        finish_reason="stop",
        sample_index=0,
        seed=0,
        policy_version=0,
        opening=opening,
    )


@installed
def test_the_reward_is_what_is_proved_and_no_proof_depends_on_another() -> None:
    rewards = ProofReward(checker=SMALL)([rollout(text) for text in ("no", REFLEXIVE, "mp mp", "tt th1")], [])
    assert rewards.total == (0.0, 1.0, 0.0, 1.0)
    assert rewards.correct == (False, True, False, True)


@installed
@pytest.mark.parametrize("opening", ["", "<think>"])
def test_what_is_thought_is_no_proof(opening: str) -> None:
    """A thought that the template or the model opened: what stands in it does not count, closed or not."""
    thought = opening or "<think>"  # the template's, which the completion does not repeat
    written = [
        f"```metamath\n{REFLEXIVE}\n```",
        f"```metamath\n{REFLEXIVE}\n```</think>It is done.",
        f"it may be mp</think>```metamath\n{REFLEXIVE}\n```",
        f"it may be mp</think>{REFLEXIVE}",
    ]
    completions = [rollout(text if opening else thought + text, opening) for text in written]
    assert ProofReward(checker=SMALL)(completions, []).total == (0.0, 0.0, 1.0, 1.0)


@installed
def test_a_statement_that_cannot_be_read_is_never_proved() -> None:
    """The proof of the theorem itself would be accepted: Metamath goes on past what it could not read."""
    problem = theorem("goal $p |- t = t", "other $a |- nonsense $.")
    assert prove(problem, REFLEXIVE, SMALL).status is Status.INCORRECT


@sandboxed
def test_a_checker_that_fails_to_start_is_told_as_it_speaks() -> None:
    verdict = prove(GOAL, REFLEXIVE, replace(SMALL, program=Path("/bin/ls")))
    assert verdict.status is Status.INCORRECT
    assert "ls: cannot access" in verdict.reason


def test_a_checker_that_is_missing_is_named_with_the_remedy() -> None:
    if why_unavailable() is not None:
        pytest.skip(f"no sandbox here: {why_unavailable()}")
    with pytest.raises(ProofCheckerMissingError, match=r"no /no/metamath; .*apt install metamath metamath-databases"):
        replace(SMALL, program=Path("/no/metamath")).check()
    with pytest.raises(ProofCheckerMissingError, match="no folder /no/lean"):
        lean4(["lean", "{file}"], folders=["/no/lean"]).check()
    with pytest.raises(ProofCheckerMissingError, match=r"no /no/set\.mm"):
        replace(SMALL, program=Path("/bin/sh"), database=Path("/no/set.mm")).check()


LEAN = theorem("theorem t : 1 + 1 = 2 := by\n", "import Mathlib\n", "lean4")


def stand_in(script: str) -> CommandChecker:
    """A shell script in the place of Lean: what is tested is what becomes of its words, not a proof."""
    return lean4(["/bin/sh", "-c", script.replace("FILE", "{file}")])


@sandboxed
@pytest.mark.parametrize(
    ("script", "proof", "status"),
    [
        ("grep -q norm_num FILE && echo \"'t' depends on axioms: [propext, Quot.sound]\"", "norm_num", Status.CORRECT),
        ("echo \"'t' does not depend on any axioms\"", "rfl", Status.CORRECT),
        ("echo \"'t' depends on axioms: [propext, sorryAx]\"", "simp", Status.INCORRECT),
        ("echo \"'t' depends on axioms: [mine]\"", "simp", Status.INCORRECT),
        ("echo \"'t' does not depend on any axioms\"; echo error; exit 1", "simp", Status.INCORRECT),
        ("echo \"'t' does not depend on any axioms\"; echo 'and more'", "simp", Status.INCORRECT),  # not its last word
        ("exit 0", "simp", Status.INCORRECT),  # it did not say what it rests on
        ("echo \"'t' does not depend on any axioms\"", "sorry", Status.INCORRECT),
        ("echo \"'t' does not depend on any axioms\"", "rfl\naxiom x : False", Status.INCORRECT),
        ("echo \"'t' does not depend on any axioms\"", "have h : 1 = 1 := by admit", Status.INCORRECT),
        ("echo \"'t' does not depend on any axioms\"", "exact not_sorry.admitted", Status.CORRECT),  # names of its own
    ],
)
def test_what_lean_says_decides_with_the_axioms_it_names(script: str, proof: str, status: Status) -> None:
    assert prove(LEAN, proof, stand_in(script)).status is status


ACCEPTS = "echo \"'t' does not depend on any axioms\""


@sandboxed
@pytest.mark.parametrize("word", ["sorry", "admit", "axiom", "native_decide", "unsafe", "implemented_by", "extern"])
def test_a_word_of_lean_that_proves_nothing_is_refused(word: str) -> None:
    verdict = prove(LEAN, f"by\n  {word} x", stand_in(ACCEPTS))
    assert (verdict.status, verdict.reason) == (Status.INCORRECT, f"the proof says {word!r}, which proves nothing")


@sandboxed
@pytest.mark.parametrize(
    "word",
    ["sorry", "oops", "axiomatization", "axioms", "oracle", "ML", "ML_file", "setup", "quick_and_dirty"],
)
def test_a_word_of_isabelle_that_proves_nothing_is_refused(word: str) -> None:
    goal = theorem('theorem t: "a"', "theory t imports Main\nbegin\n", "isabelle")
    assert prove(goal, "by simp", isabelle(["true"])).correct
    verdict = prove(goal, f"by simp\n{word} x", isabelle(["true"]))
    assert (verdict.status, verdict.reason) == (Status.INCORRECT, f"the proof says {word!r}, which proves nothing")


@sandboxed
def test_a_checker_that_does_not_end_is_a_time_out_and_no_verdict() -> None:
    slow = replace(stand_in(f"sleep 60; {ACCEPTS}"), limits=SandboxLimits(wall_seconds=3))
    assert prove(LEAN, "rfl", slow).status is Status.TIMEOUT


@sandboxed
def test_a_checker_sees_its_own_folders_and_no_other() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        Path(folder, "says").write_text("'t' does not depend on any axioms\n")
        command = ["/bin/sh", "-c", f"cat {folder}/says"]
        assert prove(LEAN, "rfl", lean4(command, folders=[folder])).correct
        assert not prove(LEAN, "rfl", lean4(command)).correct


@sandboxed
def test_the_file_is_header_statement_proof_and_end() -> None:
    show = lean4(["/bin/sh", "-c", "cat {file}; exit 1"])
    assert prove(LEAN, "norm_num", show).reason == (
        "import Mathlib\ntheorem t : 1 + 1 = 2 := by\nnorm_num\n#print axioms t"
    )
    goal = theorem('theorem t:\n shows "a"', "theory t imports Main\nbegin\n", "isabelle")
    show_theory = isabelle(["/bin/sh", "-c", "cat Goal.thy; exit 1"])
    assert (
        prove(goal, "by simp", show_theory).reason
        == 'theory t imports Main\nbegin\ntheorem t:\n shows "a"\nby simp\nend'
    )
    assert "'oops'" in prove(goal, "oops", show_theory).reason


def test_the_proof_of_a_completion() -> None:
    assert proof_of("so\n```lean\nrfl\n```\nthen\n```lean4\nsimp\n```\ndone") == "simp"
    assert proof_of(" simp ") == "simp"
    assert proof_of("```lean\nsimp") == ""
    with pytest.raises(ValueError, match="t: no statement in isabelle \\(it has lean4\\)"):
        prove(LEAN, "simp", isabelle(["isabelle"]))

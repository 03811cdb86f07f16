"""`coeflab audit-golds`: are the answer checker and the benchmarks of one mind?

Every problem's own worked solution is judged against its gold answer and must be correct; every solution is judged
against another problem's gold answer and must be wrong, unless the two answers are equal.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import tyro

from benchmarks.files import FILES, load_from_folder
from benchmarks.naming import did_you_mean
from benchmarks.problem import Problem
from rewards import GoldAnswerError, check_answer, extract_answer
from rewards.checker.equivalence import decide_exactly, values_equal
from rewards.checker.extraction import find_boxes
from rewards.checker.structure import read_answer

__all__ = ["AuditGolds", "Misjudgement", "SetAudit", "audit_set", "worked_completion"]

# What ends a set's worked solutions; sets that are not here do not write their answer in a form of their own.
_HASHES = frozenset({"gsm8k"})
_BOXES = frozenset({"math", "math500", "minerva_math"})


@dataclass(frozen=True, kw_only=True)
class Misjudgement:
    """One pair that was judged otherwise than expected.

    Attributes:
        problem_id: whose gold answer it is.
        other_id: whose solution it is; the same in the gold check.
        gold_answer: the gold answer.
        answer: what the checker took as the solution's answer.
        status: the verdict, or ``GOLD`` where the gold answer cannot be read.
        reason: a class of such cases, for the count.
    """

    problem_id: str
    other_id: str
    gold_answer: str
    answer: str
    status: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class SetAudit:
    """The audit's findings in one split of one benchmark.

    Attributes:
        name: benchmark and split.
        problems: how many it has.
        correct: solutions judged correct against their own gold answer.
        two_answers: ids of problems whose solution boxes different answers, of which the last one counts.
        refused: the solutions that were not judged correct.
        crossed: pairs of a solution and another problem's gold answer with different texts.
        crossed_correct: the pairs among them judged correct: equal answers in two spellings, or the checker's errors.
    """

    name: str
    problems: int
    correct: int
    two_answers: tuple[str, ...] = ()
    refused: tuple[Misjudgement, ...] = ()
    crossed: int = 0
    crossed_correct: tuple[Misjudgement, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AuditGolds:
    """Judge every worked solution against its own gold answer and against another problem's."""

    data_dir: Path
    """Folder of benchmark files in JSON Lines."""
    benchmark: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Only this benchmark. May be repeated; default: all whose files are in the folder."""
    seed: int = 0
    """Of the permutation that pairs solutions with other problems' gold answers."""
    show: int = 20
    """Findings to print a set."""
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None
    """Write everything here as well."""

    def run(self) -> None:
        """Print the table and the findings, and write them where asked."""
        audits = []
        for name, split in _splits(self.benchmark, self.data_dir):
            problems = load_from_folder(name, split, self.data_dir)
            audits.append(audit_set(problems, name=f"{name} {split}", seed=self.seed))
            print(f"judged {audits[-1].name}", file=sys.stderr)
        print(_table(audits))
        for audit in audits:
            _print_findings(audit, self.show)
        if self.json_file is not None:
            self.json_file.write_text(json.dumps([asdict(audit) for audit in audits], ensure_ascii=False, indent=1))


def audit_set(problems: Sequence[Problem], *, name: str, seed: int = 0) -> SetAudit:
    """The gold check and the cross check of one list of problems.

    Args:
        problems: at least one.
        name: what the table calls them.
        seed: of the permutation of the cross check; a problem is never paired with itself.
    """
    completions = [worked_completion(problem) for problem in problems]
    refused = [
        finding
        for problem, completion in zip(problems, completions, strict=True)
        if (finding := _judged(problem, problem, completion)).status != "CORRECT"
    ]
    order = list(range(len(problems)))
    random.Random(seed).shuffle(order)
    pairs = [
        (problems[gold], problems[other], completions[other])
        for gold, other in zip(order, order[1:] + order[:1], strict=True)
        if extract_answer(completions[other]) not in (None, problems[gold].gold_answer)
    ]
    crossed = [finding for pair in pairs if (finding := _judged(*pair)).status == "CORRECT"]
    return SetAudit(
        name=name,
        problems=len(problems),
        correct=len(problems) - len(refused),
        two_answers=tuple(problem.problem_id for problem in problems if _boxes_differ(problem.solution or "")),
        refused=tuple(refused),
        crossed=len(pairs),
        crossed_correct=tuple(crossed),
    )


def worked_completion(problem: Problem) -> str:
    """The worked solution with its final answer in the form that the set marks it in, or "The answer is …"."""
    solution = problem.solution or ""
    if problem.benchmark in _HASHES:
        return f"{solution}\n#### {problem.gold_answer}"
    if problem.benchmark in _BOXES and solution:
        return solution
    return f"{solution}\nThe answer is {problem.gold_answer}".lstrip("\n")


def _splits(names: Sequence[str], data_dir: Path) -> list[tuple[str, str]]:
    """Benchmark and split of every file to judge.

    Raises:
        ValueError: a name is no benchmark.
    """
    unknown = [name for name in names if name not in FILES]
    if unknown:
        near = did_you_mean(unknown[0], FILES)
        raise ValueError(f"unknown benchmark {unknown[0]!r}{near}Known: {', '.join(FILES)}.")
    wanted = [(name, split) for name in names or FILES for split in FILES[name]]
    if names:
        return wanted
    there = [
        (name, split)
        for name, split in wanted
        if any((data_dir / (FILES[name][split] + suffix)).is_file() for suffix in (".jsonl", ".jsonl.gz"))
    ]
    if not there:
        raise ValueError(f"{data_dir} holds no benchmark file; name a folder with {FILES['gsm8k']['test']}.jsonl.")
    return there


def _judged(gold: Problem, other: Problem, completion: str) -> Misjudgement:
    try:
        verdict = check_answer(completion, gold.gold_answer, tolerance=gold.tolerance if gold is other else None)
        status, answer = str(verdict.status), verdict.answer
    except GoldAnswerError:
        status, answer = "GOLD", ""
    return Misjudgement(
        problem_id=gold.problem_id,
        other_id=other.problem_id,
        gold_answer=gold.gold_answer,
        answer=answer,
        status=status,
        reason=_reason(status, answer, gold.gold_answer),
    )


def _boxes_differ(solution: str) -> bool:
    boxes = [box for box in find_boxes(solution) if box is not None and box.strip()]
    return any(not values_equal(read_answer(box), read_answer(boxes[-1]), decide_exactly) for box in boxes[:-1])


def _reason(status: str, answer: str, gold_answer: str) -> str:
    match status:
        case "GOLD":
            return "the gold answer cannot be read"
        case "NO_ANSWER":
            return "the solution gives no final answer"
        case "TIMEOUT":
            return "the symbolic comparison took too long"
        case "UNPARSABLE":
            return "the solution's answer cannot be read"
        case "CORRECT":
            return "equal answers"
    cut_off = answer and gold_answer.strip("$ ").startswith(answer.strip("$ "))
    return "the gold answer's text goes on" if cut_off else "the solution ends in another answer"


def _table(audits: Sequence[SetAudit]) -> str:
    header = ("set", "problems", "correct", "share", "two answers", "crossed", "accepted")
    rows = [
        (
            audit.name,
            f"{audit.problems:,}",
            f"{audit.correct:,}",
            f"{100 * audit.correct / audit.problems:.2f} %",
            str(len(audit.two_answers)),
            f"{audit.crossed:,}",
            str(len(audit.crossed_correct)),
        )
        for audit in audits
    ]
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = [
        "  ".join(cell.ljust(width) if not column else cell.rjust(width) for column, (cell, width) in enumerate(cells))
        for cells in (list(zip(row, widths, strict=True)) for row in (header, *rows))
    ]
    return "\n".join(line.rstrip() for line in lines)


def _print_findings(audit: SetAudit, show: int) -> None:
    if audit.two_answers:
        more = f" and {len(audit.two_answers) - show} more" if len(audit.two_answers) > show else ""
        print(f"\n{audit.name}, solutions with two answers: {', '.join(audit.two_answers[:show])}{more}")
    for title, findings in (("refused", audit.refused), ("accepted across problems", audit.crossed_correct)):
        if not findings:
            continue
        reasons = Counter(finding.reason for finding in findings)
        counts = "; ".join(f"{count} × {reason}" for reason, count in reasons.most_common())
        print(f"\n{audit.name}, {title}: {counts}")
        for finding in findings[:show]:
            where = (
                finding.problem_id
                if finding.problem_id == finding.other_id
                else (f"{finding.other_id} against {finding.problem_id}")
            )
            print(f"  {where}: {finding.status}, gold {finding.gold_answer!r}, answer {finding.answer!r}")

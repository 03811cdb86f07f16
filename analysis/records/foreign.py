"""Samples that other tools wrote, in one frame: lm-eval, TRL, verl, prime-rl, and plain tables.

A file's columns say where it comes from. What no known tool names so has to be named, field=column; a column that is
not there is refused with the columns that are. Nothing is judged here.

- lm-evaluation-harness: ``samples_*.jsonl`` (``--log_samples``). A line a problem and filter; with ``repeats`` it holds
  several completions. The first filter's lines are read.
- TRL: ``completions/completions_*.parquet`` (``log_completions=True``). It holds gold answers only where the reward
  function logs them: ``log_extra("solution", solution)``.
- verl: ``{step}.jsonl`` below ``trainer.rollout_data_dir`` or ``trainer.validation_data_dir``.
- prime-rl: ``train_rollouts.jsonl`` below ``rollouts/step_N``, flat or as traces; see `analysis.records.prime_rl`.
- anything else: JSON Lines, CSV, TSV or parquet with a row a completion.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.records.foreign_cells import only_entry, text_of, verdict_of, whole_number
from analysis.records.foreign_rows import SUFFIXES, file_rows
from analysis.records.frames import column, records_of, rows_where
from analysis.records.prime_rl import flat_rollouts, run_and_step
from analysis.records.reading import RecordError
from benchmarks.naming import did_you_mean, nearest_names

FIELDS = ("problem", "question", "completion", "gold", "arm", "seed", "step", "correct")
REQUIRED = ("completion", "gold")
TYPO = 0.9  # likeness of a column's name to one that is looked for, from which on it is taken for a slip
_LM_EVALS_FILE = re.compile(r"samples_(.+?)(_\d{4}-\d\d-\d\dT[\d.-]+)?")  # task and date
# What plain tables call a field, the first that is there; "answer" is left out, since it may be either side's.
ALIASES: dict[str, tuple[str, ...]] = {
    "problem": ("problem", "problem_id", "id", "doc_id"),
    "question": ("question", "prompt", "input"),
    "completion": ("completion", "response", "generation", "output"),
    "gold": ("gold", "gold_answer", "ground_truth", "solution", "target"),
    "arm": ("arm", "model", "method"),
    "seed": ("seed",),
    "step": ("step", "global_step"),
    "correct": ("correct",),
}


@dataclass(frozen=True, kw_only=True)
class KnownTool:
    """A tool whose files are known by their columns.

    Attributes:
        name: what it is called.
        marks: columns that only its files have together.
        fields: its columns by our field.
    """

    name: str
    marks: tuple[str, ...]
    fields: Mapping[str, str]


TOOLS = (
    KnownTool(
        name="lm-eval",
        marks=("doc_id", "doc", "resps", "filter"),
        fields={"problem": "doc_id", "question": "prompt", "completion": "completion", "gold": "target"},
    ),
    KnownTool(
        name="verl",
        marks=("input", "output", "gts", "score"),
        fields={"question": "input", "completion": "output", "gold": "gts", "step": "step", "correct": "score"},
    ),
    KnownTool(
        name="TRL",
        marks=("prompt", "completion", "advantage", "step"),
        fields={"question": "prompt", "completion": "completion", "gold": "solution", "step": "step"},
    ),
    KnownTool(
        name="prime-rl",
        marks=("prompt", "completion", "reward", "example_id"),
        fields={
            "problem": "example_id",
            "question": "prompt",
            "completion": "completion",
            "gold": "answer",
            "correct": "reward",
        },
    ),
)


def read_foreign(files: Sequence[str | Path], columns: Mapping[str, str] | None = None) -> pd.DataFrame:
    """One row a completion of all files, in their order.

    Args:
        files: files, or folders whose files of a known kind are all read.
        columns: the column of a field (`FIELDS`) where it is not the one that the tool or `ALIASES` says.

    Returns:
        Columns ``arm``, ``seed``, ``step``, ``problem``, ``sample_index``, ``question``, ``completion``, ``gold``,
        ``correct`` (the tool's own verdict: True, False or None) and ``source`` (file and row). Without a column the
        arm is called after the file, or after the folder where steps are told apart; seed and step are 0; and a problem
        without an id is known by its question, or without that by its gold answer. lm-eval numbers the problems of
        every task from 0: where there are several tasks, a problem is called ``TASK:NUMBER``.

    Raises:
        RecordError: no such file, not of a known kind, no rows, or a field's column is missing; the message lists the
            columns and proposes one.
    """
    asked = dict(columns or {})
    strange = sorted(asked.keys() - set(FIELDS))
    if strange:
        near = did_you_mean(strange[0], FIELDS)
        raise RecordError(f"--map {strange[0]}=…: not a field{near}Known: {', '.join(FIELDS)}")
    frame = pd.concat([_read_file(path, asked) for path in _listed(files)], ignore_index=True)
    _check_arms(frame)
    frame = frame.drop(columns="named_by")
    tasks = frame.pop("task")
    if tasks.nunique() > 1:
        frame["problem"] = [
            f"{task}:{name}" if task else name for task, name in zip(tasks, frame["problem"], strict=True)
        ]
    keys = ["arm", "seed", "step", "problem"]
    frame["sample_index"] = frame.groupby(keys, sort=False).cumcount()
    return frame


def _listed(files: Sequence[str | Path]) -> list[Path]:
    listed: list[Path] = []
    for given in map(Path, files):
        if given.is_dir():
            found = (path for path in given.rglob("*") if path.suffix in SUFFIXES and path.is_file())
            inside = sorted(path for path in found if not _is_lm_evals_summary(path))
            if not inside:
                raise RecordError(f"{given}: holds no file that ends in {', '.join(SUFFIXES)}; name the files")
            listed += inside
        elif given.is_file():
            listed.append(given)
        else:
            raise RecordError(f"{given}: no such file or folder; expected samples as {', '.join(SUFFIXES)}")
    return list({path.resolve(): path for path in listed}.values())  # a file named twice has no more samples


def _check_arms(frame: pd.DataFrame) -> None:
    """Refuse two places that would be one arm by their name alone: their samples would be counted together."""
    keys = ["arm", "seed", "step", "task", "problem"]
    named = rows_where(frame, column(frame, "named_by") != "").drop_duplicates([*keys, "named_by"])
    for arm in named.loc[named.duplicated(keys), "arm"].head(1):
        places = list(dict.fromkeys(named.loc[named["arm"] == arm, "named_by"]))
        raise RecordError(
            f"{places[0]} and {places[1]} would both be the arm {arm!r}, called after file or folder; expected "
            "different names; rename one, or give their rows a column 'arm' or 'seed'"
        )


def _is_lm_evals_summary(path: Path) -> bool:
    """Whether it is the ``results_*.json`` that lm-evaluation-harness writes beside its samples."""
    return path.match("results_*.json") and any(path.parent.glob("samples_*.jsonl"))


def _read_file(path: Path, asked: Mapping[str, str]) -> pd.DataFrame:
    rows = flat_rollouts(file_rows(path))
    tool = next((tool for tool in TOOLS if set(tool.marks) <= set(rows.columns)), None)
    if tool is not None and tool.name == "lm-eval":
        rows = _each_response(rows)
        if rows.empty:
            raise RecordError(f"{path}: no completion in any 'resps'; expected one or more; evaluate it again")
    found = _columns(path, list(rows.columns), tool, asked)
    frame = pd.DataFrame(index=rows.index)
    by_file = path.parent.name if "step" in found or tool is not None else path.stem
    defaults: dict[str, Any] = {"arm": by_file or path.stem, "seed": 0, "step": 0, "question": "", "correct": None}
    if tool is not None and tool.name == "prime-rl" and (named := run_and_step(path)) is not None:
        defaults["arm"], defaults["step"] = named
    for field in FIELDS:
        if field in found:
            frame[field] = rows[found[field]].to_numpy()
        elif field != "problem":
            frame[field] = defaults[field]
    for field in ("completion", "gold"):
        frame[field] = [only_entry(value, field, path, number) for number, value in enumerate(frame[field], start=1)]
    for field in ("question", "completion", "gold"):
        frame[field] = [text_of(value) for value in frame[field]]
    named = path.parent if by_file == path.parent.name else path
    if tool is not None and tool.name == "prime-rl" and run_and_step(path) is not None:
        named = path.parents[2]
    own = [text_of(value) for value in frame["arm"]]
    frame["named_by"] = "" if "arm" in found else str(named.resolve())
    frame["arm"] = [arm or str(defaults["arm"]) for arm in own]
    for field in ("seed", "step"):
        frame[field] = [whole_number(value, field, path, number) for number, value in enumerate(frame[field], start=1)]
    frame["correct"] = [verdict_of(value, path, number) for number, value in enumerate(frame["correct"], start=1)]
    texts = [question or gold for question, gold in zip(frame["question"], frame["gold"], strict=True)]
    ids = map(text_of, frame["problem"]) if "problem" in found else [""] * len(texts)
    frame["problem"] = [name or _digest(text) for name, text in zip(ids, texts, strict=True)]
    named_task = _LM_EVALS_FILE.fullmatch(path.stem) if tool is not None and tool.name == "lm-eval" else None
    frame["task"] = named_task[1] if named_task is not None and "problem" not in asked else ""
    frame["source"] = [f"{path}, row {number}" for number in range(1, len(frame) + 1)]
    return frame


def _each_response(rows: pd.DataFrame) -> pd.DataFrame:
    """lm-eval's lines, of the first filter, as a row a completion; its verdict where it has one for each."""
    first = rows["filter"].iloc[0]
    expanded = []
    for row in records_of(rows_where(rows, column(rows, "filter") == first)):
        first_response = next(iter(row["resps"]), [])
        responses = first_response if isinstance(first_response, list) else row["resps"]
        score = row.get("exact_match")
        single = len(responses) == 1 and isinstance(score, int | float)
        arguments = row.get("arguments")
        prompt = arguments.get("gen_args_0", {}).get("arg_0", "") if isinstance(arguments, dict) else ""
        for response in responses:
            expanded.append({**row, "prompt": prompt, "completion": response, "correct": score if single else None})
    return pd.DataFrame(expanded)


def _columns(path: Path, present: list[str], tool: KnownTool | None, asked: Mapping[str, str]) -> dict[str, str]:
    """The column of each field that the file has."""
    absent = [f"{field}={column}" for field, column in asked.items() if column not in present]
    if absent:
        near = did_you_mean(absent[0].partition("=")[2], present)
        raise RecordError(f"{path}: --map {absent[0]}, and there is no such column{near}It has {', '.join(present)}")
    found = {field: column for field, column in (tool.fields if tool else {}).items() if column in present}
    for field, names in ALIASES.items():
        if field not in found and (tool is None or field in ("arm", "seed", "correct")):
            known = [name for name in names if name in present]
            found |= {field: known[0]} if known else {}
    found |= asked
    missing = [field for field in REQUIRED if field not in found]
    if missing:
        raise RecordError(f"{path}: {_proposal(missing[0], present, set(found.values()), tool)}")
    return found


def _proposal(field: str, present: list[str], taken: Set[str], tool: KnownTool | None) -> str:
    likely = {"gold": ("answer", "gts", "label", "reference"), "completion": ("answer", "text", "pred", "resps")}[field]
    free = [name for name in present if name not in taken]
    names = (field, *ALIASES[field])
    near = [column for name in (*names, *likely) for column in nearest_names(name, free, least=TYPO)]
    near += [column for name in names for column in nearest_names(name, free)]
    hint = f"--map {field}={near[0]}" if near else f"--map {field}=COLUMN"
    trl = tool is not None and tool.name == "TRL" and field == "gold"
    why = ' (TRL writes what the reward function logs: log_extra("solution", solution))' if trl else ""
    return f"no column for the {field}; it has {', '.join(present)}; name it: {hint}{why}"


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()

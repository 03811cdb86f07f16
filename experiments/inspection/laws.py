"""Methods against laws, printed: the table, the smallest counterexamples, and docs/laws.md.

`python -m experiments.inspection.laws > docs/laws.md` writes the page; tests keep it current.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from algorithms import METHODS, build_algorithm
from algorithms.laws import LAWS, Finding, Law, judge
from experiments.recipes.plugins import is_file_reference, load_algorithm, load_object

__all__ = ["MARKS", "as_objects", "judged_methods", "laws_page", "load_subject", "print_findings"]

MARKS = {
    "✓": "claimed (or nothing is claimed), and no counterexample found",
    "✗": "claimed (or nothing is claimed), and broken",
    "(✓)": "not claimed, and no counterexample found",
    "·": "not claimed, and broken",
    "–": "does not apply: a law of tokens and a plain function, or no objective is given",
}


def load_subject(name: str, settings: Mapping[str, Any]) -> Any:
    """The meaning of a name on the command line: a method or preset, or a class or function of ``file.py:Name``.

    Raises:
        ValueError: none of these, or settings for a plain function.
    """
    if is_file_reference(name) and not isinstance(load_object(name), type):
        if settings:
            raise ValueError(f"{name} is a function, which has no fields; expected no --set.")
        return load_object(name)
    return load_algorithm(name, settings)


def judged_methods(names: Iterable[str], *, examples: int, seed: int = 0) -> dict[str, list[Finding]]:
    """Findings of every registered method by name, with its defaults."""
    return {name: judge(build_algorithm(name), examples=examples, seed=seed) for name in names}


def print_findings(found: Mapping[str, Sequence[Finding]], console: Console, *, everything: bool) -> None:
    """One table, a row a method and a column a law, and the counterexamples to what breaks.

    Args:
        found: findings by name.
        console: where to.
        everything: show counterexamples of laws that are not claimed too.
    """
    if len(found) == 1:
        [(name, findings)] = found.items()
        table = Table(title=name, title_style="", title_justify="left", pad_edge=False)
        for heading in ("", "law", "says"):
            table.add_column(heading, overflow="fold")
        for finding in findings:
            table.add_row(finding.mark, str(finding.law), LAWS[finding.law].says)
    else:
        table = Table(pad_edge=False)
        laws = [finding.law for finding in next(iter(found.values()))]
        for heading in ("method", *(LAWS[law].heading for law in laws)):
            table.add_column(heading, overflow="fold")
        for name, findings in found.items():
            table.add_row(name, *(finding.mark for finding in findings))
    console.print(table)
    used = {finding.mark for findings in found.values() for finding in findings}
    console.print("\n".join(f"{mark:3} {meaning}" for mark, meaning in MARKS.items() if mark in used))
    for name, findings in found.items():
        for finding in findings:
            if finding.counterexample is not None and (everything or finding.claimed is not False):
                console.print(f"\n{finding.mark} {name} {finding.law}: {finding.counterexample}", soft_wrap=True)


def as_objects(found: Mapping[str, Sequence[Finding]]) -> list[dict[str, Any]]:
    """The findings as ``--json`` prints them, one object a method and law."""
    return [
        {
            "method": name,
            "law": str(finding.law),
            "claimed": finding.claimed,
            "applies": finding.applies,
            "holds": finding.applies and finding.counterexample is None,
            "counterexample": finding.counterexample,
        }
        for name, findings in found.items()
        for finding in findings
    ]


PAGE_EXAMPLES = 100
INTRODUCTION = """\
# Laws of advantages

Written by `python -m experiments.inspection.laws > docs/laws.md`; do not edit. Every method is held against every law
on {examples} random small batches, drawn and shrunk by [hypothesis](https://hypothesis.readthedocs.io).

{marks}

What a method claims follows from its fields (`algorithms/laws/claims.py`): a baseline that is the group's mean claims
the mean of 0, an eps in the divisor gives up invariance to scale. `coeflab laws METHOD` says the same of one method,
with `--counterexamples` the smallest batch that breaks a law that it does not claim. A law without a counterexample is
not proven; one with a counterexample is broken.
"""
YOURS = """\
## Your own

```sh
coeflab laws my_advantages.py:advantages my_method.py:MyMethod
```

(`coeflab` is `.venv/bin/coeflab` after `make setup`.) A plain function takes rewards and group labels (torch tensors,
or numpy arrays where it cannot work with those) and returns one number a reward:

```python
def advantages(rewards, groups):
    out = rewards.clone()
    for group in groups.unique():
        own = rewards[groups == group]
        out[groups == group] = (own - own.mean()) / (own.std() + 1e-6)
    return out


advantages.claims = ("group_mean_zero", "shift_invariant", "equal_rewards_give_zero")
```

The command ends with code 1 where a claimed law breaks. `claims` may be absent, and `--claim LAW` says them on the
command line; without any, every law gets ✓ or ✗ and the code is 0. A method that is a class may have `claims` too, and
`objective(batch, credit, policy_logprobs)`, the scalar that one optimiser step maximises, which
`gradient_of_the_objective` then differentiates. Code that needs groups of one size is judged with `--group-size 8`.

In a repository of your own, three lines are a pytest file, with one test a law:

```python
from algorithms.laws import law_tests
from my_advantages import advantages

test_advantages = law_tests(advantages, "group_mean_zero", "equal_rewards_give_zero")
```

It needs hypothesis (`pip install 'coeflab[train,dev]'`).
"""


def laws_page(found: Mapping[str, Sequence[Finding]]) -> str:
    """The text of docs/laws.md."""
    marks = "\n".join(f"- `{mark}` {meaning}" for mark, meaning in MARKS.items() if mark != "–")
    rows = [("method", *(LAWS[law].heading for law in Law)), ("---",) * (1 + len(Law))]
    rows += [(f"`{name}`", *(finding.mark for finding in findings)) for name, findings in found.items()]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    laws = "\n".join(f"| {LAWS[law].heading} | `{law}` | {LAWS[law].says} |" for law in Law)
    unproven = [
        f"- `{name}`: {', '.join(f'`{finding.law}`' for finding in findings if finding.mark == '(✓)')}"
        for name, findings in found.items()
        if any(finding.mark == "(✓)" for finding in findings)
    ]
    parts = [
        INTRODUCTION.format(examples=PAGE_EXAMPLES, marks=marks + "\n- `–` no objective is given"),
        table + "\n",
        "Not claimed, though no counterexample was found:\n\n" + "\n".join(unproven or ["- none"]) + "\n",
        "## The laws\n\n| column | name | says |\n| --- | --- | --- |\n" + laws + "\n",
        YOURS,
    ]
    return "\n".join(parts)


if __name__ == "__main__":
    print(laws_page(judged_methods(METHODS, examples=PAGE_EXAMPLES)), end="")

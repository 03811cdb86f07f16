"""Random values among words, signs, labels and other boxes, whose verdicts are known by how they are made."""

from __future__ import annotations

import random

NOUNS = ("apples", "\\text{ red balls}", "рублей", "个", "Äpfel", "cm", "\\frac{m}{s}")
REFUSED = (
    "or more",
    "\\text{ halved}",
    "oder mehr",
    "以上",
    "\\text{ nicht}",
    "\\text{ choose two}",
    "ou plus",
    "или больше",
)
MULTIPLIERS = (("million", 10**6), ("dozens", 12), ("thousand", 1_000), ("Milliarden", 10**9), ("百万", 10**6))
LABELS = ("m+n", "P(A\\mid B)", "E[X]", "[ABC]", "\\angle A", "f(f(2))", "xy", "\\text{Area of }\\triangle ABC")
UNDEFINED = ("\\infty-\\infty", "\\frac{\\infty}{\\infty}", "0\\cdot\\infty", "1^\\infty", "\\infty+%d-\\infty")


def worded(rng: random.Random) -> list[tuple[str, str, bool]]:
    """Completions whose value stands among words, signs, labels or other boxes: (completion, gold answer, right)."""
    first, second = rng.sample(range(2, 400), 2)
    word, factor = rng.choice(MULTIPLIERS)
    noun, refused, label = rng.choice(NOUNS), rng.choice(REFUSED), rng.choice(LABELS)
    undefined = rng.choice(UNDEFINED).replace("%d", str(first))
    joint = rng.choice([" or ", " and ", ", ", "$ or $"])
    product = str(first * factor)
    both = f"So $\\boxed{{{first}}}{joint}\\boxed{{{second}}}$."
    return [
        (f"So \\boxed{{{first} {noun}}}.", str(first), True),
        (f"So \\boxed{{{first} {noun}}}.", str(second), False),
        (f"So \\boxed{{{first} {refused}}}.", str(first), False),
        (f"So \\boxed{{{first} {word}}}.", product, True),
        (f"So \\boxed{{{first} {word}}}.", str(first), False),
        (f"So $\\boxed{{{first}}}$ {word}.", product, True),
        (f"So $\\boxed{{{first}}}$ {word}.", str(first), False),
        (f"So $-\\boxed{{{first}}}$.", f"-{first}", True),
        (f"So $-\\boxed{{{first}}}$.", str(first), False),
        (f"So $\\boxed{{{first}}}\\%$.", f"\\frac{{{first}}}{{100}}", True),
        (f"So $\\boxed{{{first}}}\\%$.", str(second), False),
        (f"So \\boxed{{{label} = {first}}}.", str(first), True),
        (f"So \\boxed{{{label} = {first}}}.", str(second), False),
        (f"So \\boxed{{{label} = {first} = {second}}}.", str(second), False),
        (f"So \\boxed{{{undefined}}}.", undefined, True),
        *((f"So \\boxed{{{undefined}}}.", gold, False) for gold in (str(first), "0", "1", "\\infty")),
        (both, f"{second}, {first}", True),
        *((both, gold, False) for gold in (str(first), str(second))),
    ]

"""How every arm is drawn: the one table of colour, marker and line style; the same in every figure and comparison.

Colours of the methods are told apart by colour-blind readers (Okabe and Ito 2008, yellow left out); markers and dashes
tell them apart in grey. Control arms are grey. An arm that is not in the table gets its style from its name.
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from analysis.records.schema import START_ARM

SOLID, DASHED, DOTTED, DASH_DOT = (0, ()), (0, (5, 2)), (0, (1.2, 1.4)), (0, (6, 1.6, 1.2, 1.6))


@dataclass(frozen=True, kw_only=True)
class ArmStyle:
    """How an arm is drawn in every figure."""

    color: str
    marker: str
    dashes: tuple[float, tuple[float, ...]]


KNOWN_STYLES = {
    START_ARM: ArmStyle(color="#000000", marker="o", dashes=DOTTED),
    "continued_sft": ArmStyle(color="#7a7a7a", marker="s", dashes=DASHED),
    "control_sft": ArmStyle(color="#6e6e6e", marker="h", dashes=SOLID),
    "control_no_update": ArmStyle(color="#4d4d4d", marker="d", dashes=DASH_DOT),
    "control_random": ArmStyle(color="#929292", marker="<", dashes=DOTTED),
    "control_format": ArmStyle(color="#a8a8a8", marker=">", dashes=DASH_DOT),
    "control_shuffled": ArmStyle(color="#636363", marker="p", dashes=DASHED),
    "rft": ArmStyle(color="#56b4e9", marker="^", dashes=DASHED),
    "online_rft": ArmStyle(color="#0072b2", marker="v", dashes=SOLID),
    "dpo": ArmStyle(color="#cc79a7", marker="D", dashes=DASH_DOT),
    "ppo": ArmStyle(color="#009e73", marker="P", dashes=SOLID),
    "grpo": ArmStyle(color="#e69f00", marker="X", dashes=SOLID),
    "grpo_process": ArmStyle(color="#d55e00", marker="*", dashes=DASH_DOT),
}
OTHER_COLORS = ("#332288", "#44aa99", "#882255", "#999933", "#117733", "#aa4499", "#88ccee")
OTHER_MARKERS = ("h", "<", ">", "p", "d", "8", "H", "o", "s", "^")
OTHER_DASHES = (SOLID, DASHED, DASH_DOT)


def arm_styles(arms: Iterable[str]) -> dict[str, ArmStyle]:
    """A style for each arm, in the order of `arms`.

    An arm outside the table takes the colour, marker and dashes that its name's checksum points to. Where two arms of
    `arms` would share a colour, the later in the alphabet takes the next one that fewest arms use: no two arms look the
    same below 70 of them, and the order of `arms` changes nothing.
    """
    names = list(dict.fromkeys(arms))
    styles = {name: KNOWN_STYLES[name] for name in names if name in KNOWN_STYLES}
    uses: dict[str, int] = dict.fromkeys(OTHER_COLORS, 0)
    for name in sorted(set(names) - set(KNOWN_STYLES)):
        code = zlib.crc32(name.encode("utf-8", "backslashreplace"))
        color = min(_from(OTHER_COLORS, code), key=lambda candidate: uses[candidate])
        uses[color] += 1
        taken = {style.marker for style in styles.values() if style.color == color}
        markers = _from(OTHER_MARKERS, code // 7)
        styles[name] = ArmStyle(
            color=color,
            marker=next((marker for marker in markers if marker not in taken), markers[0]),
            dashes=OTHER_DASHES[code // 70 % len(OTHER_DASHES)],
        )
    return {name: styles[name] for name in names}


def _from(choices: tuple[str, ...], code: int) -> tuple[str, ...]:
    """The choices, beginning at the one that the code points to."""
    first = code % len(choices)
    return choices[first:] + choices[:first]

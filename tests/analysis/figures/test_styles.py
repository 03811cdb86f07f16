"""The one table of colours, markers and dashes: read in grey, by colour-blind readers, and the same everywhere."""

from itertools import combinations

import numpy as np

from analysis.figures.styles import KNOWN_STYLES, OTHER_COLORS, arm_styles

METHODS = ["sft_start", "continued_sft", "rft", "online_rft", "dpo", "ppo", "grpo", "grpo_process"]
# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB
DEFICIENCIES = {
    "none": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def linear_rgb(color: str) -> np.ndarray:
    """sRGB as linear light (IEC 61966-2-1)."""
    values = np.array([int(color[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* under D65."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ np.clip(rgb, 0, 1)
    scaled = xyz / np.array([0.9505, 1.0, 1.089])
    f = np.where(scaled > (6 / 29) ** 3, np.cbrt(scaled), scaled / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_methods_are_told_apart_by_colour_blind_readers():
    for name, matrix in DEFICIENCIES.items():
        seen = {arm: lab(np.asarray(matrix) @ linear_rgb(KNOWN_STYLES[arm].color)) for arm in METHODS}
        distances = {pair: np.linalg.norm(seen[pair[0]] - seen[pair[1]]) for pair in combinations(METHODS, 2)}
        nearest = min(distances, key=lambda pair: distances[pair])
        assert distances[nearest] > 10, (name, nearest)  # CIE76; about 2 is just noticeable


def test_every_known_arm_has_a_marker_of_its_own_and_stands_out_from_white():
    markers = [style.marker for style in KNOWN_STYLES.values()]
    assert len(set(markers)) == len(markers)  # so they are told apart in grey
    assert len({style.color for style in KNOWN_STYLES.values()}) == len(KNOWN_STYLES)
    for arm, style in KNOWN_STYLES.items():
        lightness = lab(linear_rgb(style.color))[0]
        assert lightness < 75, arm


def test_arms_look_different_and_always_the_same():
    others = [f"grpo kl_coef={value} group_size={size}" for value in (0, 0.04, 0.1) for size in (8, 16)]
    arms = [*KNOWN_STYLES, *others]
    styles = arm_styles(arms)
    assert list(styles) == arms
    assert len({style.color for style in styles.values()}) == len(arms)
    assert arm_styles(reversed(arms)) == styles
    assert arm_styles(["grpo"])["grpo"] == styles["grpo"]
    alone = {arm: arm_styles([arm])[arm] for arm in others}
    first = sorted(others)[0]
    assert alone[first] == styles[first]  # the name alone decides, until two names meet on one colour


def test_many_unknown_arms_are_all_told_apart():
    styles = arm_styles(f"arm {number}" for number in range(70))
    assert len({(style.color, style.marker) for style in styles.values()}) == 70
    assert {style.color for style in styles.values()} == set(OTHER_COLORS)

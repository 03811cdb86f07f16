"""The names of `analysis`, loaded when they are asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import analysis


def test_every_name_is_there_once_and_nothing_else_is() -> None:
    assert sorted(analysis.__all__) == sorted(name for names in analysis._FACE.values() for name in names)
    assert set(analysis.__all__) <= set(dir(analysis))
    for name in analysis.__all__:
        assert getattr(analysis, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'pass_at_j'; it has SAMPLE_COLUMNS, ArmScores"):
        _ = analysis.pass_at_j  # type: ignore[attr-defined]


def test_names_of_arms_and_contrasts_need_no_pandas() -> None:
    code = (
        "import sys\nfrom analysis.statistics.contrasts import Contrast\n"
        "from analysis.records.schema import START_ARM\n"
        "print(sorted({'pandas', 'scipy', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"

"""What vLLM leaves in the environment does not reach our children."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from sampling.vllm_engine import children_preload_nothing

BELOW_A_SPACE = "/tmp/a b/libtcmalloc_minimal.so.4"


def stderr_of_a_child() -> str:
    return subprocess.run([sys.executable, "-c", ""], capture_output=True, text=True, check=True).stderr


@pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD is read by Linux's loader")
@pytest.mark.parametrize("before", [None, ""])
def test_children_of_an_engine_in_a_path_with_a_space_have_a_clean_stderr(
    before: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    if before is not None:
        monkeypatch.setenv("LD_PRELOAD", before)
    with children_preload_nothing():
        os.environ["LD_PRELOAD"] = BELOW_A_SPACE  # as vLLM's platform does while the engine is built
        assert "object '/tmp/a' from LD_PRELOAD cannot be preloaded" in stderr_of_a_child()
    assert os.environ.get("LD_PRELOAD") == before
    assert stderr_of_a_child() == ""

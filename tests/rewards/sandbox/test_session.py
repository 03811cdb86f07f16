"""Programs of one session share their variables, programs of two sessions nothing; whatever goes wrong is told."""

from __future__ import annotations

import pytest

from rewards.sandbox.run import Outcome, SandboxLimits, why_unavailable
from rewards.sandbox.session import run_session
from rewards.tool import PythonTool

pytestmark = pytest.mark.skipif(why_unavailable() is not None, reason=f"no sandbox here: {why_unavailable()}")


@pytest.mark.parametrize(
    ("programs", "printed"),
    [
        (["x = 3\nprint(x)", "def f(y):\n    return x + y\nprint('defined')", "print(f(4))"], "7\n"),
        (["import math\nprint(1)", "print(math.factorial(5))"], "120\n"),
        (["x = 5\nraise ValueError('no')", "print(x)"], "5\n"),  # what it had defined stays
        (["x = (", "print('goes on')"], "goes on\n"),
        (["x = 1\nimport sys\nsys.exit(3)", "print(x)"], "1\n"),
        (["import os\nos.write(1, b'early')\nx = 2", "print(x)"], "2\n"),  # past Python's own files too
        (["print('```', \"'''\", '\\\\', '%s', '日')"], "``` ''' \\ %s 日\n"),
        (["def solution():\n    return 5"], ""),  # a session prints what it prints
    ],
)
def test_a_program_finds_what_the_ones_before_it_defined(programs: list[str], printed: str) -> None:
    run = run_session(programs)
    assert (run.outcome, run.stdout, run.stderr) == (Outcome.FINISHED, printed, "")


@pytest.mark.parametrize(
    "draw",
    [
        "import random; x = random.random()",
        "import secrets; x = secrets.token_hex(8)",
        "import uuid; x = uuid.uuid4()",
        "import numpy; x = numpy.random.rand()",
        "import numpy; x = numpy.random.default_rng().random()",
    ],
)
def test_a_repeated_session_draws_the_same_numbers(draw: str) -> None:
    """The variable that the model saw is the one that its next program finds."""
    pytest.importorskip(draw.split()[1].rstrip(";"))
    shown, found = run_session([f"{draw}\nprint(x)"]), run_session([f"{draw}\nprint(x)", "print(x)"])
    assert shown.stdout == found.stdout != ""
    assert run_session([draw, "print(len({x, x}))"]).stdout == "1\n"


def test_what_goes_wrong_comes_back_as_text_and_neighbours_do_not_notice() -> None:
    tool = PythonTool(limits=SandboxLimits(cpu_seconds=1, wall_seconds=20, output_bytes=1000), threads=2)
    sessions = [
        ["print(6 * 7)"],
        ["print('so far')\n1 / 0"],
        ["while True: pass"],
        ["print('x' * 2000)"],
        ["x = [0] * 10**10"],
        ["x = ("],
        ["import os; os.kill(os.getpid(), 9)"],
        ["import sys; sys.exit(2)"],
        ["pass"],
    ]
    expected = [
        ("42", True),
        ("so far\nZeroDivisionError: division by zero", True),
        ("TimeoutError: no end after 1 s; nothing of this program is kept", False),
        ("x" * 1000 + "\nOutputError: more than 1000 bytes; nothing of this program is kept", False),
        ("MemoryError", True),
        ("SyntaxError: '(' was never closed (<program 1>, line 1)", True),
        ("MemoryError: the program was killed; nothing of it is kept", False),
        ("SystemExit: 2", True),
        ("", True),
    ]
    assert [(each.text, each.kept) for each in tool(sessions)] == expected
    assert [(each.text, each.kept) for each in tool(sessions[::-1])] == expected[::-1]


def test_time_is_allowed_for_every_program_of_a_session() -> None:
    """Four programs of 0.6 s each are no program of 2.4 s."""
    busy = "import time\nstart = time.process_time()\nwhile time.process_time() - start < 0.6: pass"
    run = run_session([busy] * 3 + [f"{busy}\nprint('done')"], limits=SandboxLimits(cpu_seconds=1, wall_seconds=60))
    assert (run.outcome, run.stdout) == (Outcome.FINISHED, "done\n")

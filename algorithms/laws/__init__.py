"""Property tests of advantage mathematics: laws, who claims them, and the smallest counterexample where one breaks."""

from __future__ import annotations

from algorithms.laws.catalogue import LAWS, Law
from algorithms.laws.claims import claims_of
from algorithms.laws.functions import AdvantageFunction, FunctionError
from algorithms.laws.judge import Finding, judge, law_tests

__all__ = ["LAWS", "AdvantageFunction", "Finding", "FunctionError", "Law", "claims_of", "judge", "law_tests"]

"""The commands that look without training: `coeflab methods`."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Methods"]


@dataclass(frozen=True, kw_only=True)
class Methods:
    """Print every method with its data source, reward and gradient coefficient: Table 10 from the code."""

    def run(self) -> None:
        """Do it."""
        from experiments.methods import print_methods

        print_methods()

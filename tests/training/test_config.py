"""Settings that no training can have are refused where they are written."""

from __future__ import annotations

from typing import Any

import pytest

from training.config import SupervisedConfig, TrainingConfig


@pytest.mark.parametrize(
    ("config", "fields", "message"),
    [
        (TrainingConfig, {"warmup_steps": -5}, "warmup_steps is -5; expected 0 or more"),
        (TrainingConfig, {"weight_decay": -0.1}, "weight_decay is -0.1; expected 0 or more"),
        (SupervisedConfig, {"learning_rate": -1.0}, "learning_rate is -1.0; expected 0 or more"),
        (SupervisedConfig, {"weight_decay": -0.1}, "weight_decay is -0.1; expected 0 or more"),
        (SupervisedConfig, {"target_pass_at_1": 25.0}, "target_pass_at_1 is 25.0; expected a share from 0 to 1"),
    ],
)
def test_out_of_range_settings_are_refused(config: type, fields: dict[str, Any], message: str) -> None:
    """A negative warm-up would give negative rates, which move the policy away from what it is rewarded for."""
    needed = {"steps": 9, "problems_per_step": 1, "group_size": 1, "learning_rate": 1e-3}
    with pytest.raises(ValueError, match=message):
        config(**({**needed, **fields} if config is TrainingConfig else fields))

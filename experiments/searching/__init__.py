"""Search guided by a reward model as a method of inference: accuracy against tokens, resumable."""

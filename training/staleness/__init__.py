"""Training on completions of an older policy: drawn a fixed number of steps ahead, with what corrects for it."""

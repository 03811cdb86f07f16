"""Programs of a model, run apart from everything else."""

"""Many runs: plan, workers, progress, and the choice of settings on validation problems."""

"""Networks and passes through them: policy, critic, batches, log-probabilities."""

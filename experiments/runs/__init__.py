"""One run, its folder, its start policy and its evaluation."""

"""One run at work: its start policy, its evaluation, its reward models; and the jobs that a comparison is made of."""

"""Other people's dashboards, told what ``metrics.jsonl`` is told, and unable to stop a run."""

"""What the folder of a run holds: configuration, environment, metrics and samples, whole after a kill."""

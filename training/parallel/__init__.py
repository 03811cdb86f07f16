"""One update on several processes."""

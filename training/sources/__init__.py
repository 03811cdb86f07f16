"""Where completions come from (Table 10, column 1): demonstrations, the frozen start policy, or the policy itself."""

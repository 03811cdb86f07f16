"""Other people's trainers as arms: TRL's own, given this laboratory's problems, completions, rewards and budget."""

"""The jobs of a comparison on other machines, through Ray or Slurm: the same processes, folder and numbers."""

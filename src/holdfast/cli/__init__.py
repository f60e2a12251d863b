"""The face for people and scripts: parse, call a use case, render; nothing else."""

"""What made the difference between two runs: proved by running again."""

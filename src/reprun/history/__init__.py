"""What every run left: rows of an embedded database beside the results, and what they tell."""

"""For authors: write an analysis, check that it is portable, cite what it uses."""

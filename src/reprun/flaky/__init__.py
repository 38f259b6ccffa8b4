"""Whether a result depends on what should not matter: runs in varied settings, each alone."""

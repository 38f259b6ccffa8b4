"""REANA clusters: export, submit, follow, fetch, and the verdict on what comes back."""

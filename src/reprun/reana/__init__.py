"""REANA: analyses sent to a cluster (remote), REANA projects run here (local)."""

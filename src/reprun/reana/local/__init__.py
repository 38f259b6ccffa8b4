"""REANA projects: read, run on this machine's engines, tested with their own features."""

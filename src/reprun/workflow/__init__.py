"""Workflows: Snakemake as a subprocess, one job into one container."""

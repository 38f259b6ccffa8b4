"""Run an LHC open-data analysis in its container image and compare it with its reference."""

__version__ = "0.1.0"

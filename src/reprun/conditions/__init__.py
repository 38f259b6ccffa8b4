"""Conditions: calibrations, masks and tables an analysis is right under, locked like its data."""

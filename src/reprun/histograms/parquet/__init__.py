"""Parquet files: tables of events, column by column."""

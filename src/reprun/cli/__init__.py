"""The command line: parse, one call, render, exit code. Nothing else prints or exits."""

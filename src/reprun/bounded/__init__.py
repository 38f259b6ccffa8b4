"""Text that others wrote, read within limits: bounded before it is parsed."""

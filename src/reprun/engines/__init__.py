"""Container engines: each runs one container. `base.py` states the contract."""

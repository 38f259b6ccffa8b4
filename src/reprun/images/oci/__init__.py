"""OCI layout, registries and the archives of other tools."""

"""Images: locked, fetched, built bit for bit, unpacked, catalogued."""

"""Images unpacked into the store, sealed against change."""

"""ROOT files: keys, streamed objects, and the small writer."""

"""Migration file formats: one file, one format."""

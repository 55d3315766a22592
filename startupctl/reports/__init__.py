"""How a report is shown: one file, one format."""

"""The page of a comparison: its numbers, tables, figures and PDF."""

"""Measures: pure functions and thin streaming accumulators."""

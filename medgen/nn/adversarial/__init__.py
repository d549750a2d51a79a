"""Generators, critics and what keeps them in balance."""

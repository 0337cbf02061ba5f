"""Compiled forms of the decode step; each is proven equal to the plain one by tests."""

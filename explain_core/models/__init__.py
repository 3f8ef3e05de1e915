"""Classifiers, and where they come from."""

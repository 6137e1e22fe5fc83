"""Evaluation: metrics, intervals, and how results hold up as data goes missing."""

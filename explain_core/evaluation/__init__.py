"""Metrics and protocols run over data: cases, arms, records, and what they come to."""

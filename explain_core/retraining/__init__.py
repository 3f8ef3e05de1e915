"""Retraining by what people said, and the proof of whether it helped (AE, §III-H and IV-C)."""

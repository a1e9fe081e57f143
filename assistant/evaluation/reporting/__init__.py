"""Figures -> what an evaluator reads."""

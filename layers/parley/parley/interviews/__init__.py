"""Interviews: questions, generated or from the bank."""

"""Vectors within the daily token limit."""

"""The game around practice: profiles, points, achievements, streaks, progress, standings."""

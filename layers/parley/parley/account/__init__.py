"""What a caller sees of itself: settings, preferences, usage."""

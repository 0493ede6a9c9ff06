"""What a caller sees of itself: settings, preferences, usage; and the lists that everybody may see."""

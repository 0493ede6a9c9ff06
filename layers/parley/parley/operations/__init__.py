"""What operators and schedules run."""

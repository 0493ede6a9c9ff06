"""What every room may use and what knows no other room: names, time, errors, settings, logs."""

"""Lambda: processes of functions behind the Runtime API, shared out, and replaced when their source changes."""

"""Documents, content and interactions, and finding them again."""

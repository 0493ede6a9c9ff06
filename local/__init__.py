"""What stands in for AWS on a developer's machine; never shipped."""

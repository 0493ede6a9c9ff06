"""template.yaml read: CloudFormation's expressions resolved, functions, routes, schedules and queues."""

"""API Gateway, as the template describes it: routes, CORS, limits, and the proxy events and answers of functions."""

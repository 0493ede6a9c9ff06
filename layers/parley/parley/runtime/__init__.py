"""Streaming for Python functions: what a handler returns to stream its answer.

Lambda's managed Python runtime only buffers. A function whose AWS_LAMBDA_EXEC_WRAPPER is `parley-stream` (beside this
package's folder) runs under `python -m parley.runtime` instead, which speaks the Runtime API's streaming mode:
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming
"""

"""A wire-compatible stand-in for OpenAI, Anthropic and Google's Gemini API.

It speaks each provider's HTTP, so the real SDKs run against it unchanged by base URL:
`URL/openai/v1`, `URL/anthropic` and `URL/google`. Answers are a function of the request alone.

    with Emulator() as emulator:  # local.emulator.client
        emulator.fault("rate_limit", provider="openai", retry_after="7")
        ...
        assert emulator.counts() == {"openai /v1/chat/completions": 1}

`python -m local.emulator --port 9000` starts one for a developer; `[[fault:rate_limit retry_after=7]]` inside the
last user message then makes the next answer fail that way.
"""

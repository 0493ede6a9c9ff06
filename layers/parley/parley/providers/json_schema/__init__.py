"""A caller's JSON schema: what of it is handled, how each provider takes it, and whether an answer fits it.

Handled are the keywords of `keywords.HANDLED`, with references inside the schema. Those of `UNHANDLED` are refused in
the schema of an answer, and told in the description in that of a tool's arguments, which nobody checks; any other is
left out. What a reference points to lies in `$defs` from the check on (`checking`, `references`), so that nothing that
is rewritten later leaves a reference without its target. What a provider does not enforce itself (`subsets`) it is told
in the description, and the answer is checked against the caller's own schema, whoever gave it (`answers`). Sources:
https://platform.openai.com/docs/guides/structured-outputs (supported schemas),
https://platform.claude.com/docs/en/build-with-claude/structured-outputs (JSON schema limitations),
https://ai.google.dev/gemini-api/docs/structured-output (JSON schema support).
"""

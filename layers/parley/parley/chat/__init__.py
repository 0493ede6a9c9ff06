"""Chat: one answer, whole or streamed, alone or as a turn of a conversation."""

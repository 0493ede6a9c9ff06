"""Users' provider keys: stored, verified, rotated, decrypted for a call."""

"""One model call: admit, look in the caches, choose, call, settle."""

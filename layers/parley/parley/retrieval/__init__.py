"""Finding: what a search asks for, the SQL of it, and the chunks that documents are found by."""

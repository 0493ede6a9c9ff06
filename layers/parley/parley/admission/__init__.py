"""Hold and settle: what a request holds, its row, and what goes on while the database is away."""

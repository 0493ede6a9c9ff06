"""The model providers: one small protocol, three adapters, and the catalogue of models and prices."""

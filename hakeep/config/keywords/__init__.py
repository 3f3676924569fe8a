"""The language: every keyword, where it stands, what it takes. `static.ROOT` is the whole of it."""

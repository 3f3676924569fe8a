"""How news leave the host: a program that takes one order at a time and carries it out."""

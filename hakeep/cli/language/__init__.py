"""The language server: what `hakeep check`, `fmt` and `man` know, told to an editor while one types.

`positions` counts as editors count, `checking` finds what is wrong, `mending` what may be put right by itself, and
`server` speaks the protocol.
"""

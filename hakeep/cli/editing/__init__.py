"""Editing the configuration of a running daemon as safely as visudo edits sudoers: the parts of `hakeep edit`.

A lock keeps a second editor out, a private draft keeps the daemon from half a thought, a judgement comes before the
install, the install is one rename, and what was there before stays as a numbered copy.
"""

"""What `hakeep ipvs` is made of: ipvsadm(8)'s command line and its output, as functions of values.

`command_line` declares the options, `command` makes a command of what was said, `listing` and `rules` put a table into
ipvsadm's words, `connections` the connection table. None of them touches the kernel: that is done in `hakeep_ipvs`.
"""

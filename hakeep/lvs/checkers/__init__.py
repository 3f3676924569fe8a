"""The checkers: one coroutine each, from a question to a `Result`.

A checker neither waits for its time nor retries nor knows of weights and quorums: the engine does all that. It never
raises for anything that a server or a network can do; what it raises is a defect of ours. Replies are hostile: memory
and time are bounded.

`CHECKERS` maps the class of a probe to its coroutine. A package of somebody else adds one with the entry point group
``hakeep.checkers``.
"""

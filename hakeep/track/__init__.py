"""The track worker: it watches what moves priorities, and tells the vrrp engine of it through the supervisor.

What decides is pure and small: `streak` (how many equal results in a row count), `number` (what a file says), `census`
(which processes count, and for how long), `echoes` (how many pings may be lost), `rota` (when what is due), `standing`
(what is known of each thing, and when it is told). What touches the world is one room for each kind of thing:
`commands` (scripts and systemd units, through the `spawner`), `files`, `processes`, `probes` (ping, TCP, HTTP) and
`routes`. A room has two doors: `follow` says what is watched from now on, `run` watches. `process` holds them together.
"""

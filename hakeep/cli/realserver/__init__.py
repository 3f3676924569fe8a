"""What a real server needs that gets its packets by direct routing or through tunnels, and how it is brought about.

Such packets are addressed to the virtual server, not to the real one. So the real server must have the virtual
server's address, or it throws them away; but it must not say so on the wire, or clients find it instead of the
director. `needs` says what that means in settings, interfaces and addresses, `host` looks and changes, `boot` keeps it
over a reboot.
"""

"""The LVS director: which real servers are well, and what the kernel's table should therefore hold."""

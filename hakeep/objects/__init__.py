"""What a kernel can hold, as frozen values with a key.

Kernel state is never commanded here, it is *wanted*: the engines say which of these values should exist, `diff`
compares them with those that do, and the kernel floor carries the changes out.
"""

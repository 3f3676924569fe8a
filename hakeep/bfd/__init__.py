"""BFD, Bidirectional Forwarding Detection (RFC 5880): is the way to that neighbor good, in both directions?"""

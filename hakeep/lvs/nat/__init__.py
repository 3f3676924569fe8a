"""A director without IPVS: services as nftables chains that rewrite destinations (NAT).

What a service does with a new connection is decided once, by rules; the kernel's connection tracking remembers it for
all packets that follow. So a real server that is removed or has weight 0 keeps the connections it has, and the source
address stays the client's, as with IPVS's NAT: real servers must send their answers back through the director, which
must forward packets (net.ipv4.ip_forward, net.ipv6.conf.all.forwarding). Nothing is masqueraded. When a server is
removed, the kernel is told to forget what would lead new connections to it: those that it did not answer or that are
over, whose client may use the same port again. Senders of datagrams, whose connections never end while they send, are
given another server.

Each family has a table of its own, because a kernel may lack IPv6::

    prerouting, output   where packets come in and where ours go out; both jump to
    dispatch             which service? Marks first, then address and port, then address alone, as IPVS does
    tcp-192.0.2.1-80     one service: clients that stay where they are, then the scheduler; nobody there: reject
    servers              which real servers there are, and how much they weigh
    arriving, leaving, ageing, opening, traffic    timeouts and traffic of connections that were rewritten

This frame stays when the last service goes: the kernel would translate no more packets of the connections there are.
What was left by an earlier version that laid it out otherwise is replaced in the transaction that adds ours.

Names are made from keys, so that keys can be read off them, and comments hold the rest: what we made is found again
after a restart, without a memory of our own (`names`, `reading`). Schedulers are tables of slots (`spread`), which
stand in a service's rules (`chain`). `rules` writes the script of a change, `limits` says what cannot be had,
`counting` what passed.

Where it differs from IPVS: a client stays (persistence) for so long after its last new connection, not after its last
packet; a server of weight 0 gets no new connections of clients that stayed with it either, as with IPVS's
expire_quiescent_template; and packets back from the servers of a fwmark are not counted.
"""

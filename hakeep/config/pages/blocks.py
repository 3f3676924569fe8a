"""Pages of what is wrong with blocks and keywords, whatever their values are."""

from __future__ import annotations

from hakeep.config.diagnostic import Code

BLOCKS: dict[Code, str] = {
    Code.UNKNOWN_KEYWORD: """\
A word that is no keyword here

It is a typo, a keyword of another block, or a word of another program or of a former version. The line is left out,
and if braces follow, the whole block. keepalived complains and starts all the same, without what the line was to say;
and it takes the end of an unknown block for the end of the block around it.

Example::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        prioritty 150
        virtual_ipaddress { 192.0.2.100/24 }
    }

Cure::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        priority 150
        virtual_ipaddress { 192.0.2.100/24 }
    }
""",
    Code.MISPLACED_KEYWORD: """\
A keyword after the end of its block

The block was closed before this line, which belongs into it. Usually there is a brace too many above. What stands
outside is left out.

Example::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        virtual_ipaddress { 192.0.2.100/24 }
    }
    priority 150

Cure::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        virtual_ipaddress { 192.0.2.100/24 }
        priority 150
    }
""",
    Code.MISSING_BRACE: """\
A block without its opening brace

The keyword begins a block, but no `{` follows. It is taken for an empty block, and the lines that were to be in it
stand outside.

Example::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        virtual_ipaddress 192.0.2.100/24
    }

Cure::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        virtual_ipaddress { 192.0.2.100/24 }
    }
""",
    Code.UNEXPECTED_BRACE: """\
An opening brace where none belongs

The keyword before it takes a value, not a block. The block is left out.

Example::

    vrrp_instance VI_1 {
        interface eth0 { mtu 1500 }
        virtual_router_id 51
        virtual_ipaddress { 192.0.2.100/24 }
    }

Cure::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        virtual_ipaddress { 192.0.2.100/24 }
    }
""",
    Code.UNCLOSED_BLOCK: """\
A block that is never closed

A `}` is missing. All that follows counts as part of the block, until a keyword shows where it must have ended.

Example::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        virtual_ipaddress {
            192.0.2.100/24
    }

Cure::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        virtual_ipaddress {
            192.0.2.100/24
        }
    }
""",
    Code.EXTRA_BRACE: """\
A closing brace that closes nothing

There is a `}` too many, here or above.

Example::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        virtual_ipaddress { 192.0.2.100/24 }
    }
    }

Cure::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        virtual_ipaddress { 192.0.2.100/24 }
    }
""",
    Code.BLOCK_NAME: """\
A block needs exactly one name

A vrrp_instance or vrrp_sync_group is known by one word. Without it, or with two, the block is left out. A name with
blanks is quoted.

Example::

    vrrp_instance WEB INSIDE {
        interface eth0
        virtual_router_id 51
        virtual_ipaddress { 192.0.2.100/24 }
    }

Cure::

    vrrp_instance WEB_INSIDE {
        interface eth0
        virtual_router_id 51
        virtual_ipaddress { 192.0.2.100/24 }
    }
""",
    Code.EXTRA_WORDS: """\
Words that nobody reads

Words before the brace of a block that has no name mean nothing; before that of a list they are an error.
Words behind the value of a keyword mean nothing either: a line holds one keyword.

Example::

    global_defs here { router_id here }

Cure::

    global_defs { router_id here }
""",
    Code.DUPLICATE: """\
Two blocks with the same name

The first one counts, the second one is left out whole. Usually a block was copied and its name forgotten.

Example::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        virtual_ipaddress { 192.0.2.100/24 }
    }
    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 52
        virtual_ipaddress { 192.0.2.101/24 }
    }

Cure::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        virtual_ipaddress { 192.0.2.100/24 }
    }
    vrrp_instance VI_2 {
        interface eth0
        virtual_router_id 52
        virtual_ipaddress { 192.0.2.101/24 }
    }
""",
    Code.REPEATED: """\
A keyword is given twice

Most keywords may come again, and the last one counts; a warning says so where both stand in one file. For some the
first one counts, and the second is an error: notify scripts, FIFOs and a few more.

Example::

    global_defs { enable_script_security }
    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        virtual_ipaddress { 192.0.2.100/24 }
        notify_master /usr/local/bin/one.sh
        notify_master /usr/local/bin/two.sh
    }

Cure::

    global_defs { enable_script_security }
    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        virtual_ipaddress { 192.0.2.100/24 }
        notify_master /usr/local/bin/both.sh
    }
""",
    Code.MISSING_PARAMETER: """\
A keyword without the word it needs

For most keywords keepalived does not go on after that: it does not start, and -t exits with 2.

Example::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id
        virtual_ipaddress { 192.0.2.100/24 }
    }

Cure::

    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        virtual_ipaddress { 192.0.2.100/24 }
    }
""",
    Code.DEPRECATED: """\
A word that has another name now

It still works. The new name is understood by all versions that are in use.

Example::

    virtual_server 192.0.2.100 80 {
        protocol TCP
        lvs_sched rr
        lvs_method DR
        real_server 192.0.2.21 80 {
            HTTP_GET {
                nb_get_retry 3
                url { path / }
            }
        }
    }

Cure::

    virtual_server 192.0.2.100 80 {
        protocol TCP
        lvs_sched rr
        lvs_method DR
        real_server 192.0.2.21 80 {
            HTTP_GET {
                retry 3
                url { path / }
            }
        }
    }
""",
}

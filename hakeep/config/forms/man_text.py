"""What hakeep.conf(5) says around the keywords: how to begin, how the file is read, what is unlike keepalived."""

DESCRIPTION = """
hakeepd reads one file, and what that file includes. It is the file that keepalived reads: a working keepalived.conf
means the same here, unchanged, but for what hakeepd does not do. That it says at start, and it does not start where
leaving it out would be dangerous. If /etc/hakeep/hakeep.conf does not exist, /etc/keepalived/keepalived.conf is read.

A virtual address is an address that belongs to no host for good. A few hosts are configured alike; one of them, the
MASTER, has the address and says so once a second, in packets called adverts. When a few of these in a row are missed,
the best of the others, who were BACKUP, takes the address and becomes MASTER. A host that cannot do its work, because
its interface is down for example, is in FAULT. The language between them is VRRP, RFC 9568.

The page can be read from top to bottom. `hakeep man WORD` shows the entry of one keyword, and `hakeep man /TEXT` looks
for text in all of them. `hakeep check FILE` explains what is wrong with a file.
"""

FIRST = """
Two hosts, first and second, share 192.0.2.10. Both have this file, in which only the priorities differ:

    vrrp_instance web {
        interface eth0
        virtual_router_id 51
        priority 150            # on the second host: 100
        advert_int 1

        virtual_ipaddress {
            192.0.2.10/24
        }
    }

The line that begins with vrrp_instance opens a block and gives it a name. Inside, each line is a keyword and its
values. interface is the network that both hosts are on. virtual_router_id is a number that nobody else on this network
uses, and the same on both. The host with the higher priority is MASTER while it runs. virtual_ipaddress is a block of
addresses, one on each line, with the length of their network.

Check it, and run it as root in the foreground, where it says on the terminal what it does:

    hakeep check hakeep.conf
    hakeepd -n -l -f hakeep.conf

On another terminal, look at its state:

    hakeep status

If the first host dies, the second one has the address within four seconds: three adverts of one second missed, and a
fraction of a second that depends on its priority. When the first host is back it takes the address again; `nopreempt`
on both would leave it where it is.

Adverts go to all hosts of the network that listen, by multicast. Where that is not possible, as in most clouds, the
block also names the addresses of this host and of the other one, which on the second host are exchanged:

    unicast_src_ip 192.0.2.1
    unicast_peer {
        192.0.2.2
    }
"""

READING = """
Words are separated by blanks. A keyword and its values are on one line. A block is opened by { and closed by }; where
the line breaks are around braces does not matter.

Whatever follows # or ! on a line is a comment, unless it stands within double quotes or after a backslash.

A value with blanks in it stands within double quotes. Nothing but ${NAME} (see Definitions) is special within them, and
there is no way to write a double quote. Single quotes are ordinary characters. Commands are read in another way, much
like a shell's: both kinds of quotes group, and a backslash takes away the meaning of the character after it. The first
word is the command with its arguments, so it needs quotes if it has any; the words after it are the account that it
runs as:

    notify_master "/usr/lib/hakeep/tell --loud" nobody

Truth values are true, on and yes, or false, off and no; the keyword alone means true. Times are in seconds with a
decimal point, unless said otherwise. Capital letters matter.

A keyword that is given again replaces what was said before; where it is otherwise its entry says so.

A line must be shorter than 1024 bytes. hakeepd also reads the same language written as YAML; `hakeep convert`
translates.
"""

INCLUDES = """
include PATTERN puts in the files that match, anywhere, even inside a block. Names are relative to the directory of the
file that includes. *, ? and [a-z] match as in a shell, and {a,b} means both. A file must not be executable. Nothing
matching is no error, but for these variants: includer complains about files that cannot be read, includem if nothing
matches, includew if a pattern with wildcards matches nothing, includeb if one of the alternatives in braces does not,
includea about all of these.

    include /etc/hakeep/conf.d/*.conf
"""

CONDITIONS = """
A line that begins with @NAME counts only on the host of that name, one with @^NAME on all others. The name is the host
name up to its first dot, or what the option -i says. So the same file serves both hosts:

    @first  priority 150
    @^first priority 100
"""

DEFINITIONS = """
$NAME=text gives a name to a text, without a blank before the equals sign. From there on $NAME puts the text in where a
blank, a comma, a closing parenthesis or the end of the line follows, ${NAME} anywhere. What is not defined stays as it
is written. A text of several lines has a backslash at the end of each line but the last. Definitions may use one
another; they are looked up when they are used.

    $SITE=192.0.2
    vrrp_instance web {
        interface eth0
        virtual_router_id 51
        virtual_ipaddress {
            ${SITE}.10/24
        }
    }

Some are there from the start: ${_PWD} is the directory of the file, ${_INSTANCE} the name that `instance` gives, ${_ENV
NAME} a variable of the environment, ${_RANDOM MIN MAX} a random number, ${_HASH} and ${_BANG} the signs # and !.
"""

SEQUENCES = """
A line that begins with ~SEQ(var, first, last) is repeated for each number from first to last, which stands in the place
of $var; between the two a step may be given, as in ~SEQ(var, 10, 5, 30). ~SEQx counts in hexadecimal. ~LST(var, a, b,
c) goes through a list, and ~LST({x,y}, {1,2}, {3,4}) through a list of pairs.

    virtual_ipaddress {
        ~SEQ(n, 10, 19) 192.0.2.$n/24
    }
"""

BLOCKS = """
Each block is shown with its keywords: what follows the keyword, with the range of numbers; what it means; its default;
an example. Words in capitals are placeholders, [ ] encloses what may be left out, | separates alternatives.

Unless said otherwise a keyword is as old as keepalived 2.2. Reload says when a change takes effect after SIGHUP or
`systemctl reload`: at once, without touching anything else; by a new start of the instance, which gives its addresses
away and takes them again; or not before the daemon is started again.

Some keywords are known but not acted on. hakeepd says so at start, with what happens instead. Where leaving them out
would be dangerous it refuses to start. `hakeep keywords --unsupported` lists them all.
"""

OUTERMOST = """
These stand on the outermost level, and not in `global_defs`. Lists have one entry a line.
"""

CHECKS = """
A real server may have several checks, of one kind or of several. It is used while all of them succeed. What a check
does not say itself it inherits from the real server, and that from the virtual server.
"""

DIFFERENCES = """
The same file means the same thing. What is not acted on, `hakeep keywords --unsupported` lists. These differences are
intended:

A mistake gives one message. keepalived takes what is inside an unknown block for keywords of the block around it, and
its closing brace for that block's; hakeep leaves an unknown block out whole.

A configuration that cannot be used never stops a daemon that runs: at a reload the new file is read in a process of its
own, and if anything is wrong with it the old one stays in force. keepalived needs `reload_check_config` for that.

A missing configuration file is an error, also for -t.

A definition that refers to itself is an error; keepalived never ends. A file of definitions and sequences may come to a
limited number of lines.

Addresses are guarded by `vip_fence` and `vip_lease`, so that they do not outlive the daemon. Both can be turned off.

`skip_check_adv_addr` with false and `owner_ignore_adverts` with false mean what they say; keepalived 2.4.3 takes them
for true.

Rules against packets are made with nftables only, in a table called hakeep. `vrrp_iptables` and `vrrp_ipsets` are
accepted.

Pid files, dumps and the control socket are in /run/hakeep, not in /run and /tmp; the option --compat-paths puts them
where keepalived has them.

Scripts of an instance run one state after the other and the newest state wins, so that a script for BACKUP that takes
long cannot end after the one for MASTER.
"""

FILES = """
/etc/hakeep/hakeep.conf is read first, /etc/keepalived/keepalived.conf if there is none. Keep it readable by root alone
if there are passwords in it.
"""

BEFORE = (("DESCRIPTION", DESCRIPTION), ("A FIRST PAIR", FIRST), ("HOW THE FILE IS READ", READING))
#: What belongs to how the file is read.
STAGES = (
    ("Includes", INCLUDES), ("Conditions", CONDITIONS), ("Definitions", DEFINITIONS), ("Sequences", SEQUENCES))
AFTER = (("DIFFERENCES FROM KEEPALIVED", DIFFERENCES), ("FILES", FILES))
SEE = (("hakeep", 1), ("hakeepd", 8), ("ip-address", 8), ("ip-route", 8), ("ip-rule", 8), ("nft", 8))

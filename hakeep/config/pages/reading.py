"""Pages of what is wrong with files, lines, definitions and sequences."""

from __future__ import annotations

from hakeep.config.diagnostic import Code

READING: dict[Code, str] = {
    Code.FILE_MISSING: """\
The configuration file does not exist

Nothing can be started without it. hakeepd looks for /etc/hakeep/hakeep.conf, then for
/etc/keepalived/keepalived.conf, unless -f names another file.

Example::

    $ hakeep check hakeep.conf

Cure::

    $ echo 'global_defs { router_id here }' > hakeep.conf
    $ hakeep check hakeep.conf
""",
    Code.FILE_UNUSABLE: """\
A file that cannot be used as configuration

A configuration file must be a regular file that can be read and that nobody may execute: keepalived skips a file with
an execute permission, as it might be a script that came under a pattern by mistake.

Example::

    $ echo 'global_defs { router_id here }' > hakeep.conf
    $ cp hakeep.conf more.conf
    $ chmod +x more.conf
    $ hakeep check '*.conf'

Cure::

    $ echo 'global_defs { router_id here }' > hakeep.conf
    $ cp hakeep.conf more.conf
    $ chmod -x more.conf
    $ hakeep check '*.conf'
""",
    Code.INCLUDE_FAILED: """\
An include that finds nothing

The pattern matches no file, or a file cannot be read. After a plain include reading goes on, with a warning; after
includea, includer, includem, includew or includeb, or with include_check, it is an error and nothing starts. A
relative name starts from the folder of the file with the include.

Example::

    includea conf.d/*.conf

Cure::

    global_defs { router_id here }
""",
    Code.INCLUDE_CYCLE: """\
A file that includes itself

Directly or through others, the file would be read again and again. The second reading is left out.

Example::

    global_defs { router_id here }
    include hakeep.conf

Cure::

    global_defs { router_id here }
""",
    Code.LINE_TOO_LONG: """\
A line of 1024 bytes or more

keepalived reads lines into a buffer of 1024 bytes and drops a longer one, and so does hakeep. Take a definition of
several lines for it, or one line for each entry.

Example::

    $ printf '# %02000d\\n' 0 > hakeep.conf
    $ hakeep check hakeep.conf

Cure::

    $ printf '# %0200d\\n' 0 > hakeep.conf
    $ hakeep check hakeep.conf
""",
    Code.NUL_BYTE: """\
A line with a NUL byte

That is no text: the file was damaged, or it is not a configuration, or it is in UTF-16. The line is dropped.

Example::

    $ printf 'global_defs { router_id he\\000re }\\n' > hakeep.conf
    $ hakeep check hakeep.conf

Cure::

    $ printf 'global_defs { router_id here }\\n' > hakeep.conf
    $ hakeep check hakeep.conf
""",
    Code.QUOTE: """\
A quote that is not closed

A double quote begins a word that may hold blanks, and the next one on the same line ends it. Without that the rest of
the line is lost. Single quotes mean something in commands only.

Example::

    global_defs { router_id "here and there }

Cure::

    global_defs { router_id "here and there" }
""",
    Code.YAML: """\
Text that is not YAML

A file that is to be YAML (by its suffix or its first lines) cannot be read as such. Usually the indentation is wrong,
or a colon is missing. Nothing of it is used.

Example::

    $ printf 'global_defs: {router_id: here\\n' > hakeep.yaml
    $ hakeep check hakeep.yaml

Cure::

    $ printf 'global_defs: {router_id: here}\\n' > hakeep.yaml
    $ hakeep check hakeep.yaml
""",
    Code.SHAPE: """\
YAML of another shape than the keyword has

The YAML is well-formed, but a list stands where one value belongs, or a word where a block belongs. `hakeep schema`
gives the shape of everything to an editor that can complete and check it.

Example::

    $ printf 'vrrp_instance: VI_1\\n' > hakeep.yaml
    $ hakeep check hakeep.yaml

Cure::

    $ printf 'global_defs: {router_id: here}\\n' > hakeep.yaml
    $ hakeep check hakeep.yaml
""",
    Code.SELF_REFERENCE: """\
A definition that refers to itself

The text of a definition is put in when it is used, and then searched for further definitions. If it names itself,
directly or through others, that would never end. keepalived does not end.

Example::

    $NAME=here ${NAME}
    global_defs { router_id ${NAME} }

Cure::

    $NAME=here
    global_defs { router_id ${NAME} }
""",
    Code.UNDEFINED: """\
Something that looks like a definition and is none

$NAME is replaced where the end of the line, a blank, a comma or a closing parenthesis follows it; ${NAME} is replaced
anywhere. What has no definition stays as it is written, without a word from keepalived, and braces are then taken for
those of a block. Definitions must stand before their use.

Example::

    global_defs {
        router_id $NAME
    }

Cure::

    $NAME=here
    global_defs {
        router_id $NAME
    }
""",
    Code.DEFINITION: """\
A definition of several lines used in the middle of a line

Its lines are put in the place of the line that uses it. Text may stand before the name, but nothing after it.

Example::

    $PLACE= \\
        interface eth0 \\
        virtual_router_id 51
    vrrp_instance VI_1 {
        $PLACE priority 100
        virtual_ipaddress { 192.0.2.100/24 }
    }

Cure::

    $PLACE= \\
        interface eth0 \\
        virtual_router_id 51
    vrrp_instance VI_1 {
        $PLACE
        priority 100
        virtual_ipaddress { 192.0.2.100/24 }
    }
""",
    Code.SEQUENCE: """\
A ~SEQ or ~LST that cannot be counted

~SEQ(VAR, START, STEP, END) repeats its line for each number, ~LST(VAR, A, B, ...) for each word. The step must lead
from the start to the end.

Example::

    ~SEQ(N, 1, -1, 3) static_ipaddress { 192.0.2.${N}/24 dev eth0 }

Cure::

    ~SEQ(N, 1, 1, 3) static_ipaddress { 192.0.2.${N}/24 dev eth0 }
""",
    Code.TOO_MUCH: """\
More than can be meant

Definitions and sequences can make a few lines into billions. hakeep reads up to five million lines, and stops there
rather than eat up the machine's memory.

Example::

    ~SEQ(N, 1, 4000000000) static_ipaddress { 192.0.2.${N}/24 dev eth0 }

Cure::

    ~SEQ(N, 1, 4) static_ipaddress { 192.0.2.${N}/24 dev eth0 }
""",
}

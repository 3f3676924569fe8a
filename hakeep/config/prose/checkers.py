"""The checks of a real server."""

TEXT = """\
MISC_CHECK
    Whatever a command can find out. A server is up while all its checks succeed; one without checks is always up.

SMTP_CHECK
    Connects, says HELO, and quits.

TCP_CHECK
    Says that something listens there, not that it works, unless `send` and `expect` hold a talk with it. With `tls` it
    also says that the server can encrypt.

PING_CHECK
    Says that the machine is there, nothing about the service.

UDP_CHECK
    A port that nobody listens on is refused; otherwise silence is good, unless `require_reply` is set.

HTTP_GET
    Fetches one or several pages and looks at the status, a checksum or the text.

SSL_GET
    As `HTTP_GET`, over TLS. Certificates of servers are not verified, unless `tls_verify` is given.

DNS_CHECK
    Asks a question; any answer without an error is good.

FILE_CHECK
    Somebody else's judgement, as a number in a file.

AGENT_CHECK
    Connects and reads one line, in the words of HAProxy's agent checks: up, ready, down, failed, stopped, maint, drain,
    or a percentage of the weight, as 75%. So a server can take itself out, or ask for less.

GRPC_CHECK
    Asks the standard service grpc.health.v1.Health, which most libraries for gRPC bring along.

BFD_CHECK
    Follows the session of a `bfd_instance`.

log_all_failures
    Otherwise only the change is logged.

connect_ip connect_port
    To ask something else than the real server itself.

bindto bind_port
    For servers that answer only to certain addresses or ports.

bind_if
    Link-local addresses need it.

fwmark
    Lets policy routing tell checks from other traffic.

misc_path
    Exit status 0 is good, any other bad; but see `misc_dynamic`. Further words are arguments.

misc_timeout
    It is then ended by SIGTERM, and two seconds later by SIGKILL, and has failed.

misc_dynamic
    Exit status 2 to 255 then means: good, and the weight is two less than that. 1 is bad. 0 is good with the
    configured weight.

MISC_CHECK/user
    Running checks as root is seldom needed.

helo_name
    Some mail servers refuse names that do not exist.

host
    Each is a check of its own: give several `SMTP_CHECK` blocks today.

payload
    Hexadecimal digits, two for each byte, blanks between them as you like.

require_reply
    Hexadecimal digits which the answer must begin with; X stands for any digit. Without digits any answer is good.

min_reply_length max_reply_length
    Counted in bytes.

type
    What the answer says is not looked at, only that there is one.

DNS_CHECK/name
    A name that the server is sure to know.

FILE_CHECK/track_file
    Its number times the weight is added to the weight of the server.

FILE_CHECK/weight
    With 0, any number but 0 means down.

BFD_CHECK/name
    The session must be configured before.

http_protocol
    1.0C is 1.0 with a header that asks to close the connection. 2 needs TLS with ALPN in `SSL_GET`; in `HTTP_GET` it is
    spoken at once, without TLS.

http_body_max
    A longer page has failed: memory is not left to the mercy of the server.

method
    HEAD saves the server the work of a body that nobody looks at.

header
    In the request. Give one line for each; quote a value with blanks in it.

body
    For POST and PUT. Escapes are \\r, \\n, \\t, \\\\ and \\xNN, which can be any byte.

basic_auth
    The password is sent as good as openly, unless by `SSL_GET`.

expect_header
    In the answer. With a value, that is all that the header must say.

json_path
    Names in the document, each with a dot before it, and numbers of list entries in brackets, from 0 on. What is there
    must be the second word; true, false and null are these words.

follow_redirects
    An answer that leads elsewhere (301, 302, 303, 307, 308) is then not judged, but the page that it leads to. Only the
    path can change: the same server is asked.

send
    Escapes are \\r, \\n, \\t, \\\\ and \\xNN, which can be any byte.

expect
    It may stand anywhere in the answer, and must come within `connect_timeout`. Escapes are as in `send`.

GRPC_CHECK/service
    As its interface definition names it, with the package.

tls
    For servers that speak nothing else on this port.

tls_verify
    Until then an expired certificate, or one of somebody else, is as good as any. The name that is verified is that of
    `sni_name`, else of the Host header, else the address.

tls_ca
    A file in PEM form, for authorities of one's own.

tls_expiry_warning
    It is logged once a day, and the server stays up.

alpn
    Names as in the registry of IANA, the best one first.

enable_sni
    Servers with several certificates choose by it.

sni_name
    In web checks instead of the name in the Host header.

fast_recovery
    A server that comes back has to pass all its pages; this saves the pauses between them.

url
    Give one block for each page.

path
    With its leading slash, and with ?, if there is any, as in a browser.

digest
    The md5sum of the page, 32 digits. A page that changes with every call cannot be checked so.

status_code
    Numbers and ranges of numbers.

regex
    In the notation of Perl, within quotes; a backslash must be doubled there.

regex_no_match
    Turns the meaning of `regex` around: for words of an error page.

regex_options
    Names as in pcre2api(3), in lower case and without PCRE2_. caseless and multiline are the common ones.

regex_min_offset regex_max_offset
    Counted in bytes from the beginning of the body.

regex_stack
    For expressions that need much.

tls_compliant
    Some servers take it ill if connections just end. It may stand in the check, or in one `url` of it.
"""

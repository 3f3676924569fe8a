"""The checks of a real server."""

TEXT = """\
MISC_CHECK
    Whatever a command can find out. A server is up while all its checks succeed; one without checks is always up.

SMTP_CHECK
    Connects, says HELO, and quits.

TCP_CHECK
    Says that something listens there, not that it works.

PING_CHECK
    Says that the machine is there, nothing about the service.

UDP_CHECK
    A port that nobody listens on is refused; otherwise silence is good, unless `require_reply` is set.

HTTP_GET
    Fetches one or several pages and looks at the status, a checksum or the text.

SSL_GET
    As `HTTP_GET`, over TLS. Certificates of servers are not verified.

DNS_CHECK
    Asks a question; any answer without an error is good.

FILE_CHECK
    Somebody else's judgement, as a number in a file.

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
    Exit status 2 to 255 then means: good, and the weight is two less than that. 1 is bad, 0 leaves the weight alone.

MISC_CHECK/user
    Running checks as root is seldom needed.

helo_name
    Some mail servers refuse names that do not exist.

host
    Its keywords act as if they stood in the check itself.

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
    1.0C is 1.0 with a header that asks to close the connection.

enable_sni
    Servers with several certificates choose by it.

sni_name
    Instead of the name in the Host header.

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

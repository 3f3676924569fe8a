"""Command lines for ipvsadm(8) and `hakeep ipvs`, shared by who runs them and who judges. Only the standard library."""

from __future__ import annotations

#: A table that has one of everything. Each line is taken by both programs.
ACCEPTED = """
-A -t 10.0.0.1:80
-a -t 10.0.0.1:80 -r 10.1.0.1:8080 -m -w 3
-a -t 10.0.0.1:80 -r 10.1.0.2 -g -w 0
-a -t 10.0.0.1:80 -r 10.1.0.3:81 -i
-a -t 10.0.0.1:80 -r 10.1.0.4 -i --tun-type gue --tun-port 5555 --tun-csum
-a -t 10.0.0.1:80 -r 10.1.0.5 -i --tun-type gre --tun-csum
-a -t 10.0.0.1:80 -r 10.1.0.6 -i --tun-type gue --tun-port 5555 --tun-nocsum
-a -t 10.0.0.1:80 -r 10.1.0.7 -i --tun-type gue --tun-port 70 --tun-remcsum
-a -t 10.0.0.1:80 -r 10.1.0.8 -i --tun-type gue --tun-port 71
-a -t 10.0.0.1:80 -r 10.1.0.9 -i --tun-type gre
-a -t 10.0.0.1:80 -r 127.0.0.1 -w 2147483647
--add-service --tcp-service 10.0.0.2:443 --scheduler mh --sched-flags mh-port,mh-fallback --persistent
--add-server --tcp-service=10.0.0.2:443 --real-server=10.1.0.1 --masquerading --weight=7
-A -t 10.0.0.3:80 -s sh -b sh-port -p 55 -M 255.255.255.0
-E -t 10.0.0.3:80 -s sh -b sh-port,sh-fallback -p 56 -M 255.255.0.0
-A -t 10.0.0.4:80 -p -M 255.0.255.0
-At 10.0.0.5:http -srr
-A -s rr -t10.0.0.6:0 -p60
-A -t 10.0.0.7 -p 2678400
-A -t 192.168.0.1:80
-A -t 100.64.0.1:80
-A -t 172.16.0.1:80
-A -t 203.0.113.1:80
-a -t 172.16.0.1:80 -r 192.168.0.1
-a -t 172.16.0.1:80 -r 100.64.0.1
-a -t 172.16.0.1:80 -r 10.64.0.1
-a -t 172.16.0.1:80 -r 203.64.0.1
-a -t 172.16.0.1:80 -r 2001:db8::1 -i
-A -u 10.0.0.3:53 -s rr -o
-A -u 10.0.0.3:sip -s rr -p 60 --pe sip
-A -u 10.0.0.4:5060 -s rr -p 60 --pe sip -o -b flag-1,flag-3 -M 255.255.255.128
-A -u 10.0.0.9:5060 --pe sip
-A --sctp-service 10.0.0.4:80 -s wrr -b flag-1,flag-3
-a --sctp-service 10.0.0.4:80 -r 10.1.0.1 -m
-A -t [2001:db8::1]:80 -s wlc -p 30 -M 64
-a -t [2001:db8::1]:80 -r [2001:db8::2]:80 -m
-a -t [2001:db8::1]:80 -r [2001:db8::3]:8080 -m
-a -t [2001:db8::1]:80 -r 2001:db8::4
-a -t [2001:db8::1]:80 -r 10.0.0.5 -i
-A -t [fe80::1]:80
-A -t [1::1]:80
-A -t [2001:db8::ffff:ffff]:80
-A -u [2001:db8::1]:53 -o -s mh -b mh-port
-A -t 2001:db8::7 -p
-A -f 5 -s rr -p 100
-a -f 5 -r 10.1.0.6
-a -f 5 -r 10.1.0.6:99 -g
-a -f 5 -r 10.1.0.7:53 -m
-a -f 5 -r 10.1.0.7:80 -m
-A -f 6 -6 -s rr -M 64 -p
-a -f 6 -6 -r [2001:db8::9]:77 -m
-A -f 7 -o -b flag-2
-A -f 010
-A -t 10.0.0.20:80
-D -t 10.0.0.20:80
-A -t 10.0.0.21:80 -s fo
-a -t 10.0.0.21:80 -r 10.1.0.1 -m
-a -t 10.0.0.21:80 -r 10.1.0.2 -m
-a -t 10.0.0.21:80 -r 10.1.0.3:8081 -m
-d -t 10.0.0.21:80 -r 10.1.0.1
-e -t 10.0.0.21:80 -r 10.1.0.2 -w 9
-e -t 10.0.0.21:80 -r 10.1.0.3:8081 -m -w 5
-E -t 10.0.0.21:80
-A -t www.with.a.name.that.is.too.long.for.the.list.example:80
-a -t www.with.a.name.that.is.too.long.for.the.list.example:80 -r www.with.a.name.that.is.too.long.for.the.list.example
-A -t [2001:db8:8::8]:80
-a -t [2001:db8:8::8]:80 -r [2001:db8:8::8]:80
-Z
-Z -t 10.0.0.1:80
--set 100 0 30
""".strip().splitlines()

#: Afterwards: marks that ipvsadm itself saves as negative numbers, which it does not take.
MARKS = """
-A -f 4294967295
-A -f 2147483648
""".strip().splitlines()

#: Afterwards: thresholds, which -S leaves out.
THRESHOLDS = """
-a -t 203.0.113.1:80 -r 10.1.0.1 -x 100 -y 50
-a -t 203.0.113.1:80 -r 10.1.0.2 -x 65536
""".strip().splitlines()

#: Names of long-named hosts, as in hosts(5).
HOSTS = """127.0.0.1 localhost
10.8.0.1 www.with.a.name.that.is.too.long.for.the.list.example
2001:db8:8::8 www6.with.a.name.that.is.too.long.for.the.list.org
"""

#: Refused by both: the table is the same afterwards. Of these the command line itself makes no sense.
SENSELESS = """
-A
-A -t 10.0.0.99:0
-A -t 10.0.0.99
-A -t 10.0.0.99:
-A -t 10.0.0.99:99999
-A -t 10.0.0.99:nosuchport
-A -t nosuchhost.invalid:80
-A -t 10.0.0.99:80 -u 10.0.0.99:80
-A -t 10.0.0.99:80 -s rr -s wlc
-A -t 10.0.0.99:80 -w 5
-A -t 10.0.0.99:80 -n
-A -t 10.0.0.99:80 -r 10.0.0.1
-A -t 10.0.0.99:80 -o
-A -t 10.0.0.99:80 -p 0
-A -t 10.0.0.99:80 -p 2678401
-A -t 10.0.0.99:80 -b nonsense
-A -t 10.0.0.99:80 -b mh-port
-A -t 10.0.0.99:80 -s sh -b mh-port
-A -t 10.0.0.99:80 -M nonsense
-A -t [2001:db8::99]:80 -M 0
-A -t [2001:db8::99]:80 -M 129
-A -t [2001:db8::99]:80 -M 255.255.255.0
-A -t 2001:db8::99:80
-A -f 0
-A -f x
-A -f 0x10
-A -f 4294967296
-A -f 99 extra
-A -D -t 10.0.0.1:80
-D
-a -t 10.0.0.1:80
-a -r 10.0.0.1:80
-a -t 10.0.0.1:80 -r 10.1.0.99 -g -m
-a -t 10.0.0.1:80 -r 10.1.0.99 -w 2147483648
-a -t 10.0.0.1:80 -r 10.1.0.99 -w x
-a -t 10.0.0.1:80 -r 2001:db8::99 -m
-a -t 10.0.0.1:80 -r 10.1.0.99 -g --tun-type ipip
-a -t 10.0.0.1:80 -r 10.1.0.99 -i --tun-type nonsense
-a -t 10.0.0.1:80 -r 10.1.0.99 -i --tun-type gue
-a -t 10.0.0.1:80 -r 10.1.0.99 -i --tun-type gue --tun-port 0
-a -t 10.0.0.1:80 -r 10.1.0.99 -i --tun-type gue --tun-port 5 --tun-csum --tun-nocsum
-a -t 10.0.0.1:80 -r 10.1.0.99 -i --tun-type gre --tun-port 5
-a -t 10.0.0.1:80 -r 10.1.0.99 -i --tun-type gre --tun-remcsum
-a -t 10.0.0.1:80 -r 10.1.0.99 -i --tun-csum
-d -t 10.0.0.1:80
-D -t 10.0.0.1:80 -r 10.0.0.1
-C -t 10.0.0.1:80
-L -x 5
-L -c --stats
-L --timeout --stats
-L --daemon --timeout
-L -c -t 10.0.0.1:80
-L -t 10.0.0.1:80 --timeout
-L nonsense
-S -t 10.0.0.1:80
-S -c
-Z -r 10.0.0.1
--set 100 20
--set 100 20 x
--set 1 2 3 4
--set 2678401 0 0
--set 1 2 3 -n
--start-daemon nonsense
--start-daemon backup --syncid 256
--start-daemon backup --mcast-port 99999
--start-daemon backup --mcast-ttl 0
--start-daemon backup --mcast-ttl 256
--start-daemon backup --sync-maxlen 0
--start-daemon backup --sync-maxlen 65508
--start-daemon backup --mcast-group 10.0.0.1
--start-daemon backup --mcast-group nonsense
--stop-daemon nonsense
""".strip().splitlines()

#: Of these the kernel is asked, and says no.
IMPOSSIBLE = """
-A -t 10.0.0.1:80
-A -t 10.0.0.99:80 -s nosuch
-A -t 10.0.0.99:80 --pe nosuch
-E -t 10.0.0.99:80
-D -t 10.0.0.99:80
-D -f 99
-Z -t 10.0.0.99:80
-a -t 10.0.0.99:80 -r 10.1.0.1
-a -t 10.0.0.1:80 -r 10.1.0.1:8080 -m
-a -t 10.0.0.1:80 -r 10.1.0.2:99
-a -t 10.0.0.1:80 -r 224.0.0.1
-a -t 10.0.0.1:80 -r 10.1.0.99 -x 5 -y 6
-e -t 10.0.0.1:80 -r 10.1.0.99
-e -t 10.0.0.1:80 -r 10.1.0.1:8080
-d -t 10.0.0.1:80 -r 10.1.0.99
-d -t 10.0.0.1:80 -r 10.1.0.2:99
-L -t 10.0.0.99:80
--start-daemon backup --mcast-interface nosuch
--start-daemon backup
--stop-daemon backup
--start-daemon master --mcast-interface lo
""".strip().splitlines()

#: What is compared byte by byte.
VIEWS = """
-S -n
-S
-L -n
-L
-L -n --stats
-L --stats
-L -n --stats --exact
-L -n --rate
-L -n --rate --exact
-L -n --thresholds
-L -n --persistent-conn
-L -n --tun-info
-L -n --nosort
-L -n --sort
-L --timeout
-L --daemon
-l -n -t 10.0.0.1:80
-l -t 10.0.0.1:80 --stats
-l -n -f 5
-l -n -f 6 -6
-l -n -f 6 -6 --rate
-Ln --stats --rate --thresholds
-Ln --thresholds --persistent-conn --tun-info
-Lnc
-Lc --persistent-conn
""".strip().splitlines()

#: Daemons: each in turn, and what is listed after it.
DAEMONS = """
--start-daemon master --mcast-interface lo --syncid 7
--start-daemon master --mcast-interface lo
--start-daemon backup --mcast-interface lo --syncid 9 --mcast-group 224.0.0.99 --mcast-port 99 --mcast-ttl 3
--stop-daemon backup
--start-daemon backup --mcast-interface lo --sync-maxlen 1000
--stop-daemon master
--stop-daemon backup
--stop-daemon backup
--start-daemon backup --mcast-interface lo --mcast-group ff02::99
--stop-daemon backup
""".strip().splitlines()

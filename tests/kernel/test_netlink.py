from __future__ import annotations

import errno
import socket
from ipaddress import IPv4Address
from typing import Any

import pytest

from hakeep.kernel.netlink import (
    HEADER,
    NLM_F_DUMP_INTR,
    NLMSG_DONE,
    Ack,
    Done,
    Netlink,
    NetlinkError,
    Overrun,
    Part,
)
from hakeep.kernel.rtnl import (
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTMGRP_IPV4_IFADDR,
    Encoder,
    encode_delete_link,
    encode_dump_links,
    encode_get_link,
)
from hakeep.objects.rtnl import Address

pytestmark = pytest.mark.netns

LOOPBACK = 1


def address(number: int) -> Address:
    return Address("lo", IPv4Address("10.0.0.0") + number, 32)


def test_a_batch_is_one_send_and_every_message_is_answered(lab: Any) -> None:
    netlink = lab.keep(lab.namespace().run(Netlink))
    encoder = Encoder()
    batch = [encoder.add(address(n), LOOPBACK) for n in (1, 2, 1)] + [encoder.delete(address(9), LOOPBACK)]
    sequence = netlink.send(batch)
    assert len(sequence) == 4
    answers: list[Ack] = []
    while found := netlink.receive():  # the kernel has answered all of it before send returned
        answers += found
    assert [(a.seq, a.errno) for a in answers] == list(
        zip(sequence, (0, 0, errno.EEXIST, errno.EADDRNOTAVAIL), strict=True)
    )
    assert netlink.receive() == []
    assert netlink.send([batch[0]])[0] == sequence[-1] + 1
    assert netlink.send([]) == range(sequence[-1] + 2, sequence[-1] + 2)


def test_a_quiet_batch_answers_refusals_and_the_last(lab: Any) -> None:
    netlink = lab.keep(lab.namespace().run(Netlink))
    encoder = Encoder()
    batch = [encoder.add(address(n), LOOPBACK) for n in (1, 2, 1, 3, 4)]
    sequence = netlink.send(batch, quiet=True)
    answers: list[Any] = []
    while found := netlink.receive():
        answers += found
    assert [(a.seq, a.errno) for a in answers] == [(sequence[2], errno.EEXIST), (sequence[4], 0)]
    netlink.send([encoder.delete(address(1), LOOPBACK), batch[0]])  # and the messages are as they were
    assert [len(netlink.receive()) for _ in range(3)] == [1, 1, 0]


def test_the_messages_as_given_are_not_changed(lab: Any) -> None:
    netlink = lab.keep(lab.namespace().run(Netlink))
    message = Encoder().add(address(1), LOOPBACK)
    before = bytes(message)
    netlink.send([message])
    assert message == before


def test_sequence_numbers_begin_again_before_they_overflow(lab: Any) -> None:
    netlink = lab.keep(lab.namespace().run(Netlink))
    netlink._last_seq = 0x7FFFFFFF
    assert netlink.send([Encoder().add(address(1), LOOPBACK)]) == range(0x80000000, 0x80000001)
    assert netlink.receive() == [Ack(0x80000000, 0)]
    assert netlink.send([Encoder().add(address(2), LOOPBACK)]) == range(1, 2)


def test_a_dump_comes_in_parts(lab: Any) -> None:
    namespace = lab.namespace()
    for n in range(40):
        namespace.ip(f"link add v{n} type veth peer name w{n}")
    netlink = lab.keep(namespace.run(Netlink))
    (seq,) = netlink.send([encode_dump_links()])
    found: list[Any] = []
    while incoming := netlink.receive():
        found += incoming
    assert found[-1] == Done(seq, 0, False)
    assert len(found) > 80
    assert all(isinstance(part, Part) and part.type == RTM_NEWLINK and part.seq == seq for part in found[:-1])
    assert len(netlink.request(encode_dump_links())) == len(found) - 1


def test_an_interrupted_dump_says_so(lab: Any) -> None:
    netlink = lab.keep(lab.namespace().run(Netlink))

    def parts(seq: int, flags: int) -> list[Any]:
        data = HEADER.pack(20, RTM_NEWLINK, 2 | flags, seq, 7) + bytes(4)
        data += HEADER.pack(20, NLMSG_DONE, 2, seq, 7) + bytes(4)
        return list(netlink._split(memoryview(data)))

    assert parts(5, NLM_F_DUMP_INTR)[-1] == Done(5, 0, True)
    assert parts(5, 0)[-1] == Done(5, 0, False)


@pytest.mark.parametrize("length", [0, 8, 15, 64])
def test_a_length_that_makes_no_sense_ends_the_reading(lab: Any, length: int) -> None:
    netlink = lab.keep(lab.namespace().run(Netlink))
    assert list(netlink._split(memoryview(HEADER.pack(length, RTM_NEWLINK, 0, 1, 0)))) == []


def test_request_raises_what_the_kernel_says(lab: Any) -> None:
    netlink = lab.keep(lab.namespace().run(Netlink))
    assert len(netlink.request(encode_get_link("lo"))) == 1
    with pytest.raises(NetlinkError) as raised:
        netlink.request(encode_get_link("none"))
    assert raised.value.errno == errno.ENODEV
    with pytest.raises(NetlinkError) as raised:
        netlink.request(encode_delete_link(LOOPBACK))
    assert raised.value.errno == errno.EOPNOTSUPP


def test_the_kernels_own_words_are_kept(lab: Any) -> None:
    netlink = lab.keep(lab.namespace().run(Netlink))
    broken = Address("lo", IPv4Address("10.0.0.1"), 33)
    netlink.send([Encoder().add(broken, LOOPBACK)])
    (answer,) = netlink.receive()
    assert answer.errno == errno.EINVAL
    assert "prefix" in answer.text.lower()


def test_a_lost_message_is_a_value(lab: Any) -> None:
    namespace = lab.namespace()
    listener = lab.keep(namespace.run(lambda: Netlink(groups=RTMGRP_IPV4_IFADDR, rcvbuf=1)))
    talker = lab.keep(namespace.run(Netlink))
    encoder = Encoder()
    talker.send([encoder.add(address(n), LOOPBACK) for n in range(1, 60)])
    found: list[Any] = []
    while incoming := listener.receive():
        found += incoming
    assert found.count(Overrun()) == 1
    assert 0 < len(found) - 1 < 59
    assert {part.type for part in found if isinstance(part, Part)} == {RTM_NEWADDR}
    talker.send([encoder.delete(address(1), LOOPBACK)])
    assert isinstance(listener.receive()[0], Part)  # and life goes on


def test_only_the_kernel_is_believed(lab: Any) -> None:
    namespace = lab.namespace()
    usersock = 2  # NETLINK_USERSOCK: processes may write to each other
    netlink = lab.keep(namespace.run(lambda: Netlink(usersock)))
    liar = lab.keep(namespace.run(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, usersock)))
    liar.sendto(HEADER.pack(20, RTM_NEWLINK, 0, 0, 0) + bytes(4), (netlink.port, 0))
    assert lab.readable(netlink)
    assert netlink.receive() == []
    assert not lab.readable(netlink, 0)


def test_every_socket_has_a_port_of_its_own(lab: Any) -> None:
    namespace = lab.namespace()
    one, two = (lab.keep(namespace.run(Netlink)) for _ in range(2))
    assert one.port and two.port and one.port != two.port

"""One host of many domains, and messages with more recipients than one transaction takes."""

import contextlib
import socket
import socketserver
import threading

import pytest
from conftest import served
from dns_zone import Zone
from test_queue import Two, arrived, text, until
from test_warmup import messages

DOMAINS = [f"d{number}.test" for number in range(12)]
ALL = "\n".join(f"{domain}. MX 5 mx.big.test." for domain in DOMAINS) + "\nmx.big.test. A 127.0.0.1\n"


class Counted:
    """The way to a server; knows how many connections there are at once."""

    def __init__(self, port):
        self.now = self.most = self.all = 0
        lock, counted = threading.Lock(), self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                with lock:
                    counted.now += 1
                    counted.all += 1
                    counted.most = max(counted.most, counted.now)
                try:
                    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as server:
                        back = threading.Thread(target=carry, args=(server, self.request), daemon=True)
                        back.start()
                        carry(self.request, server)
                        back.join(30)
                finally:
                    with lock:
                        counted.now -= 1

        socketserver.ThreadingTCPServer.request_queue_size = 128
        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def carry(one, other):
    with contextlib.suppress(OSError):
        while data := one.recv(1 << 16):
            other.sendall(data)
    with contextlib.suppress(OSError):
        other.shutdown(socket.SHUT_WR)


@pytest.fixture
def two(tmp_path, request):
    """A sender that asks a zone, where all domains' host is the receiver."""
    zone = Zone(tmp_path / "zone")
    zone.set(ALL)
    receiving = served()
    receiver = next(receiving)
    way = Counted(receiver.ports["smtp"])
    sending = served(f'log = "server=debug"\n[outbound]\nport = {way.port}\nretry_seconds_min = 600\n{request.param}\n{zone.settings}')
    try:
        one = Two(next(sending), receiver)
        one.way = way
        for domain in DOMAINS:
            receiver.cli("domain", "add", domain)
            receiver.cli("alias", "set", f"*@{domain}", one.bob.address)
        yield one
    finally:
        for generator in (sending, receiving):
            for _ in generator:
                pass
        way.stop()
        zone.stop()


@pytest.mark.parametrize("two", ["host_connections_max = 2"], indirect=True)
def test_domains_share_the_connections_of_their_host(two):
    bob = two.inbox(two.receiver, two.bob)
    for _ in range(3):
        two.send(*(f"bob@{domain}" for domain in DOMAINS))
    arrived(bob, 3 * len(DOMAINS))
    until(lambda: not two.queue()["messages"])
    # Nobody waits for a minute: a place that is left is offered to who waits for it.
    assert two.way.most == 2 and two.way.all >= len(DOMAINS)
    assert not any(site["failures"] for site in two.queue()["sites"])


@pytest.mark.parametrize("two", ["domain_connections_max = 1"], indirect=True)
def test_a_domain_has_its_own_limit(two):
    bob = two.inbox(two.receiver, two.bob)
    for number in range(20):
        two.send(f"bob@{DOMAINS[0]}", f"eva{number}@{DOMAINS[0]}")
    arrived(bob, 20)
    assert two.way.most == 1


@pytest.mark.parametrize("two", ["host_messages_per_minute_max = 3"], indirect=True)
def test_a_host_is_given_so_many_messages_a_minute(two):
    bob = two.inbox(two.receiver, two.bob)
    two.send(*(f"bob@{domain}" for domain in DOMAINS))
    arrived(bob, 3)
    until(lambda: "its host is full" in two.sender.log.read_text())
    # The minute may have been over once.
    assert messages(bob) <= 6
    ((waiting),) = two.queue()["messages"]
    assert sum(not one["settled"] for one in waiting["recipients"]) >= 6
    assert not any(site["failures"] for site in two.queue()["sites"])


@pytest.mark.parametrize("two", [""], indirect=True)
def test_more_recipients_than_a_transaction_takes_go_at_once(two):
    """RFC 5321 §4.5.3.1.10: the others follow in another transaction; they need not wait for another try."""
    bob = two.inbox(two.receiver, two.bob)
    names = [f"name{number}@{DOMAINS[0]}" for number in range(250)]
    two.send(*names)
    arrived(bob, 3)
    until(lambda: not two.queue()["messages"])
    # One copy of each transaction, whichever names it was for; nobody twice.
    assert messages(bob) == 3 and two.way.all == 1
    assert b"with ESMTPS" in text(bob, 3)

"""Kill the sender or the receiver of mail at random moments, with thousands of messages on the way.

Clients submit to one server, whose queue sends along a route to another. Either is killed (`kill -9`)
while mail flows and started again on its folder. In the end all that was acknowledged is there, with
its content whole; what is there twice has its reason: the final reply was cut off, by a kill of
either, or it was heard and not yet durable. Each copy is laid to one of these, with the sender's log
of each of its lives and what the receiver stored.

Each kind has its bound. A connection asks for no other message before the reply to the last is durable:
so a kill finds at most one reply in the air, or heard and not written, per connection; and what was
logged as gone, which is said behind the disk, never comes again.

PALOMAR_QUEUE_KILLS (default 10) and PALOMAR_QUEUE_MESSAGES (default 500, on the way at each kill); the
full campaign is 100 and 5000. PALOMAR_SEED repeats a run.
"""

import base64
import collections
import hashlib
import json
import os
import random
import re
import socket
import ssl
import subprocess
import threading
import time
from datetime import datetime
from pathlib import Path

from test_kill import BINARY, SEED, Server, message

KILLS = int(os.environ.get("PALOMAR_QUEUE_KILLS", "10"))
MESSAGES = int(os.environ.get("PALOMAR_QUEUE_MESSAGES", "500"))
SUBMITTERS = 4
DRAIN_SECONDS_MAX = 300
CONNECTIONS = 8
SETTINGS = """log = "info,server=info"
log_format = "json"
[outbound]
routes = ["other.test=127.0.0.1:{port}"]
host_connections_max = {connections}
retry_seconds_min = 1
retry_seconds_max = 1
"""


class Lives:
    """A server whose every life has a log of its own."""

    def __init__(self, data, offset, settings):
        data.mkdir()
        self.log, self.logs = Path(f"{data}.log"), []
        self.log.touch()
        self.server = Server(data, offset, settings)

    def kill(self):
        self.server.kill()
        kept = self.log.with_suffix(f".{len(self.logs)}.log")
        self.log.rename(kept)
        self.logs.append(kept)
        self.log.touch()

    def start(self):
        self.server.start()

    def events(self):
        """(life, event) of all that was logged; a line that the kill cut is none."""
        for life, log in enumerate([*self.logs, self.log]):
            for line in log.read_text(errors="replace").splitlines():
                try:
                    yield life, json.loads(line)
                except ValueError:
                    continue


class Submitter(threading.Thread):
    """Submits as long as it is told to, whatever happens to the server."""

    def __init__(self, campaign, number):
        super().__init__(daemon=True)
        self.campaign, self.number, self.count = campaign, number, 0

    def run(self):
        while not self.campaign.ended:
            try:
                self.session()
            except (OSError, EOFError):
                self.campaign.up.wait(0.05)

    def session(self):
        sender = self.campaign.sender.server
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with socket.create_connection(("127.0.0.1", sender.ports["submissions"]), timeout=30) as plain:
            with context.wrap_socket(plain) as stream:
                replies = stream.makefile("rb")
                address, password = sender.accounts[0]
                self.expect(replies, b"220")
                coded = base64.b64encode(f"\0{address}\0{password}".encode())
                for line, code in ((b"EHLO crash.test", b"250"), (b"AUTH PLAIN " + coded, b"235")):
                    stream.sendall(line + b"\r\n")
                    self.expect(replies, code)
                while not self.campaign.ended and self.campaign.room():
                    self.submit(stream, replies, address)

    def submit(self, stream, replies, address):
        self.count += 1
        token = f"q{self.number}m{self.count}x"
        stream.sendall(f"MAIL FROM:<{address}>\r\nRCPT TO:<bob@other.test>\r\nDATA\r\n".encode())
        for code in (b"250", b"250", b"354"):
            self.expect(replies, code)
        text = message(token).replace(b"From: a@example.org", b"From: " + address.encode())
        self.campaign.asked.add(token)
        stream.sendall(text + b".\r\n")
        self.expect(replies, b"250")
        self.campaign.acknowledged.add(token)

    @staticmethod
    def expect(replies, code):
        while True:
            line = replies.readline()
            if not line:
                raise EOFError
            if not line.startswith(code):
                raise EOFError(line)
            if line[3:4] != b"-":
                return


class Campaign:
    def __init__(self, folder, offset):
        receiver = folder / "receiver.toml"
        receiver.write_text('log = "info,server=info"\nlog_format = "json"\n')
        self.receiver = Lives(folder / "receiver", offset, receiver)
        bob = ["domain", "add", "other.test"], ["account", "add", "bob@other.test", "--password-stdin"]
        for words in bob:
            subprocess.run([BINARY, *words, "--data", folder / "receiver"], input=b"bob's password", check=True, capture_output=True)
        self.receiver.server.accounts = [("bob@other.test", "bob's password")]
        sender = folder / "sender.toml"
        sender.write_text(SETTINGS.format(port=self.receiver.server.ports["smtp"], connections=CONNECTIONS))
        self.sender = Lives(folder / "sender", offset + 3_000, sender)
        self.asked, self.acknowledged = set(), set()
        self.ended, self.up, self.told = False, threading.Event(), 0

    def room(self):
        return len(self.acknowledged) - self.told < MESSAGES

    def start_receiver(self):
        self.receiver.start()
        self.receiver.server.accounts = [("bob@other.test", "bob's password")]

    def arrived(self):
        client = self.receiver.server.imap(0)
        kind, data = client.status("INBOX", "(MESSAGES)")
        client.logout()
        self.told = int(re.search(rb"MESSAGES (\d+)", data[0]).group(1))
        return self.told

    def waiting(self):
        told = subprocess.run(
            [BINARY, "queue", "list", "--json", "--data", self.sender.server.data], capture_output=True, check=True
        )
        return len(json.loads(told.stdout)["queue"]["messages"])

    def flows(self):
        """Until the sender hears that messages were taken, in this life of both."""
        log = self.sender.log
        with open(log, "rb") as lines:
            lines.seek(0, os.SEEK_END)
            text, end = b"", time.monotonic() + 60
            while b'"verdict":"Accepted"' not in text:
                assert time.monotonic() < end, log.read_text()[-3000:]
                text = text[-4096:] + lines.read()
                self.up.wait(0.005)

    def drain(self):
        end = time.monotonic() + DRAIN_SECONDS_MAX
        while self.waiting():
            assert time.monotonic() < end, f"{self.waiting()} messages never left"
            self.up.wait(0.2)

    def stored(self):
        """token → copies; each must be whole."""
        client = self.receiver.server.imap(0)
        client.select("INBOX", readonly=True)
        copies = collections.Counter()
        kind, data = client.fetch("1:*", "(BODY.PEEK[])")
        assert kind == "OK"
        for item in data:
            if isinstance(item, tuple):
                head, _, body = item[1].partition(b"\r\n\r\n")
                token, total = re.search(rb"Subject: (\S+)", head), re.search(rb"X-Sum: (\S+)", head)
                assert hashlib.sha256(body[:-2]).hexdigest().encode() == total.group(1), head
                copies[token.group(1).decode()] += 1
        client.logout()
        return copies


class Told:
    """What the sender logged in all its lives."""

    def __init__(self, sender):
        # Queue id → [(life, verdict, undecided)]; token → (life, queue id).
        self.tried, self.ids = collections.defaultdict(list), {}
        # (life, queue id) → when its reply was heard, and when the end of it was durable.
        self.heard, self.gone = {}, {}
        for life, event in sender.events():
            what, when = event.get("message"), event.get("timestamp")
            if what == "queued":
                self.ids[re.sub(r"<(.*)@.*", r"\1", event["message_id"])] = life, event["queue"]
            elif what == "sent":
                self.tried[event["queue"]].append((life, event["verdict"], event["undecided"]))
                if event["verdict"] == "Accepted":
                    self.heard[life, event["queue"]] = datetime.fromisoformat(when)
            elif what == "left the queue":
                self.gone[life, event["queue"]] = datetime.fromisoformat(when)

    def milliseconds(self):
        """From hearing that a message was taken until that is durable, of all, in order."""
        both = self.heard.keys() & self.gone.keys()
        return sorted((self.gone[one] - self.heard[one]).total_seconds() * 1_000 for one in both)


def reasons(copies, told):
    """Why there are copies: what the sender heard and did not hear of each."""
    found, unwritten = collections.Counter(), collections.Counter()
    for token, count in copies.items():
        if count == 1:
            continue
        found["copies too many"] += count - 1
        first, queue = told.ids[token]
        tried = told.tried[queue]
        taken = [life for life, verdict, _ in tried if verdict == "Accepted"]
        cut = min(sum(undecided for _, _, undecided in tried), count - len(taken))
        # Within one life a message that was taken is not given again.
        assert len(taken) == len(set(taken)) and taken, (token, tried)
        silent = count - len(taken) - cut
        # Each life that ended with the message in its hands may have left one.
        assert 0 <= silent <= taken[-1] - first, (token, count, first, tried)
        for life in taken[:-1]:
            assert (life, queue) not in told.gone, f"{token} was durably gone in life {life} and came again"
            unwritten[life] += 1
        found["receiver killed before its reply"] += cut
        found["sender killed before the reply"] += silent
        found["sender killed before the reply was durable"] += len(taken) - 1
    return found, unwritten


def test_kill_while_mail_flows(tmp_path):
    random.seed(SEED)
    print(f"PALOMAR_SEED={SEED}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        offset = 20_000 + probe.getsockname()[1] % 9_000
    campaign = Campaign(tmp_path, offset)
    try:
        run(campaign)
    finally:
        campaign.ended = True
        for one in (campaign.sender, campaign.receiver):
            one.server.process.kill()


def run(campaign):
    campaign.receiver.kill()
    submitters = [Submitter(campaign, number) for number in range(SUBMITTERS)]
    for one in submitters:
        one.start()
    end = time.monotonic() + 300
    while campaign.room():
        assert time.monotonic() < end, "the sender does not take mail"
        campaign.up.wait(0.05)
    campaign.start_receiver()
    kills = collections.Counter()
    for _ in range(KILLS):
        campaign.flows()
        # The moment is what is random here; nothing is waited for by this.
        time.sleep(random.random() * 0.3)
        if random.random() < 0.5:
            kills["sender"] += 1
            campaign.sender.kill()
            campaign.sender.start()
        else:
            kills["receiver"] += 1
            campaign.receiver.kill()
            campaign.start_receiver()
        campaign.arrived()
    campaign.ended = True
    for one in submitters:
        one.join(60)
        assert not one.is_alive()
    campaign.drain()
    balance(campaign, kills)
    for one in (campaign.sender, campaign.receiver):
        one.server.kill()
        check = subprocess.run([BINARY, "check", "--data", str(one.server.data)], capture_output=True)
        assert check.returncode == 0, check.stdout + check.stderr
        assert not any("panicked at" in log.read_text(errors="replace") for log in [*one.logs, one.log])


def balance(campaign, kills):
    """The balance: nothing lost, and every copy has its reason."""
    copies = campaign.stored()
    lost = campaign.acknowledged - set(copies)
    strange = set(copies) - campaign.asked
    told = Told(campaign.sender)
    heard = [one for each in told.tried.values() for one in each]
    found, unwritten = reasons(copies, told)
    waited = told.milliseconds()
    stored = sum(
        event["delivered"]
        for _, event in campaign.receiver.events()
        if event.get("message") == "message"
    )
    # The receiver logs what it stored, unless it is killed before it can.
    assert stored <= sum(copies.values())
    print(
        f"{dict(kills)} kills, {len(campaign.asked)} messages submitted, {len(campaign.acknowledged)} acknowledged, "
        f"{sum(copies.values())} copies of {len(copies)} arrived "
        f"({stored} in the receiver's log), {len(lost)} lost; "
        f"{sum(verdict == 'Accepted' for _, verdict, _ in heard)} final replies heard, "
        f"{sum(undecided for _, _, undecided in heard)} cut off; {dict(found)}; of one life {max(unwritten.values(), default=0)} at most were heard and not durable; "
        f"a reply was durable after {waited[len(waited) // 2]:.1f} ms, the slowest after {waited[-1]:.1f}"
    )
    assert not lost and not strange, (sorted(lost)[:9], sorted(strange)[:9])
    assert 2 * found["copies too many"] == found.total(), found
    assert all(count <= CONNECTIONS for count in unwritten.values()), unwritten
    of_sender = found["sender killed before the reply"] + found["sender killed before the reply was durable"]
    assert of_sender <= kills["sender"] * CONNECTIONS, found
    assert found["receiver killed before its reply"] <= kills["receiver"] * CONNECTIONS, found

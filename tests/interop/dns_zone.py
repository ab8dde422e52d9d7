"""A real name server (Knot) on loopback with a signed root zone, for what asks DNS."""

import os
import re
import socket
import subprocess
from pathlib import Path

# `insecure.` is delegated without DS; `forged.` has a DS that its unsigned answers do not match.
ROOT = """\
$TTL 60
. IN SOA ns.test. root.test. {serial} 60 60 600 60
. IN NS ns.test.
ns.test. IN A 127.0.0.1
insecure. IN NS ns.test.
forged. IN NS ns.test.
forged. IN DS 12345 13 2 {digest}
{records}
"""
UNSIGNED = """\
$TTL 60
{zone} IN SOA ns.test. root.test. {serial} 60 60 600 60
{zone} IN NS ns.test.
{records}
"""
CONF = """\
server:
    listen: 127.0.0.1@{port}
    rundir: "{run}"
{user}log:
  - target: stderr
    any: warning
database:
    storage: "{run}/db"
policy:
  - id: one
    algorithm: ecdsap256sha256
    nsec3: off
template:
  - id: default
    storage: "{run}"
    zonefile-sync: -1
    zonefile-load: difference-no-serial
    journal-content: all
zone:
  - domain: .
    file: root.zone
    dnssec-signing: on
    dnssec-policy: one
  - domain: insecure.
    file: insecure.zone
  - domain: forged.
    file: forged.zone
"""


def free_port():
    """One that is free for UDP and TCP."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind(("127.0.0.1", 0))
            port = udp.getsockname()[1]
            try:
                tcp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Zone:
    """The whole name space, as lines of zone files."""

    def __init__(self, folder):
        self.folder = Path(folder)
        (self.folder / "db").mkdir(parents=True)
        self.serial = 0
        self.port = free_port()
        self.conf = self.folder / "knot.conf"
        self.conf.write_text(CONF.format(port=self.port, run=self.folder, user="    user: root:root\n" if os.getuid() == 0 else ""))
        self.write("")
        self.log = open(self.folder / "knot.log", "wb")
        self.process = subprocess.Popen(["knotd", "-c", self.conf], stdout=self.log, stderr=self.log)
        self.control("-b", "zone-status")
        key = subprocess.run(["keymgr", "-c", self.conf, ".", "dnskey"], capture_output=True, text=True, check=True)
        fields = re.search(r"DNSKEY\s+(.*)", key.stdout).group(1)
        self.anchor = self.folder / "anchor"
        self.anchor.write_text(f". 3600 IN DNSKEY {fields}\n")

    @property
    def settings(self):
        """For a server that asks here."""
        return f'[dns]\nquery_seconds = 1\nservers = ["127.0.0.1:{self.port}"]\ntrust_anchor_file = "{self.anchor}"\n'

    def write(self, records):
        """Of each line, the owner's last label says in which zone it is."""
        self.serial += 1
        zones = {"": [], "insecure": [], "forged": []}
        for line in filter(None, map(str.strip, records.splitlines())):
            top = line.split()[0].rstrip(".").rsplit(".", 1)[-1]
            zones.get(top, zones[""]).append(line)
        digest = "00" * 32
        (self.folder / "root.zone").write_text(ROOT.format(serial=self.serial, digest=digest, records="\n".join(zones[""])))
        for name in ("insecure", "forged"):
            text = UNSIGNED.format(zone=name + ".", serial=self.serial, records="\n".join(zones[name]))
            (self.folder / f"{name}.zone").write_text(text)

    def set(self, records):
        """What is answered from now on; answers given before may be remembered for a minute."""
        self.write(records)
        self.control("-b", "zone-reload")

    def control(self, *words):
        """knotc, which waits until the server answers."""
        for _ in range(200):
            done = subprocess.run(["knotc", "-c", self.conf, "-t", "10", *words], capture_output=True, text=True)
            if done.returncode == 0:
                return done.stdout
            assert self.process.poll() is None, (self.folder / "knot.log").read_text()
        raise AssertionError(done.stderr)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()

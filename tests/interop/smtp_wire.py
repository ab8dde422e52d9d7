"""A client of SMTP and LMTP that says exactly what it is told to, and reads replies."""

import base64
import re


class Smtp:
    """A connection; `say` returns one whole reply, its lines joined by LF."""

    def __init__(self, raw):
        self.raw = raw

    def reply(self):
        lines = []
        while True:
            line = self.raw.line().decode()
            assert re.fullmatch(r"[2-5]\d\d[ -].*", line), line
            lines.append(line)
            if line[3] == " ":
                return "\n".join(lines)

    def say(self, line):
        self.raw.send(line + "\r\n" if isinstance(line, str) else line + b"\r\n")
        return self.reply()

    def wants(self, code, line):
        """Says a line and checks how the reply starts."""
        reply = self.say(line)
        assert reply.startswith(str(code)), (line, reply)
        return reply

    def greeting(self, verb="EHLO"):
        assert self.reply().startswith("220 ")
        return self.wants(250, f"{verb} client.example")

    def envelope(self, sender, *recipients):
        self.wants(250, f"MAIL FROM:<{sender}>")
        for recipient in recipients:
            self.wants(250, f"RCPT TO:<{recipient}>")

    def data(self, content):
        """DATA with octets as they are (the end is the caller's); the reply."""
        self.wants(354, "DATA")
        self.raw.send(content)
        return self.reply()

    def starttls(self, context):
        self.wants(220, "STARTTLS")
        self.raw.starttls(context)

    def login(self, account):
        coded = base64.b64encode(f"\0{account.address}\0{account.password}".encode()).decode()
        self.wants(235, f"AUTH PLAIN {coded}")

    def is_closed(self):
        return self.raw.rest() == b""


def stuffed(message):
    """A message as DATA sends it, with the end."""
    assert message.endswith(b"\r\n")
    dots = b"." if message.startswith(b".") else b""
    return dots + message.replace(b"\r\n.", b"\r\n..") + b".\r\n"

import smtplib
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fixtures.lab.hosts.network import LabNet, Network
from fixtures.lab.production.mail import MailSink

NET = LabNet("test-mail", 84)
SENDER = """
import smtplib, sys
server = smtplib.SMTP(sys.argv[1], timeout=10)
server.sendmail("payroll@smallpayroll.test", ["ann@example.test", "bo@example.test"], sys.stdin.buffer.read())
"""
MESSAGE = "Subject: Timesheet T-1 recorded\r\nX-SmallPayroll-Host: production\r\n\r\nGr\u00fc\u00dfe\r\n.\r\n"


@pytest.fixture
def network(lab_tree: None) -> Iterator[Network]:
    network = Network(NET)
    network.create()
    yield network
    network.destroy()


@pytest.fixture
def sink(network: Network, tmp_path: Path) -> Iterator[MailSink]:
    sink = MailSink(network, tmp_path / "mail.jsonl")
    sink.start()
    yield sink
    sink.stop()


def test_a_message_is_kept_with_its_envelope_and_sender(network: Network, sink: MailSink):
    network.add_namespace("production", NET.public(10), "internet")
    network.run_in("production", [sys.executable, "-c", SENDER, sink.address], MESSAGE.encode())
    (message,) = sink.messages()
    assert message["client"] == NET.public(10)
    assert message["mail_from"] == "payroll@smallpayroll.test"
    assert message["rcpt_to"] == ["ann@example.test", "bo@example.test"]
    assert message["data"] == MESSAGE
    assert abs(datetime.fromisoformat(message["time"]) - datetime.now(UTC)) < timedelta(minutes=2)


def test_a_stopped_sink_refuses_keeps_its_file_and_starts_again(sink: MailSink):
    def send() -> None:
        with smtplib.SMTP(sink.address, timeout=2) as server:
            server.sendmail("a@example.test", ["b@example.test"], "Subject: one\r\n\r\n")

    send()
    sink.stop()
    with pytest.raises(OSError):  # noqa: PT011 - refused, unreachable or timed out: any will do
        send()
    sink.start()
    subprocess.run(["ip", "neigh", "flush", "dev", NET.machine_link], check=True)  # the namespace is another one now
    send()
    assert [message["data"] for message in sink.messages()] == ["Subject: one\r\n\r\n"] * 2

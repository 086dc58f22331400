"""What Wireshark says of our files: nothing is marked as wrong, and it sees what was sent."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from tests.fakes import echo
from tests.peers.programs import need
from trio_udp import Retry, open_udp_client, serve_udp
from trio_udp.cli import main
from trio_udp.faults import drop_nth
from trio_udp.testing import VirtualNetwork
from trio_udp.testing._pcap import pcap

if TYPE_CHECKING:
    from pathlib import Path

    from trio_udp import Address

FIELDS = [
    "frame.time_epoch",
    "ip.src",
    "ipv6.src",
    "udp.srcport",
    "ip.dst",
    "ipv6.dst",
    "udp.dstport",
    "udp.payload",
    "ip.checksum.status",
    "udp.checksum.status",
    "_ws.expert.message",
]
GOOD = "1"  # epan/proto.h: PROTO_CHECKSUM_E_GOOD

SENT: list[tuple[float, Address, Address, bytes]] = [
    (0.0, ("10.0.0.1", 40_000), ("10.0.0.2", 40_001), b"hello"),
    (0.000001, ("10.0.0.2", 40_001), ("10.0.0.1", 40_000), b""),
    (0.25, ("::ffff:10.0.0.1", 40_000, 0, 0), ("::ffff:10.0.0.2", 40_001, 0, 0), b"odd"),
    (1.5, ("fd00::1", 40_000, 0, 0), ("fd00::2", 40_001, 0, 0), b"even"),
    (3600.000000001, ("fe80::1%eth0", 40_000, 0, 2), ("fe80::2%eth0", 40_001, 0, 2), b""),
    (3601.0, ("10.0.0.1", 40_000), ("10.0.0.2", 40_001), bytes(65_507)),
    (3602.0, ("fd00::1", 40_000, 0, 0), ("fd00::2", 40_001, 0, 0), b"\xff" * 65_527),
    (3603.0, ("10.0.0.1", 40_000), ("224.0.0.1", 40_001), b""),
    (3603.0, ("10.0.0.1", 40_000), ("255.255.255.255", 40_001), b""),
    (3603.0, ("fd00::1", 40_000, 0, 0), ("ff02::1", 40_001, 0, 0), b""),
]


def seen_by_tshark(path: Path) -> list[list[str]]:
    command = [need("tshark"), "-n", "-r", str(path), "-T", "fields", "-E", "separator=|"]
    command += ["-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"]
    for field in FIELDS:
        command += ["-e", field]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return [line.split("|") for line in answer.stdout.splitlines()]


def test_tshark_reads_our_files(tmp_path: Path) -> None:
    path = tmp_path / "network.pcap"
    with path.open("wb") as file:
        file.writelines(pcap(SENT))
    v4 = ["10.0.0.1", "", "40000", "10.0.0.2", "", "40001"]
    v6 = ["", "fd00::1", "40000", "", "fd00::2", "40001"]
    assert seen_by_tshark(path) == [
        ["0.000000000", *v4, b"hello".hex(), GOOD, GOOD, ""],
        ["0.000001000", "10.0.0.2", "", "40001", "10.0.0.1", "", "40000", "", GOOD, GOOD, ""],
        ["0.250000000", *v4, b"odd".hex(), GOOD, GOOD, ""],
        ["1.500000000", *v6, b"even".hex(), "", GOOD, ""],
        ["3600.000000001", "", "fe80::1", "40000", "", "fe80::2", "40001", "", "", GOOD, ""],
        ["3601.000000000", *v4, bytes(65_507).hex(), GOOD, GOOD, ""],
        ["3602.000000000", *v6, (b"\xff" * 65_527).hex(), "", GOOD, ""],
        ["3603.000000000", "10.0.0.1", "", "40000", "224.0.0.1", "", "40001", "", GOOD, GOOD, ""],
        ["3603.000000000", "10.0.0.1", "", "40000", "255.255.255.255", "", "40001", "", GOOD, GOOD, ""],
        ["3603.000000000", "", "fd00::1", "40000", "", "ff02::1", "40001", "", "", GOOD, ""],
    ]


def test_tshark_would_see_a_wrong_checksum(tmp_path: Path) -> None:
    """So the test above can fail."""
    path = tmp_path / "network.pcap"
    path.write_bytes(b"".join(pcap(SENT[:1]))[:-1] + b"!")
    ((*_, ip, udp, remark),) = seen_by_tshark(path)
    assert ip == GOOD
    assert udp != GOOD
    assert "Bad checksum" in remark


def test_tshark_reads_what_the_demo_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.pcap"
    assert main(["demo", "--virtual", "--loss", "0", "--clients", "1", "--requests", "2", "--trace", str(path)]) == 0
    seen = seen_by_tshark(path)
    said = [f"client 1 request {number}".encode().hex() for number in (1, 2) for _ in range(4)]
    assert [line[7] for line in seen] == said  # to the relay, to the server, and back
    assert {(line[9], line[10]) for line in seen} == {(GOOD, "")}


async def test_tshark_reads_what_a_network_wrote(autojump_clock: trio.testing.MockClock, tmp_path: Path) -> None:
    """By IPv4 and IPv6, lost ones too, and in the order of their sending."""
    async with VirtualNetwork() as network, trio.open_nursery() as nursery:
        with network.host("10.0.0.1", "fd00::1", name="server"):
            await nursery.start(serve_udp, echo, 7)
        with network.host("10.0.0.2", "fd00::2"), network.rule(drop_nth(1)):
            for server in ("10.0.0.1", "fd00::1"):
                async with await open_udp_client(server, 7) as client:
                    await client.request(b"hello", retry=Retry(attempts=2, jitter=0))
        network.write_pcap(tmp_path / "network.pcap")
        nursery.cancel_scope.cancel()
    seen = seen_by_tshark(tmp_path / "network.pcap")
    ways = [("10.0.0.2", "10.0.0.1")] * 2 + [("10.0.0.1", "10.0.0.2"), ("fd00::2", "fd00::1"), ("fd00::1", "fd00::2")]
    assert [(line[1] or line[2], line[4] or line[5]) for line in seen] == ways
    assert [round(float(line[0]), 3) for line in seen] == [0.0, 1.0, 1.0, 1.0, 1.0]
    assert {(line[7], line[9], line[10]) for line in seen} == {(b"hello".hex(), GOOD, "")}
    assert {line[3] for line in seen} & {line[6] for line in seen} >= {"7"}

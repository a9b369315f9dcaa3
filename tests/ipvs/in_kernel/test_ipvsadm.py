"""Our words and ipvsadm's for the same table, in both directions."""

import subprocess
from ipaddress import ip_address

from tests.ipvs.contract import EVERYTHING, reach

from vedette.ipvs.kernel import KernelTable
from vedette.ipvs.model import AddressKey, Destination, DestinationId, DestinationKey, Method
from vedette.ipvs.plan import apply
from vedette.reconcile.plan import Update
from vedette.spec.resolved import Protocol

VIRTUAL6 = AddressKey(Protocol.TCP, ip_address("2001:db8::80"), 80)

SAVED = """\
-A -t 203.0.113.80:0 -s wlc -p 300 -M 255.255.255.0
-A -t 203.0.113.80:80 -s mh -b mh-fallback,mh-port
-A -t 203.0.113.81:80 -s wlc
-A -u 203.0.113.80:53 -s rr -o
-A --sctp-service 203.0.113.80:132 -s sh -b sh-port
-A -t [2001:db8::80]:80 -s wrr -p 60 -M 64
-A -f 7 -s wlc -p 600
-A -f 7 -6 -s wlc
-a -f 7 -r 10.0.0.1:80 -m -w 1
-a -f 7 -6 -r [2001:db8::1]:80 -m -w 1
-a -t 203.0.113.80:0 -r 10.0.0.1:0 -m -w 1
-a -t 203.0.113.80:80 -r 10.0.0.1:8080 -m -w 65535
-a -t 203.0.113.80:80 -r 10.0.0.1:80 -m -w 1
-a -t 203.0.113.80:80 -r 10.0.0.2:80 -m -w 0
-a -t 203.0.113.81:80 -r 10.0.0.1:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-remcsum
-a -t 203.0.113.81:80 -r 10.0.0.2:80 -i -w 1 --tun-type gre --tun-csum
-a -t 203.0.113.81:80 -r [2001:db8::1]:80 -i -w 1 --tun-type ipip
-a -t [2001:db8::80]:80 -r [2001:db8::1]:80 -m -w 2
-a -t [2001:db8::80]:80 -r [2001:db8::80]:80 -g -w 1
-a -u 203.0.113.80:53 -r 10.0.0.1:53 -g -w 3
"""


def ipvsadm(*arguments: str, stdin: str = "") -> str:
    done = subprocess.run(["ipvsadm", *arguments], input=stdin, capture_output=True, text=True, check=True)
    return done.stdout


def lines(text: str) -> list[str]:
    return sorted(line.strip() for line in text.splitlines())


def test_ipvsadm_saves_what_we_programmed(table: KernelTable) -> None:
    reach(table, EVERYTHING)
    assert lines(ipvsadm("-Sn")) == lines(SAVED)


def test_we_observe_what_ipvsadm_programmed(table: KernelTable) -> None:
    """Thresholds are not among what ipvsadm saves, and it has no word for local delivery."""
    local = DestinationId(VIRTUAL6, DestinationKey(VIRTUAL6.address, VIRTUAL6.port))
    ipvsadm("-R", stdin=SAVED.replace("-g -w 3", "-g -w 3 -x 100 -y 50"))
    expected = apply(EVERYTHING, [Update(local, Destination(1, Method.LOCAL), Destination(1, Method.DIRECT_ROUTING))])
    assert table.observe() == expected

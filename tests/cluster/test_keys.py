"""Rotating the cluster's keys while the daemons run: nobody is cut off, and a dropped key does not linger (rule 30)."""

import pytest
from tests.cluster.bench import KEY, LINK, OTHER_KEY, Bench, Letter, config

from vedette.cluster import wire
from vedette.cluster.events import Datagram, Rekey, Tick, What
from vedette.cluster.messages import Message
from vedette.cluster.wire import fingerprint, signer
from vedette.kit.errors import UsageError
from vedette.kit.units import MILLISECOND, SECOND
from vedette.spec.resolved import UNSIGNED, Key

TROUBLE = {What.NODE_LATE, What.NODE_DEAD, What.QUORUM_LOST, What.DATAGRAM_REFUSED, What.GROUP_RELEASING}
D = 3 * SECOND


def settled(*keys: Key) -> Bench:
    bench = Bench(config(), keys=dict.fromkeys("abw", keys or (KEY,)))
    bench.start()
    bench.run(4 * SECOND)
    assert bench.holders() == ["a"]
    for seat in bench.seats.values():
        seat.said.clear()
    return bench


def edit(bench: Bench, node: str, *keys: Key) -> None:
    bench.keys[node] = keys
    bench.handle(node, Rekey(keys))
    bench.run(700 * MILLISECOND)


def trouble(bench: Bench) -> list[What]:
    return [
        event.what
        for seat in bench.seats.values()
        for ready in seat.said
        for event in ready.events
        if event.what in TROUBLE
    ]


def signers(bench: Bench) -> set[str]:
    return {bench.machine(name).view(bench.now).keys.signs for name in bench.seats}


def next_letter(bench: Bench, source: str, target: str) -> Letter:
    """The node's next heartbeat, not delivered."""
    bench.deliver()
    while not bench.post:
        bench.now = bench.seats[source].wake_at
        bench.handle(source, Tick())
    letter = next(letter for letter in bench.post if letter.target == target)
    bench.post.clear()
    return letter


def test_a_rotation_step_by_step_loses_no_heartbeat() -> None:
    bench = settled()
    for keys in ((KEY, OTHER_KEY), (OTHER_KEY, KEY), (OTHER_KEY,)):
        for node in "abw":
            edit(bench, node, *keys)
    assert trouble(bench) == []
    assert all(bench.machine(name).refused == {} for name in bench.seats)
    assert signers(bench) == {fingerprint(OTHER_KEY.secret).hex()}
    assert [set(bench.machine(name)._keyring.secrets) for name in bench.seats] == [{fingerprint(OTHER_KEY.secret)}] * 3


def test_the_new_key_signs_as_soon_as_the_last_node_lists_it_and_not_before() -> None:
    bench = settled()
    edit(bench, "a", OTHER_KEY, KEY)
    edit(bench, "b", OTHER_KEY, KEY)
    assert signers(bench) == {fingerprint(KEY.secret).hex()}
    assert bench.machine("a").view(bench.now).keys.behind == ("w",)
    edit(bench, "w", OTHER_KEY, KEY)
    assert signers(bench) == {fingerprint(OTHER_KEY.secret).hex()}
    assert bench.machine("a").view(bench.now).keys.behind == ()


def test_a_key_dropped_too_early_is_kept_for_those_who_still_sign_with_it() -> None:
    """The document lists only the new key at once, on one node after the other: nobody is cut off."""
    bench = settled()
    edit(bench, "a", OTHER_KEY)
    assert bench.machine("a").view(bench.now).keys.retired == {fingerprint(KEY.secret).hex(): ("b", "w")}
    edit(bench, "b", OTHER_KEY)
    assert signers(bench) == {fingerprint(KEY.secret).hex()}
    edit(bench, "w", OTHER_KEY)
    bench.run(SECOND)
    assert trouble(bench) == []
    assert signers(bench) == {fingerprint(OTHER_KEY.secret).hex()}
    assert bench.machine("a").view(bench.now).keys.retired == {}


def test_a_retired_key_is_forgotten_with_the_last_who_needs_it() -> None:
    bench = settled()
    bench.kill("b", "w")
    edit(bench, "a", OTHER_KEY)
    assert bench.machine("a").view(bench.now).keys.retired != {}
    bench.run(D)
    assert bench.machine("a").view(bench.now).keys.retired == {}
    assert set(bench.machine("a")._keyring.secrets) == {fingerprint(OTHER_KEY.secret)}


def test_who_has_signed_with_the_new_key_cannot_be_forged_with_the_old_one() -> None:
    """w has not changed yet, so a still accepts the old key; but not for b, who has gone on."""
    bench = settled()
    for node in "ab":
        edit(bench, node, KEY, OTHER_KEY)
    bench.kill("w")
    bench.run(D + SECOND)
    for node in "ab":
        edit(bench, node, OTHER_KEY, KEY)
    bench.start("w")
    bench.run(SECOND)
    machine = bench.machine("a")
    machine._peers["b"].signed = fingerprint(OTHER_KEY.secret)
    bench.handle("a", Rekey((OTHER_KEY,)))
    genuine = next_letter(bench, "b", "a")
    assert signer(genuine.data) == fingerprint(KEY.secret)
    before = machine.refused.get("unknownKey", 0)
    bench.handle("a", Datagram(LINK, genuine.data))
    assert machine.refused["unknownKey"] == before + 1


def test_a_stray_node_with_an_old_document_does_not_make_the_others_sign_with_what_most_refuse() -> None:
    bench = settled(KEY, OTHER_KEY)
    edit(bench, "b", OTHER_KEY)
    edit(bench, "w", OTHER_KEY)
    assert bench.machine("a").view(bench.now).keys.signs == fingerprint(OTHER_KEY.secret).hex()
    assert trouble(bench) == []


def test_authentication_is_switched_on_without_losing_a_heartbeat() -> None:
    """From nothing over a key that is accepted beside nothing to a key that is demanded."""
    bench = settled(UNSIGNED)
    for keys in ((KEY, UNSIGNED), (KEY,)):
        for node in "abw":
            edit(bench, node, *keys)
    assert trouble(bench) == []
    assert signers(bench) == {fingerprint(KEY.secret).hex()}


def test_once_a_key_is_demanded_what_anybody_could_have_signed_counts_no_more() -> None:
    bench = settled(KEY, UNSIGNED)
    letter = next_letter(bench, "b", "a")
    message = wire.decode(letter.data, cluster=bench.config.cluster_id, secrets=bench.secrets())
    assert isinstance(message, Message)
    forged = wire.encode(message, cluster=bench.config.cluster_id, secret=UNSIGNED.secret)
    bench.handle("a", Rekey((KEY,)))
    bench.handle("a", Datagram(LINK, forged))
    assert bench.machine("a").refused == {"unknownKey": 1}


@pytest.mark.parametrize("count", [0, 9])
def test_a_number_of_keys_that_does_not_fit_is_refused(count: int) -> None:
    bench = settled()
    keys = tuple(Key(str(number), bytes([number]) * 16) for number in range(count))
    with pytest.raises(UsageError, match="cluster keys"):
        bench.handle("a", Rekey(keys))

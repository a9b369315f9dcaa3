"""``python -m tests.cluster.spin``: every run of the lease model, also those that take minutes.

The model is ``model/lease.pml``; docs/design/lease-model.md says what it covers. A run must find nothing, or, where
a bug is planted or something that must be possible is asked for, a trace of exactly the length that stands here:
the search is breadth first, so that the trace is the shortest there is.
"""

import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

MODEL = Path(__file__).parent / "model" / "lease.pml"
MEMORY_MB = 2900


@dataclass(frozen=True, slots=True)
class Run:
    """``defines`` bound the model, ``bugs`` are the names of what is bent; ``steps``: of the trace, ``None``: none.

    ``states``: how many there are; only said where all of them were looked at.
    """

    name: str
    defines: str
    bugs: tuple[str, ...] = ()
    steps: int | None = None
    states: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What Spin says: the length of the trace, or ``None``; ``complete``: all states were looked at."""

    steps: int | None
    states: int
    complete: bool


_PAIR = "-DOWNED=1 -DINCS=1 -DCRASHES=0"
_FRAIL = "-DOWNED=1 -DRENEWALS=0"
_GRANT = "-DGRANT=1 " + _PAIR
_THREE = "-DNC=3 -DGRANT=1 -DOWNED=1 -DRENEWALS=0"

POSSIBLE = (
    Run("somebody owns", "-DGOAL=1", steps=4),
    Run("a group that was given up is owned by another", "-DGOAL=2", steps=11),
    Run("a new incarnation wins over the lease that it adopted", "-DGOAL=3", steps=10),
    Run("a group whose owner fell silent is owned by another", "-DGOAL=4", steps=12),
    Run("a grant is taken", "-DGOAL=5 -DROUNDS=2 " + _GRANT, steps=3),
    Run("a lease is renewed", "-DGOAL=6", steps=8),
)

SAFE = (
    Run("renewals and a move", "-DROUNDS=2 " + _PAIR),
    Run("attempts that start with Accept", "-DPREPARE=0 -DROUNDS=2 -DINCS=1 -DCRASHES=0"),
    Run("the grant", "-DROUNDS=2 " + _GRANT),
)

LONG = (
    Run("attempts that start with Accept, three rounds", "-DPREPARE=0 -DINCS=1 -DCRASHES=0", states=285252),
    Run("attempts that start with Accept, and a restart", "-DPREPARE=0 -DROUNDS=2 " + _FRAIL, states=512364),
    Run("a restart, from the start", "-DROUNDS=2 -DRENEWALS=0"),
    Run("a restart, and renewals", "-DROUNDS=2 -DOWNED=1"),
    Run("the grant, and renewals, three rounds", _GRANT, states=436526),
    Run("the grant, and restarts with and without state", "-DGRANT=1 " + _FRAIL, states=13455792),
    Run("the grant, and restarts with state, and renewals", "-DGRANT=1 -DOWNED=1 -DLOSS=0", states=3311467),
    Run("the grant, four rounds, there and back", _GRANT + " -DROUNDS=4 -DMOVES=2", states=6649492),
    Run("the grant, three candidates", _THREE + " -DINCS=1 -DCRASHES=0", states=1189425),
    Run("the grant without Prepare for other attempts", "-DPREPARE=0 -DROUNDS=2 " + _GRANT),
    Run("the grant among four voters, where two are no quorum", "-DNV=4 -DROUNDS=2 -DRENEWALS=0 " + _GRANT),
)

PLANTED = (
    Run("a voter that lost its state votes at once", "-DROUNDS=2 " + _FRAIL, ("NO_SILENCE",), 6),
    Run("silence is a tick short", "-DROUNDS=2 -DQUIET=1 " + _FRAIL, (), 7),
    Run("D_P is a tick longer than D", "-DROUNDS=2 -DRENEWALS=0 -DLEASE=3 " + _PAIR, (), 7),
    Run("the lease counts from winning", "-DROUNDS=2 -DRENEWALS=0 " + _PAIR, ("TIMER_AT_WINNING",), 15),
    Run("another's living record is overwritten", "-DROUNDS=2 -DRENEWALS=0 " + _PAIR, ("OVERWRITES",), 5),
    Run("a release before the kernel is empty", "-DRENEWALS=0 " + _PAIR, ("RELEASE_BEFORE_EMPTY",), 8),
    Run("a renewed lease counts from the ack", "-DROUNDS=2 -DT=3 " + _PAIR, ("RENEWAL_FROM_ACK",), 12),
    Run("an ack counts for any renewal", "-DROUNDS=2 -DT=3 " + _PAIR, ("ACKS_OF_ANY_NONCE",), 13),
    Run("a failed attempt over an adopted lease is released", "-DLOSS=0 " + _FRAIL, ("ADOPTED_TRY_RELEASED",), 12),
    Run("the kernel's hold has no end", "-DKEPT=0 " + _FRAIL, ("KERNEL_WITHOUT_END",), 7),
    Run("the own vote counts twice", "-DRENEWALS=0 " + _PAIR, ("ONE_VOTE_SHORT",), 3),
    Run("the grant's nonce is that of the sending", _GRANT, ("GRANT_NONCE_OF_SENDING",), 11),
    Run("the grant before the kernel is empty", _GRANT, ("GRANT_BEFORE_EMPTY",), 3),
    Run("the grant without a record behind it", _GRANT, ("GRANT_NOT_RECORDED",), 8),
    Run("a grant taken twice", _GRANT, ("GRANT_AT_ANY_ROUND", "RELEASE_KEEPS_PROMISE"), 14),
    Run("a grant to an older incarnation", "-DGRANT=1 -DLOSS=0 " + _FRAIL, ("GRANT_OF_ANY_INCARNATION",), 11),
    Run("a grant without the own vote", _THREE + " -DINCS=1 -DCRASHES=0", ("GRANT_WITHOUT_OWN_VOTE",), 10),
    Run("a grant to a silent node", _THREE + " -DROUNDS=2", ("GRANT_TO_SILENT",), 11),
    Run(
        "a grant to an earlier session",
        "-DGRANT=1 -DINCS=1 -DROLLBACK=1 -DLOSS=0 " + _FRAIL,
        ("GRANT_OF_ANY_SESSION",),
        12,
    ),
)

KNOWN = (Run("a rolled-back disk uses a ballot again", "-DGRANT=1 -DINCS=1 -DROLLBACK=1 -DLOSS=0 " + _FRAIL, (), 16),)
"""Two holders that today's rules allow; docs/design/lease-model.md, *What it found*."""


def check(run: Run, *, breadth_first: bool = True) -> Found:
    """Make the verifier, run it, read what it says.

    Raises :class:`subprocess.CalledProcessError` when it cannot be made, :class:`ValueError` when it says nothing.
    """
    with tempfile.TemporaryDirectory(prefix="vedette-spin-") as directory:
        _build(run, Path(directory), breadth_first=breadth_first)
        limits = [] if breadth_first else ["-m1000000", "-w24"]
        said = subprocess.run(["./pan", *limits], cwd=directory, capture_output=True, text=True, check=True).stdout
    errors, depth = _number(r"errors: (\d+)", said), _number(r"depth reached (\d+)", said)
    complete = "Search not completed" not in said and "max search depth too small" not in said
    return Found(steps=depth if errors else None, states=_number(r"(\d+) states, stored", said), complete=complete)


def _build(run: Run, directory: Path, *, breadth_first: bool) -> None:
    bugs = sum(1 << _numbers()[name] for name in run.bugs)
    subprocess.run(
        ["spin", "-a", f"-DBUGS={bugs}", *run.defines.split(), str(MODEL)],
        cwd=directory,
        check=True,
        capture_output=True,
    )
    search = ["-DCOLLAPSE", *(["-DBFS"] if breadth_first else [])]
    effort = "-O0" if breadth_first else "-O2"  # for a search of a second the compiler is what takes long
    options = [effort, "-w", "-DSAFETY", "-DNOREDUCE", "-DNOFAIR", f"-DMEMLIM={MEMORY_MB}", *search]
    subprocess.run(["gcc", *options, "-o", "pan", "pan.c"], cwd=directory, check=True, capture_output=True)


def _numbers() -> dict[str, int]:
    """The numbers of the bugs, as the model defines them."""
    found = re.findall(r"^#define ([A-Z_]+) +(\d+) +/\*", MODEL.read_text(), re.MULTILINE)
    return {name: int(number) for name, number in found}


def _number(pattern: str, text: str) -> int:
    match = re.search(pattern, text)
    if match is None:
        raise ValueError(f"the verifier did not say {pattern}: {text[-300:]}")
    return int(match[1])


def main() -> int:
    """Print a line a run; 1 when any of them is not as it stands here."""
    wrong = 0
    for kind, runs in {"possible": POSSIBLE, "planted": PLANTED, "known": KNOWN, "safe": SAFE + LONG}.items():
        for run in runs:
            found = check(run, breadth_first=kind != "safe")
            right = found.steps == run.steps and (found.complete or found.steps is not None)
            right = right and run.states in (None, found.states)
            wrong += not right
            verdict = f"{found.steps} steps" if found.steps is not None else "no two holders"
            if found.steps is None and not found.complete:
                verdict = "NOT ALL STATES"
            print(f"{'ok   ' if right else 'WRONG'} {kind}: {run.name}: {verdict}, {found.states:,} states", flush=True)
    print(f"planted={len(PLANTED)} runs_wrong={wrong}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

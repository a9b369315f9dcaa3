/* One group's lease: rules 7 to 20 of the cluster core, as voter.py, proposer.py, owner.py and boot.py have them.
 *
 * What is modelled, why it may be modelled so, and what Spin says: docs/design/lease-model.md. In short:
 *
 * - Nodes 0 .. NC-1 vote and may own; NC .. NV-1 are witnesses. One step is one call of the core: an event is taken in,
 *   what changes is persisted, what is said is said. A crash between the two is a datagram lost.
 * - A message that was sent stays sent: whoever it is for may hear it at any later time, as often as it likes, or never.
 *   That is loss, duplication, delay and reordering without bounds (and without the help of freshness, rule 5).
 * - Time is a step of its own that takes one tick off every deadline; between two of them anything may happen. Clocks are
 *   taken at their worst, where D_P on a proposer's slow clock is as long as D on a voter's fast one: LEASE = T.
 * - kern[n] is what counts: for how long node n's kernel answers for the addresses, whatever its daemon knows.
 */

#ifndef NC
#define NC 2        /* nodes that may own */
#endif
#ifndef NV
#define NV 3        /* nodes that vote */
#endif
#ifndef ROUNDS
#define ROUNDS 3    /* highest round of a ballot: bounds the attempts */
#endif
#ifndef INCS
#define INCS 2      /* incarnations that a node can have */
#endif
#ifndef CRASHES
#define CRASHES 1   /* restarts, of all nodes together */
#endif
#ifndef T
#define T 2         /* D in ticks: how long a record lives */
#endif
#ifndef LEASE
#define LEASE T     /* D_P in ticks */
#endif
#ifndef QUIET
#define QUIET T     /* Q in ticks: silence of a voter that lost its state */
#endif
#ifndef MOVES
#define MOVES 1     /* voluntary ends of a lease */
#endif
#ifndef RENEWALS
#define RENEWALS 1  /* 1: leases are renewed */
#endif
#ifndef GRANT
#define GRANT 0     /* 1: rule 20a, the hand-over grant */
#endif
#ifndef PREPARE
#define PREPARE 1   /* 0: an attempt starts with Accept */
#endif
#ifndef OWNED
#define OWNED 0     /* 1: start with node 0 as the owner */
#endif
#ifndef LOSS
#define LOSS 1      /* 1: restarts with state lost too */
#endif
#ifndef KEPT
#define KEPT 1      /* 1: restarts with state kept too */
#endif
#ifndef ROLLBACK
#define ROLLBACK 0  /* 1: a restart with state lost may come back as the same incarnation (a disk rolled back) */
#endif
#ifndef GOAL
#define GOAL 0      /* what must be reachable, else the model is vacuous */
#endif
#ifndef BUGS
#define BUGS 0      /* the rules that are bent: a set of the numbers below */
#endif

#define BUG(x) ((BUGS >> (x)) & 1)
#define NO_SILENCE 0            /* a voter that lost its state votes at once */
#define TIMER_AT_WINNING 1      /* the lease counts from the moment it is won */
#define OVERWRITES 2            /* another owner's record that lives is no reason to refuse */
#define RELEASE_KEEPS_PROMISE 3 /* a release clears the record, and leaves promised as it was */
#define RELEASE_BEFORE_EMPTY 4  /* a release is said before the kernel is empty */
#define RENEWAL_FROM_ACK 5      /* a renewed lease counts from the ack, not from the renewal */
#define ACKS_OF_ANY_NONCE 6     /* acks of an earlier renewal count for a later one */
#define OLDER_REPLACES_NEWER 7  /* an older incarnation may replace a newer one's record */
#define ADOPTED_TRY_RELEASED 8  /* an attempt over an adopted lease is released when it fails */
#define KERNEL_WITHOUT_END 9    /* the kernel holds for ever, unless it is told to let go */
#define ONE_VOTE_SHORT 10       /* the own vote is counted twice */
#define ACKED_AFTER_END 11      /* an ack counts although the lease has ended */
#define GRANT_NONCE_OF_SENDING 12  /* a grant names what was heard when it is said, not when it was recorded */
#define GRANT_TO_SILENT 13      /* a silent node takes a grant */
#define GRANT_AT_ANY_ROUND 14   /* a grant is taken although its round has been seen */
#define GRANT_BEFORE_EMPTY 15   /* a grant is said before the kernel is empty */
#define GRANT_WITHOUT_OWN_VOTE 16  /* a grant is taken without asking the own voter */
#define GRANT_OF_ANY_INCARNATION 17  /* a grant to an older incarnation is taken */
#define GRANT_OF_ANY_SESSION 18 /* a grant to an earlier session of the same incarnation is taken */
#define GRANT_NOT_RECORDED 19   /* a grant is said, and the own voter has no record of it */
#define GRANT_WHILE_OWNING 20   /* a grant is taken by a node that owns or is releasing */
#define GRANT_BELOW_PROMISED 21 /* the grant's round is R's own ballot's, not above all */
#define VOTES_WHILE_BUSY 22     /* an owner's voter votes for others */
#define ANSWERS_BEFORE_PERSISTING 23 /* a restart forgets the last vote (rule 13) */
#define GRANT_OVER_RECORD 24    /* R records the grant over whatever lives in its voter */
#define RENEWS_ADOPTED 25       /* an adopted lease is renewed under its old ballot */

#define K (NC * INCS)
#define NB (K * ROUNDS)
#define BALLOT(r, i, n) (1 + ((r) - 1) * K + (i) * NC + (n))
#define ROUND(b) (1 + ((b) - 1) / K)
#define INC(b) ((((b) - 1) % K) / NC)
#define NODE(b) (((b) - 1) % NC)
#define ABOVE(b) (1 + ROUND(b) * K)
#define BIT(b) (1 << ((b) - 1))
#define QUORUM (NV / 2 + 1)

/* The voters: rules 7 to 13. */
byte promised[NV];
byte record[NV];    /* whose ballot; 0: none lives */
byte deadline[NV];  /* ticks that the record lives */
byte silent[NV];    /* ticks of silence left */

/* What a node does about the group. */
byte inc[NC];
byte highest[NC];
byte attempt[NC];   /* its ballot, 0: none */
byte phase[NC];     /* 1: asks for promises, 2: for records */
byte until[NC];     /* ticks until the attempt, if it is won, would end */
byte votes[NC];     /* who has answered in this phase */
byte own[NC];       /* the ballot under which it owns; of an older incarnation: adopted */
byte end[NC];
bit releasing[NC];
bit handing[NC];    /* ... to a successor */
int litter[NC];     /* ballots of its own that voters may have taken down */
byte renewed[NC];   /* ticks until the latest renewal, if it is acknowledged, would end */
byte acks[NC];
byte kern[NC];
#if ROLLBACK
bit rolled_back[NC];
#endif

/* What has been said: sets of ballots. */
int prepares, accepts, heartbeats, releases;
byte grant[NC];     /* the grant that node n gave: its ballot */
byte granted[NC];   /* ticks until the lease ends that is taken by it */
bit stale[NC];      /* the grantee has begun a new session since */

byte crashes, moves;
byte i, x, top;     /* scratch, 0 between two steps */
#define DONE tidy()

#define LIVE(v) (record[v] != 0)
#define FOREIGN(v, b) (LIVE(v) && !BUG(OVERWRITES) && (NODE(record[v]) != NODE(b) \
    || (INC(record[v]) > INC(b) && !BUG(OLDER_REPLACES_NEWER))))
#define BUSY(v) ((v) < NC && (own[(v) % NC] != 0 || releasing[(v) % NC]) && !BUG(VOTES_WHILE_BUSY))
#define VOTES(v) (silent[v] == 0 && !BUSY(v))
#define COUNT(set) ((((set) & 1) + (((set) >> 1) & 1) + (((set) >> 2) & 1) + (((set) >> 3) & 1) \
    + (((set) >> 4) & 1)) + BUG(ONE_VOTE_SHORT))
#define HAS(set, b) (((set) & BIT(b)) != 0)
#define ADOPTED(n) (own[n] != 0 && INC(own[n]) != inc[n])
#define MINE(n) (LIVE(n) && NODE(record[n]) == (n))

inline saw(v, b) {
    if
    :: (v) < NC && highest[(v) % NC] < ROUND(b) -> highest[(v) % NC] = ROUND(b)
    :: else
    fi
}

inline promise_at_least(v, b) {
    if
    :: promised[v] < (b) -> promised[v] = (b)
    :: else
    fi
}

inline take_down(v, b) {
    record[v] = b; deadline[v] = T; promise_at_least(v, b)
}

inline clear(v) {
    record[v] = 0; deadline[v] = 0
}

/* Rule 11: exactly these ballots are over at this voter. */
inline release_here(v, set) {
    if
    :: LIVE(v) && HAS(set, record[v]) -> clear(v)
    :: else
    fi;
    if
    :: (set) != 0 && !BUG(RELEASE_KEEPS_PROMISE) ->
        top = NB;
        do
        :: top > 0 && !HAS(set, top) -> top--
        :: else -> break
        od;
        promise_at_least(v, ABOVE(top))
    :: else
    fi
}

inline no_attempt(n) {
    attempt[n] = 0; phase[n] = 0; until[n] = 0; votes[n] = 0
}

inline not_owner(n) {
    own[n] = 0; end[n] = 0; renewed[n] = 0; acks[n] = 0
}

/* Never two: whoever begins to hold is alone. */
inline hold(n) {
    kern[n] = end[n];
    x = 0;
    for (i : 0 .. NC - 1) {
        x = x + (kern[i] > 0)
    }
    assert(x <= 1)
}

/* Rule 16, and winning releases what is left of earlier ballots. */
inline win(n, b, ends) {
    i = own[n];
    if
    :: i != 0 -> litter[n] = litter[n] | BIT(i)
    :: else
    fi;
    litter[n] = litter[n] & ~BIT(b);
    releases = releases | litter[n];
    litter[n] = 0;
#if GOAL == 1
    assert(b == 0)                                  /* somebody owns */
#elif GOAL == 2
    assert(!(n == 1 && moves == 1 && kern[0] == 0)) /* ... after somebody else gave it up */
#elif GOAL == 3
    assert(own[n] == 0)                             /* ... over an adopted lease */
#elif GOAL == 4
    assert(!(n == 1 && moves == 0 && heartbeats != 0 && crashes == 0)) /* ... after the owner's lease ran out */
#endif
    own[n] = b; end[n] = ends; renewed[n] = 0; acks[n] = 0;
    no_attempt(n);
    hold(n)
}

/* Rule 15. */
inline begin(n, r) {
    attempt[n] = BALLOT(r, inc[n], n);
    highest[n] = ROUND(attempt[n]);
    until[n] = LEASE;
    votes[n] = 1 << n;
#if PREPARE
    phase[n] = 1;
    promised[n] = attempt[n];
    prepares = prepares | BIT(attempt[n])
#else
    phase[n] = 2;
    take_down(n, attempt[n]);
    litter[n] = litter[n] | BIT(attempt[n]);
    accepts = accepts | BIT(attempt[n])
#endif
}

#define MAY_BEGIN(n, r) (attempt[n] == 0 && !releasing[n] && silent[n] == 0 && (own[n] == 0 || ADOPTED(n)) \
    && (r) > highest[n] && (r) <= ROUNDS && !FOREIGN(n, BALLOT(r, inc[n], n)) && BALLOT(r, inc[n], n) >= promised[n])

inline ask_for_records(n) {
    take_down(n, attempt[n]);
    phase[n] = 2;
    votes[n] = 1 << n;
    litter[n] = litter[n] | BIT(attempt[n]);
    accepts = accepts | BIT(attempt[n])
}

inline abandon(n) {
    if
    :: phase[n] == 2 && (own[n] == 0 || BUG(ADOPTED_TRY_RELEASED)) ->
        releases = releases | litter[n];
        release_here(n, litter[n]);
        litter[n] = 0
    :: else
    fi;
    no_attempt(n)
}

/* Rules 19 and 20: the lease first, then the kernel. */
inline give_up(n) {
    litter[n] = litter[n] | BIT(own[n]);
    if
    :: MINE(n) -> litter[n] = litter[n] | BIT(record[n])
    :: else
    fi;
    if
    :: BUG(RELEASE_BEFORE_EMPTY) -> releases = releases | litter[n]
    :: else
    fi;
    not_owner(n);
    no_attempt(n);
    releasing[n] = 1
}

inline emptied(n) {
    kern[n] = 0;
    releases = releases | litter[n];
    release_here(n, litter[n]);
    litter[n] = 0;
    releasing[n] = 0;
    handing[n] = 0
}

/* Rule 20a: R's voter gives its vote to the successor s at once, under a ballot in the successor's name. */
inline grant_to(n, s, r, incarnation) {
    grant[n] = BALLOT(r, incarnation, s);
    if
    :: BUG(GRANT_NOT_RECORDED)
    :: else ->
        record[n] = grant[n]; deadline[n] = T; promised[n] = grant[n]
    fi;
    highest[n] = r;
    granted[n] = LEASE;
    stale[n] = (incarnation != inc[s])
}

#define GRANTS(n, s, r) (handing[n] && (r) <= ROUNDS && (n) != (s))

#define MAY_TAKE(n, s) (grant[n] != 0 && NODE(grant[n]) == (s) && granted[n] > 0 \
    && (INC(grant[n]) == inc[s] || BUG(GRANT_OF_ANY_INCARNATION)) \
    && (!stale[n] || (record[n] == grant[n] && (BUG(GRANT_OF_ANY_SESSION) || BUG(GRANT_OF_ANY_INCARNATION)))) \
    && (silent[s] == 0 || BUG(GRANT_TO_SILENT)) && attempt[s] == 0 \
    && (own[s] == 0 && !releasing[s] || BUG(GRANT_WHILE_OWNING)) \
    && (highest[s] < ROUND(grant[n]) || BUG(GRANT_AT_ANY_ROUND)))

inline take_grant(n, s) {
    i = grant[n];
    highest[s] = ROUND(i);
    if
    :: LIVE(s) && HAS(releases, record[s]) -> clear(s)
    :: else
    fi;
    if
    :: (!FOREIGN(s, i) && promised[s] <= i) || BUG(GRANT_WITHOUT_OWN_VOTE) ->
        take_down(s, i);
#if GOAL == 5
        assert(i == 0)                              /* a grant is taken */
#endif
        x = (stale[n] -> LEASE : granted[n]);
        if
        :: 2 >= QUORUM -> top = i; win(s, top, x)
        :: else ->
            attempt[s] = i; phase[s] = 2; until[s] = x;
            votes[s] = (1 << n) | (1 << s);
            litter[s] = litter[s] | BIT(i);
            accepts = accepts | BIT(i)
        fi
    :: else
    fi
}

/* Rule 18. */
inline renew(n) {
    heartbeats = heartbeats | BIT(own[n]);
    renewed[n] = LEASE;
    acks[n] = (BUG(ACKS_OF_ANY_NONCE) -> acks[n] | (1 << n) : 1 << n);
    if
    :: record[n] == own[n] -> deadline[n] = T
    :: else
    fi
}

inline acknowledged(n) {
    end[n] = (BUG(RENEWAL_FROM_ACK) -> LEASE : renewed[n]);
    kern[n] = end[n];
#if GOAL == 6
    assert(n == 0)                                  /* the second owner has its lease renewed */
#endif
    hold(n);
    renewed[n] = 0
}

/* Rules 12 and 14. */
inline restart_with_state(n) {
    crashes++;
    inc[n]++;
    no_attempt(n);
    renewed[n] = 0; acks[n] = 0;
    handing[n] = 0;
    for (i : 0 .. NC - 1) {
        if
        :: grant[i] != 0 && NODE(grant[i]) == n -> stale[i] = 1
        :: else
        fi
    }
    if
    :: BUG(ANSWERS_BEFORE_PERSISTING) -> clear(n)
    :: else
    fi;
    litter[n] = 0;
    if
    :: MINE(n) -> litter[n] = BIT(record[n])
    :: else
    fi;
    if
    :: own[n] != 0 -> litter[n] = litter[n] & ~BIT(own[n])
    :: else -> releasing[n] = (kern[n] > 0 || litter[n] != 0)
    fi
}

inline restart_without_state(v, still, same) {
    crashes++;
    clear(v);
    promised[v] = 0;
    if
    :: BUG(NO_SILENCE)
    :: else -> silent[v] = QUIET
    fi;
    if
    :: (v) < NC ->
        inc[(v) % NC] = inc[(v) % NC] + (same -> 0 : 1);
        highest[(v) % NC] = 0;
        litter[(v) % NC] = 0;
        handing[(v) % NC] = 0;
        no_attempt((v) % NC);
        not_owner((v) % NC);
        if
        :: still
        :: else -> kern[(v) % NC] = 0
        fi;
        releasing[(v) % NC] = (kern[(v) % NC] > 0);
        for (i : 0 .. NC - 1) {
            if
            :: grant[i] != 0 && NODE(grant[i]) == (v) -> stale[i] = 1
            :: else
            fi
        }
    :: else
    fi
}

inline less(counter) {
    if
    :: counter > 0 -> counter--
    :: else
    fi
}

inline tick() {
    for (i : 0 .. NV - 1) {
        less(silent[i]);
        less(deadline[i]);
        if
        :: deadline[i] == 0 -> record[i] = 0
        :: else
        fi
    }
    for (i : 0 .. NC - 1) {
        less(until[i]);
        less(renewed[i]);
        less(granted[i]);
        if
        :: granted[i] == 0 -> grant[i] = 0; stale[i] = 0
        :: else
        fi;
        if
        :: BUG(KERNEL_WITHOUT_END)
        :: else -> less(kern[i])
        fi;
        less(end[i]);
        if
        :: own[i] != 0 && end[i] == 0 && !(BUG(ACKED_AFTER_END) && renewed[i] > 0) -> give_up(i)
        :: else
        fi
    }
}

/* What can have no effect any more is forgotten, so that states that differ in nothing else are one. */
inline tidy() {
    for (i : 0 .. NC - 1) {
        if
        :: renewed[i] <= end[i] && !BUG(ACKED_AFTER_END) && !BUG(RENEWAL_FROM_ACK) -> renewed[i] = 0; acks[i] = 0
        :: else
        fi;
        if
        :: phase[i] == 1 && until[i] == 0 -> no_attempt(i)
        :: else
        fi;
        if
        :: grant[i] != 0 && !BUG(GRANT_AT_ANY_ROUND) && !BUG(GRANT_OF_ANY_INCARNATION) && !BUG(GRANT_OF_ANY_SESSION) &&
            (stale[i] || highest[NODE(grant[i])] >= ROUND(grant[i])) -> grant[i] = 0; granted[i] = 0; stale[i] = 0
        :: else
        fi
    }
    x = promised[0];
    for (i : 1 .. NV - 1) {
        x = (promised[i] < x -> promised[i] : x)
    }
    top = 1;
    do
    :: top < x ->
        for (i : 0 .. NV - 1) {
            if
            :: record[i] == top -> break
            :: else
            fi
        }
        if
        :: i == NV ->
            prepares = prepares & ~BIT(top);
            accepts = accepts & ~BIT(top);
            if
            :: own[NODE(top)] == top
            :: else -> heartbeats = heartbeats & ~BIT(top)
            fi;
            if
            :: ABOVE(top) <= x -> releases = releases & ~BIT(top)
            :: else
            fi
        :: else
        fi;
        top++
    :: else -> break
    od;
    i = 0; x = 0; top = 0
}

#define HEAR_PREPARE(v, b) \
    :: d_step { HAS(prepares, b) && NODE(b) != (v) && VOTES(v) && (b) >= promised[v] && !FOREIGN(v, b) \
        && ((b) != promised[v] || (attempt[NODE(b)] == (b) && phase[NODE(b)] == 1 && !((votes[NODE(b)] >> (v)) & 1))) -> \
        saw(v, b); promised[v] = b; \
        if :: attempt[NODE(b)] == (b) && phase[NODE(b)] == 1 -> votes[NODE(b)] = votes[NODE(b)] | (1 << (v)) :: else fi; DONE }

#define HEAR_ACCEPT(v, b) \
    :: d_step { HAS(accepts, b) && NODE(b) != (v) && VOTES(v) && (b) >= promised[v] && !FOREIGN(v, b) \
        && (record[v] != (b) || deadline[v] != T || promised[v] != (b) \
            || (attempt[NODE(b)] == (b) && phase[NODE(b)] == 2 && !((votes[NODE(b)] >> (v)) & 1))) -> \
        saw(v, b); take_down(v, b); \
        if :: attempt[NODE(b)] == (b) && phase[NODE(b)] == 2 -> votes[NODE(b)] = votes[NODE(b)] | (1 << (v)) :: else fi; DONE }

#define HEAR_RENEWAL(v, b) \
    :: d_step { HAS(heartbeats, b) && NODE(b) != (v) && !BUSY(v) \
        && (record[v] == (b) || (!LIVE(v) && (b) >= promised[v])) \
        && (record[v] != (b) || deadline[v] != T \
            || (own[NODE(b)] == (b) && renewed[NODE(b)] > 0 && !((acks[NODE(b)] >> (v)) & 1))) -> \
        saw(v, b); take_down(v, b); \
        if :: own[NODE(b)] == (b) && renewed[NODE(b)] > 0 -> acks[NODE(b)] = acks[NODE(b)] | (1 << (v)) :: else fi; DONE }

#define HEAR_RELEASE(v, b) \
    :: d_step { HAS(releases, b) && (record[v] == (b) || (promised[v] < ABOVE(b) && !BUG(RELEASE_KEEPS_PROMISE))) -> \
        saw(v, b); release_here(v, BIT(b)); DONE }

#define HEAR(v, b) HEAR_PREPARE(v, b) HEAR_ACCEPT(v, b) HEAR_RENEWAL(v, b) HEAR_RELEASE(v, b)
#define ROUND_OF(v, r) HEAR(v, BALLOT(r, 0, 0)) HEAR(v, BALLOT(r, 0, 1)) THIRD_OF(v, r, 0) SECOND_OF(v, r)
#if INCS > 1
#define SECOND_OF(v, r) HEAR(v, BALLOT(r, 1, 0)) HEAR(v, BALLOT(r, 1, 1)) THIRD_OF(v, r, 1)
#else
#define SECOND_OF(v, r)
#endif
#if NC > 2
#define THIRD_OF(v, r, i) HEAR(v, BALLOT(r, i, 2))
#else
#define THIRD_OF(v, r, i)
#endif
#if ROUNDS == 1
#define VOTER(v) ROUND_OF(v, 1)
#elif ROUNDS == 2
#define VOTER(v) ROUND_OF(v, 1) ROUND_OF(v, 2)
#elif ROUNDS == 3
#define VOTER(v) ROUND_OF(v, 1) ROUND_OF(v, 2) ROUND_OF(v, 3)
#elif ROUNDS == 4
#define VOTER(v) ROUND_OF(v, 1) ROUND_OF(v, 2) ROUND_OF(v, 3) ROUND_OF(v, 4)
#else
#define VOTER(v) ROUND_OF(v, 1) ROUND_OF(v, 2) ROUND_OF(v, 3) ROUND_OF(v, 4) ROUND_OF(v, 5)
#endif

#if ROLLBACK
#define ROLL_BACK(v) if :: (v) < NC -> rolled_back[(v) % NC] = 1 :: else fi
#define RESTART_AS_BEFORE(v) :: d_step { crashes < CRASHES -> restart_without_state(v, 0, 1); ROLL_BACK(v); DONE }
#else
#define RESTART_AS_BEFORE(v)
#endif
#define RESTART_LOST(v) \
    :: d_step { LOSS && crashes < CRASHES && ((v) >= NC || inc[(v) % NC] + 1 < INCS) -> restart_without_state(v, 1, 0); DONE } \
    :: d_step { LOSS && crashes < CRASHES && (v) < NC && inc[(v) % NC] + 1 < INCS && kern[(v) % NC] > 0 -> \
        restart_without_state(v, 0, 0); DONE } \
    RESTART_AS_BEFORE(v)

#if ROLLBACK
#define GRANT_TO_EARLIER_SESSION(n, s) \
    :: d_step { GRANTS(n, s, highest[n] + 1) && releasing[n] && rolled_back[s] -> \
        emptied(n); \
        if :: !LIVE(n) -> x = highest[n] + 1; grant_to(n, s, x, inc[s]); stale[n] = 1 :: else fi; DONE }
#else
#define GRANT_TO_EARLIER_SESSION(n, s)
#endif

#define HAND_OVER(n, s) \
    :: d_step { GRANTS(n, s, highest[n] + 1) && (releasing[n] || BUG(GRANT_BEFORE_EMPTY)) -> \
        if \
        :: BUG(GRANT_BEFORE_EMPTY) -> releases = releases | litter[n]; release_here(n, litter[n]); handing[n] = 0 \
        :: else -> emptied(n) \
        fi; \
        if \
        :: !LIVE(n) || BUG(GRANT_OVER_RECORD) -> \
            x = (BUG(GRANT_BELOW_PROMISED) -> highest[n] : highest[n] + 1); grant_to(n, s, x, inc[s]) \
        :: else fi; DONE } \
    :: d_step { GRANTS(n, s, highest[n] + 1) && releasing[n] && inc[s] > 0 -> \
        emptied(n); \
        if :: !LIVE(n) -> x = highest[n] + 1; grant_to(n, s, x, inc[s] - 1) :: else fi; DONE } \
    GRANT_TO_EARLIER_SESSION(n, s) \
    :: d_step { MAY_TAKE(n, s) -> take_grant(n, s); DONE }

#define GRANT_AGAIN(n) \
    :: d_step { BUG(GRANT_NONCE_OF_SENDING) && grant[n] != 0 && record[n] == grant[n] && !stale[n] && granted[n] < LEASE -> \
        granted[n] = LEASE; DONE }

#if GRANT && NC == 2
#define GRANTS_OF(n) HAND_OVER(n, 1 - (n)) GRANT_AGAIN(n)
#elif GRANT
#define GRANTS_OF(n) HAND_OVER(n, ((n) + 1) % NC) HAND_OVER(n, ((n) + 2) % NC) GRANT_AGAIN(n)
#else
#define GRANTS_OF(n)
#endif

#if PREPARE
#define PROMISED(n) \
    :: d_step { phase[n] == 1 && until[n] > 0 && COUNT(votes[n]) >= QUORUM && !FOREIGN(n, attempt[n]) \
        && attempt[n] >= promised[n] -> ask_for_records(n); DONE }
#else
#define PROMISED(n)
#endif

#define CANDIDATE(n) \
    :: d_step { MAY_BEGIN(n, highest[n] + 1) -> begin(n, highest[n] + 1); DONE } \
    PROMISED(n) \
    :: d_step { phase[n] == 2 && until[n] > 0 && COUNT(votes[n]) >= QUORUM && record[n] == attempt[n] -> \
        x = (BUG(TIMER_AT_WINNING) -> LEASE : until[n]); win(n, attempt[n], x); DONE } \
    :: d_step { attempt[n] != 0 -> abandon(n); DONE } \
    :: d_step { own[n] != 0 && end[n] > 0 && moves < MOVES -> moves++; give_up(n); handing[n] = GRANT; DONE } \
    :: d_step { releasing[n] -> emptied(n); DONE } \
    :: d_step { RENEWALS && own[n] != 0 && end[n] > 0 && (!ADOPTED(n) || BUG(RENEWS_ADOPTED)) && renewed[n] < LEASE -> \
        renew(n); DONE } \
    :: d_step { own[n] != 0 && renewed[n] > end[n] && COUNT(acks[n]) >= QUORUM && (end[n] > 0 || BUG(ACKED_AFTER_END)) -> \
        acknowledged(n); DONE } \
    :: d_step { KEPT && crashes < CRASHES && inc[n] + 1 < INCS -> restart_with_state(n); DONE } \
    GRANTS_OF(n)

init {
#if OWNED
    d_step {
        own[0] = BALLOT(1, 0, 0); end[0] = LEASE; kern[0] = LEASE; highest[0] = 1;
        prepares = BIT(1); accepts = BIT(1);
        for (i : 0 .. NV - 1) {
            if
            :: i != 1 -> record[i] = 1; deadline[i] = T; promised[i] = 1
            :: else
            fi
        }; DONE }
#endif
    do
    CANDIDATE(0)
    CANDIDATE(1)
    VOTER(0) RESTART_LOST(0)
    VOTER(1) RESTART_LOST(1)
#if NC > 2
    CANDIDATE(2)
#endif
#if NV > 2
    VOTER(2) RESTART_LOST(2)
#endif
#if NV > 3
    VOTER(3) RESTART_LOST(3)
#endif
    :: d_step { tick(); DONE }
    od
}

/*
 * Refresh tokens: rotation, the retry window, replay and revocation, with lost replies and a
 * failover. One grant; a refresh token is its generation, so that a successor is the same one
 * whoever computes it.
 *
 * Checked:
 *  - no refresh that starts after the 200 to a revocation, or after a refused replay, succeeds;
 *  - none succeeds with a token whose successor was used before it started;
 *  - a client that keeps to the rules is never refused without a cause;
 *  - what was handed out is not lost by a failover.
 *
 * Leases are one bit here, as failover.pml justifies: nodes at the old primary may hold one from it
 * for a while after the promotion, and on the new primary nothing is answered with success before
 * that is over. The row lock lasts until a commit ends, so at most one commit is under way, and
 * what reaches the standby is the row as last written. See lease.pml for how to read a model.
 */

#define MOST 3                   /* generations */

/* The grant's row: on the old primary as readers see it, on the standby (then the new primary),
   and as written on the old primary by the commit under way. */
#define OLD 0
#define NEW 1
#define PENDING 2
byte generation[3];
bit  revoked[3];
bit  window[3];                  /* the retry window after the last rotation is open */
bit  under_way, flushed;         /* the commit on the old primary */
bit  promoted;
bit  old_lease = 1;              /* some node may hold a lease from the old primary */

/* Requests: 0 is the client's, 1 somebody's who stole a token, 2 is the revocation. */
#define NONE     0
#define ARRIVED  1
#define READ     2               /* trap: has read the row, will write it back */
#define COMMITS  3               /* waits for the commit on the old primary */
#define DECIDED  4               /* on the new one: committed; on the old: acknowledged */
byte phase[3];
bit  at[3];                      /* which database */
byte presents[2];                /* generation */
byte answer[2];                  /* the successor's generation + 1, or one of these */
#define REFUSED  10              /* by what was read alone */
#define REPLAY   11              /* and the grant was ended for it, in a commit of its own */
bit  late[2];                    /* it started after the 200, or after a refused replay */
byte used_before[2];             /* the highest generation used before it started, + 1 */
bit  orphan;                     /* the commit's owner has left */

/* What was answered. */
byte has;                        /* the client's token */
bit  has_stolen = 1; byte stolen;
byte used;                       /* the highest generation presented with success, + 1 */
bit  gone;                       /* an end was answered */
bit  cause;                      /* something happened that may refuse the client */
bit  begun;

#define SERVES(d)  ((d) == OLD || promoted)
#define LOCKED(d)  ((d) == OLD && under_way)
#ifdef TRAP_ASYNC_COMMIT
#define ACKNOWLEDGED under_way
#else
#define ACKNOWLEDGED (under_way && flushed)
#endif
#ifdef TRAP_NO_WAIT_AFTER_PROMOTION
#define OVER(d) true
#else
#define OVER(d) ((d) == OLD || !old_lease)
#endif
#ifdef TRAP_NO_PROOF
#define PROVEN(d) true
#else
#define PROVEN(d) ((d) == NEW || old_lease)
#endif

inline copy(to, from) {
    generation[to] = generation[from]; revoked[to] = revoked[from]; window[to] = window[from]
}
inline clear_pending() {
    generation[PENDING] = 0; revoked[PENDING] = 0; window[PENDING] = 0;
    under_way = 0; flushed = 0; orphan = 0
}
inline commit_ends() { copy(OLD, PENDING); clear_pending() }
/* Where a statement writes: on the old primary beside the visible row. */
#define TO(d) ((d) == OLD -> PENDING : NEW)
inline begin(r) {
    if
    :: at[r] == OLD -> copy(PENDING, OLD); under_way = 1; phase[r] = COMMITS
    :: else -> phase[r] = DECIDED
    fi
}
inline leave(r) {
    phase[r] = NONE; at[r] = 0;
    if :: r < 2 -> presents[r] = 0; answer[r] = 0; late[r] = 0; used_before[r] = 0 :: else fi
}

active proctype world() {
    do
    :: d_step { !promoted && under_way && !flushed -> copy(NEW, PENDING); flushed = 1 }
    :: d_step { !promoted && !under_way -> copy(NEW, OLD) }      /* the standby catches up */
    :: d_step { !promoted -> promoted = 1;
        assert(!(gone && !revoked[NEW]));
        assert(!(used > generation[NEW] && !revoked[NEW])) }
    :: d_step { promoted && old_lease -> old_lease = 0 }         /* time passes */
    /* The window ends. A client whose reply was lost may be too late then. */
    :: d_step { window[OLD] && !under_way -> window[OLD] = 0; cause = 1 }
    :: d_step { promoted && window[NEW] -> window[NEW] = 0; cause = 1 }
    /* The owner has left; the commit ends without it. */
    :: d_step { orphan -> commit_ends() }
    od
}

/* One request with a refresh token: one compare-and-set statement decides. */
inline decide(r, d) {
    if
    :: revoked[d] -> answer[r] = REFUSED; phase[r] = DECIDED
    :: !revoked[d] && presents[r] == generation[d] && generation[d] < MOST ->
        begin(r);
        generation[TO(d)] = presents[r] + 1; window[TO(d)] = 1;
        answer[r] = presents[r] + 2
    :: !revoked[d] && presents[r] == generation[d] && generation[d] == MOST -> leave(r)  /* bound */
    :: !revoked[d] && presents[r] + 1 == generation[d] && window[d] ->
#ifdef TRAP_RETRY_BY_READ
        phase[r] = DECIDED;
#else
        begin(r);                /* an UPDATE: it counts the retry */
#endif
        answer[r] = presents[r] + 2
    :: !revoked[d] && (presents[r] > generation[d] ||
        (presents[r] < generation[d] && !(presents[r] + 1 == generation[d] && window[d]))) ->
        /* A replay, or a token from a state that was lost. */
#ifdef TRAP_ROLLED_BACK
        phase[r] = DECIDED;      /* the error's rollback takes the end with it */
#else
        begin(r);
        revoked[TO(d)] = 1;
#endif
        answer[r] = REPLAY
    fi
}
inline success(r) {
    assert(!late[r]);                                            /* THE PROMISE */
    assert(presents[r] + 2 > used_before[r]);                    /* g + 1 was not yet used */
    used = (presents[r] + 1 > used -> presents[r] + 1 : used);
#ifdef PROBE_RETRY_ANSWERED
    assert(presents[r] + 1 != used_before[r]);
#endif
    if
    :: r == 0 -> has = answer[r] - 1
    :: r == 1 -> stolen = answer[r] - 1
    fi;
    leave(r)
}
inline refusal(r) {
    assert(r == 1 || cause || begun);                            /* never without a cause */
#ifdef PROBE_REPLAY_REFUSED
    assert(answer[r] != REPLAY);
#endif
    if :: answer[r] == REPLAY -> gone = 1 :: else fi;
    leave(r)
}

active [2] proctype requester() {
    byte r = _pid - 1;
    do
    :: d_step { phase[r] == NONE && (r == 0 || has_stolen) ->
        phase[r] = ARRIVED; at[r] = OLD;
        presents[r] = (r == 0 -> has : stolen); late[r] = gone; used_before[r] = used;
        if :: r == 1 -> cause = 1 :: else fi }
    :: d_step { phase[r] == NONE && promoted && (r == 0 || has_stolen) ->
        phase[r] = ARRIVED; at[r] = NEW;
        presents[r] = (r == 0 -> has : stolen); late[r] = gone; used_before[r] = used;
        if :: r == 1 -> cause = 1 :: else fi }
#ifdef TRAP_LOST_UPDATE
    /* Reads, then writes the row back as it was, with the next generation. */
    :: d_step { phase[r] == ARRIVED && !revoked[at[r]] && presents[r] == generation[at[r]] &&
        generation[at[r]] < MOST -> phase[r] = READ }
    :: d_step { phase[r] == READ && !LOCKED(at[r]) ->
        begin(r);
        generation[TO(at[r])] = presents[r] + 1; window[TO(at[r])] = 1; revoked[TO(at[r])] = 0;
        answer[r] = presents[r] + 2 }
#else
    :: d_step { phase[r] == ARRIVED && !LOCKED(at[r]) -> decide(r, at[r]) }
#ifdef TRAP_RETRY_BY_READ
    :: d_step { phase[r] == ARRIVED && !revoked[at[r]] && window[at[r]] &&
        presents[r] + 1 == generation[at[r]] -> decide(r, at[r]) }
#endif
#endif
    :: d_step { phase[r] == COMMITS && ACKNOWLEDGED -> commit_ends(); phase[r] = DECIDED }
    /* Unknown: a warning, a lost connection. 503, and the client may try again. */
    :: d_step { phase[r] == COMMITS && !flushed -> commit_ends();
#ifdef TRAP_WARNING_01000
        phase[r] = DECIDED }
#else
        leave(r) }
#endif
    :: d_step { phase[r] == DECIDED && answer[r] < REFUSED && OVER(at[r]) -> success(r) }
    :: d_step { phase[r] == DECIDED && answer[r] == REPLAY && OVER(at[r]) -> refusal(r) }
    :: d_step { phase[r] == DECIDED && answer[r] == REFUSED && PROVEN(at[r]) -> refusal(r) }
    /* The client hears nothing, and knows that its request is over. */
    :: d_step { phase[r] != NONE ->
        if :: phase[r] == COMMITS -> orphan = 1 :: else fi;
        leave(r) }
#ifdef TRAP_LATE_DUPLICATE
    /* It does not know: a copy of its request still waits somewhere, and comes when it comes. */
    :: d_step { r == 0 && phase[0] == ARRIVED && phase[1] == NONE ->
        has_stolen = 0; phase[1] = ARRIVED; at[1] = at[0]; presents[1] = presents[0];
        late[1] = late[0]; used_before[1] = used_before[0]; leave(0) }
#endif
    od
}

/* The revocation, on either database; it may be tried again. */
active proctype revocation() {
    do
    :: d_step { phase[2] == NONE && !gone && !LOCKED(OLD) ->
        at[2] = OLD; begun = 1; begin(2); revoked[PENDING] = 1 }
    :: d_step { phase[2] == NONE && !gone && promoted ->
        at[2] = NEW; begun = 1; begin(2); revoked[NEW] = 1 }
    :: d_step { phase[2] == COMMITS && ACKNOWLEDGED -> commit_ends(); phase[2] = DECIDED }
    :: d_step { phase[2] == COMMITS && !flushed -> commit_ends();
#ifdef TRAP_WARNING_01000
        phase[2] = DECIDED }
#else
        leave(2) }
#endif
    :: d_step { phase[2] == DECIDED && OVER(at[2]) -> gone = 1; leave(2);
        assert(!(promoted && !revoked[NEW]));
#ifdef PROBE_REVOKED
        assert(false);
#endif
        }
    od
}

#ifdef PROBE_ROTATED_ON_THE_NEW
active proctype probe() { d_step { promoted && used == 2 && generation[OLD] < 2 -> assert(false) } }
#endif

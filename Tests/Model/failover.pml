/*
 * Two databases: a primary (0) with a synchronous standby (1), which is promoted once, while the
 * old primary goes on serving whoever still reaches it.
 *
 * Both promises are checked here, after the 200 to a revocation: never active; and after a token
 * was handed out: never inactive without a cause.
 *
 * What lease.pml has in fine steps is coarse here: no drift, no removal of rows, a poll's rows are
 * applied and its lease begins at once. A database is named by its timeline, and a node may be
 * connected to either one for each of its statements. See lease.pml for how to read a model.
 */

#define D 2                      /* no drift: a lease and a wait are equally long */
#define WAIT D

/* Who commits. */
#define NODE  0
#define ENDS  1                  /* the revocation of the token */
#define NOISE 2                  /* a revocation of something else: it takes a number */
#define ISSUE 3                  /* the token's grant is inserted; the token is handed out */

/* Each database, as its readers see it. */
bit  exists[2];                  /* the grant */
bit  dead[2];                    /* its latch */
byte last[2];                    /* the log's last number */
byte end_number[2];              /* the highest number of a row that ends the token */
bit  row[2];                     /* the node's row */
byte row_applied[2];
bit  promoted;
byte timeline_age;               /* by the clock row: 0 not yet seen, else 1 + time, to WAIT + 1 */

/* Commits on the old primary: written there, flushed at the standby, in the order of the WAL. A
   client hears of its commit when it is flushed. A cancelled wait, and a crash with a restart,
   make the commit visible without that: the client has a warning or no reply, never success. */
#define WRITTEN 1
#define FLUSHED 2
byte commit[4];                  /* by whom: 0 none under way */
bit  in_wal[4];                  /* its record is not yet at the standby */
chan wal = [4] of { byte };
bit  is_join;                    /* what the node's record is */
byte says_applied;               /* and what it says */

/* The node. */
#define OUT     0
#define JOINING 1
#define IDLE    2
#define SENT    3                /* its clock was read */
#define POLLING 4                /* the UPDATE waits for the standby, on database 0 */
#define POLLED  5                /* its reply is on the way */
byte state;
bit  home;                       /* the timeline on which it joined */
bit  asks;                       /* the database of the statement under way */
byte age;                        /* since the poll was sent */
byte seen_last, seen_end;        /* the poll's snapshot */
byte lease;
byte applied;
byte stamp;
bit  cached_alive;
byte fill;                       /* 0 none, else 1 + the database that said alive */
byte fill_from;

/* The revocation of the token. */
#define UNDER_WAY    1           /* it waits for the standby, on database 0 */
#define ACKNOWLEDGED 2
#define ROWS_READ    3
#define ANSWERED     4           /* 200 */
byte revoker;
bit  revoker_at;                 /* the database it talks to */
bit  begun;                      /* some attempt was made: a cause for inactive */
byte attempts;
byte target;
byte waited;
bit  whole;                      /* it waits the whole time */

byte issuer;                     /* UNDER_WAY, ACKNOWLEDGED (waits on 1), ANSWERED: handed out */
bit  issuer_at;
bit  noise_done;

/* The reader. */
#define ARRIVED      1
#define LEASE_SEEN   2
#define READ_ALIVE   3
#define READ_MISSING 4
byte reader;
bit  reads_at;                   /* the database that said so */
bit  after_end, after_issue;     /* what had been answered when it arrived */

bit  moved;                      /* probe: the node joined the new primary */

/* Is the timeline old enough? By the clock row, or, OWN_CLOCK, by how long the writers' own node
   has known it: no column, no wall clock of a database. */
#ifdef OWN_CLOCK
byte known_for;                  /* 0 not yet known, else 1 + time, to WAIT + 1 */
#define SETTLED (known_for == WAIT + 1)
#else
#define SETTLED (timeline_age == WAIT + 1)
#endif

#define CAP(a, most) ((a) > (most) -> (most) : (a))

#ifdef TRAP_ASYNC_COMMIT
#define MAY_REPLY(who) (commit[who] != 0)
#else
#define MAY_REPLY(who) (commit[who] == FLUSHED)
#endif

inline effect(d, who) {
    if
    :: who == ENDS -> dead[d] = 1; last[d]++; end_number[d] = last[d]
    :: who == NOISE -> last[d]++
    :: who == ISSUE -> exists[d] = 1
#ifdef ROWS_LOST
    :: who == NODE && d == 1     /* as if the rows of nodes did not reach the standby */
    :: who == NODE && d == 0 -> row[0] = 1; row_applied[0] = says_applied
#else
    :: who == NODE -> row[d] = 1; row_applied[d] = says_applied
#endif
    fi
}
inline write(who) { commit[who] = WRITTEN; in_wal[who] = 1; wal!who }
inline done(who) { effect(0, who); commit[who] = 0 }     /* visible on the old primary */
inline timeline_seen() {         /* by a writer on the new one, in its own commit */
#ifndef OWN_CLOCK
    if
    :: timeline_age == 0 -> timeline_age = 1
    :: else
    fi
#else
    skip
#endif
}
#define CAN_WRITE(who) (commit[who] == 0 && !in_wal[who])
#define COUNTER_FREE   (commit[ENDS] == 0 && commit[NOISE] == 0)

active proctype world() {
    byte who;
    do
    :: d_step {                  /* a tick */
        lease = (lease > 0 -> lease - 1 : 0);
        if :: state >= SENT -> age = CAP(age + 1, D) :: else fi;
        if :: revoker == ACKNOWLEDGED || revoker == ROWS_READ -> waited = CAP(waited + 1, WAIT)
           :: else fi;
        if :: timeline_age > 0 -> timeline_age = CAP(timeline_age + 1, WAIT + 1) :: else fi;
#ifdef OWN_CLOCK
        if :: known_for > 0 -> known_for = CAP(known_for + 1, WAIT + 1) :: else fi
#endif
        }
#ifdef OWN_CLOCK
    :: d_step { promoted && known_for == 0 -> known_for = 1 }
#endif
    :: d_step { !promoted && nempty(wal) ->
        wal?who; in_wal[who] = 0; effect(1, who);
        if :: commit[who] == WRITTEN -> commit[who] = FLUSHED :: else fi;
        who = 0 }
    :: d_step { !promoted -> promoted = 1;
        /* What was acknowledged is durable. */
        assert(!(revoker >= ACKNOWLEDGED && !dead[1]));
        assert(!(issuer == ANSWERED && !exists[1])) }
    od
}

/* ---- the node ---- */
inline forget() {
    lease = 0; state = OUT; home = 0; asks = 0; age = 0; seen_last = 0; seen_end = 0;
    applied = 0; stamp = 0; cached_alive = 0; fill = 0; fill_from = 0
}
inline poll_ended() { state = IDLE; asks = 0; age = 0; seen_last = 0; seen_end = 0 }
inline snapshot(d) { seen_last = last[d]; seen_end = end_number[d] }

active proctype node() {
    do
    :: d_step { state != OUT && commit[NODE] == 0 -> forget(); reader = 0 }  /* a crash */

    :: d_step { state == OUT && CAN_WRITE(NODE) ->
        is_join = 1; seen_last = last[0]; says_applied = last[0]; write(NODE); state = JOINING }
    :: d_step { state == JOINING && MAY_REPLY(NODE) ->
        done(NODE); applied = seen_last; home = 0; poll_ended() }
    :: d_step { state == OUT && promoted && commit[NODE] == 0 ->
        row[1] = 1; row_applied[1] = last[1]; applied = last[1]; home = 1; moved = 1;
        poll_ended();
        /* its older row goes in the same commit */
        if :: revoker == ROWS_READ && revoker_at == 1 -> target = 0 :: else fi }

    :: d_step { state == IDLE -> state = SENT; asks = 0 }
    :: d_step { state == IDLE && promoted -> state = SENT; asks = 1 }
    :: d_step { state == SENT && asks == 0 && home == 0 && row[0] && CAN_WRITE(NODE) ->
        snapshot(0); is_join = 0; says_applied = applied; write(NODE); state = POLLING }
    :: d_step { state == POLLING && MAY_REPLY(NODE) -> done(NODE); state = POLLED }
    :: d_step { state == SENT && asks == 1 && home == 1 ->
        snapshot(1); row_applied[1] = applied; state = POLLED }
    /* Another timeline, or no such row: no row updated. */
#ifdef TRAP_NUMBERS_KEPT
    :: d_step { state == SENT && asks == 1 && home == 0 && row[1] ->
        home = 1; snapshot(1); row_applied[1] = applied; state = POLLED }
#else
    :: d_step { state == SENT && asks != home -> forget() }
#endif
    /* The standby's word never comes: visible here, and for the node no outcome. */
    :: d_step { (state == JOINING || state == POLLING) && commit[NODE] == WRITTEN ->
        done(NODE);
#ifdef TRAP_WARNING_01000
        if :: state == JOINING -> applied = seen_last; home = 0; poll_ended()
           :: else -> state = POLLED fi
#else
#ifdef TRAP_NUMBERS_KEPT         /* it goes by rows that may be lost, though without a lease */
        if :: state == POLLING -> applied = seen_last :: else fi;
#endif
        if :: state == JOINING -> forget() :: else -> poll_ended() fi
#endif
        }
    :: d_step { state == SENT || state == POLLED -> poll_ended() }           /* lost */
    :: d_step { state == POLLED ->
        if :: seen_end > applied -> cached_alive = 0; stamp = seen_end :: else fi;
        applied = (seen_last > applied -> seen_last : applied);
        lease = (D - age > lease -> D - age : lease);
        poll_ended() }

    /* A fill: what it reads names its database, and is kept only if that is the lease's. */
    :: d_step { state >= IDLE && fill == 0 && !cached_alive && exists[0] && !dead[0] ->
        fill = 1; fill_from = applied }
    :: d_step { state >= IDLE && fill == 0 && !cached_alive && promoted && exists[1] && !dead[1] ->
        fill = 2; fill_from = applied }
    :: d_step { fill != 0 ->
#ifdef TRAP_OLD_PRIMARY
        if :: stamp <= fill_from -> cached_alive = 1 :: else fi;
#else
        if :: stamp <= fill_from && fill == home + 1 -> cached_alive = 1 :: else fi;
#endif
        fill = 0; fill_from = 0 }
    od
}

/* ---- an introspection at the node ---- */
#ifdef TRAP_NO_PROOF
#define PROVEN true
#else
#ifdef TRAP_OLD_PRIMARY
#define PROVEN (lease > 0)
#else
#define PROVEN (lease > 0 && reads_at == home)
#endif
#endif
inline answered() { reader = 0; reads_at = 0; after_end = 0; after_issue = 0 }
inline says_active() {
    assert(!after_end);          /* THE PROMISE */
#ifdef PROBE_ACTIVE_ON_THE_NEW
    assert(home == 0);
#endif
    answered()
}
inline says_inactive() {
    assert(!(after_issue && !begun));
#ifdef PROBE_INACTIVE
    assert(false);
#endif
    answered()
}
#if defined(PROBE_ACTIVE_ON_THE_NEW) || defined(PROBE_INACTIVE)
#define MAY_ARRIVE true
#else                            /* all others may be told anything */
#define MAY_ARRIVE (revoker == ANSWERED || (issuer == ANSWERED && !begun))
#endif
active proctype introspection() {
    do
    :: d_step { reader == 0 && MAY_ARRIVE ->
        reader = ARRIVED; after_end = (revoker == ANSWERED); after_issue = (issuer == ANSWERED) }
    :: d_step { reader != 0 -> answered() }                                  /* 503 */
    :: d_step { reader == ARRIVED && lease > 0 -> reader = LEASE_SEEN }
    :: d_step { reader == LEASE_SEEN && cached_alive -> says_active() }
    :: d_step { reader == ARRIVED && exists[0] && !dead[0] -> reader = READ_ALIVE; reads_at = 0 }
    :: d_step { reader == ARRIVED && promoted && exists[1] && !dead[1] ->
        reader = READ_ALIVE; reads_at = 1 }
    :: d_step { reader == ARRIVED && !exists[0] -> reader = READ_MISSING; reads_at = 0 }
    :: d_step { reader == ARRIVED && promoted && !exists[1] ->
        reader = READ_MISSING; reads_at = 1 }
    :: d_step { reader == READ_ALIVE && PROVEN -> says_active() }
    :: d_step { reader == READ_MISSING && PROVEN -> says_inactive() }
    od
}

/* ---- the writers ---- */
active proctype issue() {
    do
    :: d_step { issuer == 0 && CAN_WRITE(ISSUE) -> write(ISSUE); issuer = UNDER_WAY }
    :: d_step { issuer == UNDER_WAY && MAY_REPLY(ISSUE) -> done(ISSUE); issuer = ANSWERED }
    :: d_step { issuer == UNDER_WAY && commit[ISSUE] == WRITTEN -> done(ISSUE);
#ifdef TRAP_WARNING_01000
        issuer = ANSWERED }
#else
        issuer = 0 }             /* nobody has this token; another is asked for */
#endif
    :: d_step { issuer == 0 && promoted && commit[ISSUE] == 0 ->
        exists[1] = 1; timeline_seen(); issuer = ACKNOWLEDGED; issuer_at = 1 }
#if defined(TRAP_NO_WAIT_AFTER_PROMOTION) || defined(TRAP_ISSUER_DOES_NOT_WAIT)
    :: d_step { issuer == ACKNOWLEDGED -> issuer = ANSWERED }
#else
    :: d_step { issuer == ACKNOWLEDGED && SETTLED -> issuer = ANSWERED }
#endif
    od
}

inline start_wait() { revoker = ACKNOWLEDGED; waited = 0 }
active proctype revocation() {
    do
    /* On the old primary; the retry of an unknown outcome is a commit of its own. */
    :: d_step { issuer == ANSWERED && revoker == 0 && attempts < 2 && exists[0] &&
                CAN_WRITE(ENDS) && COUNTER_FREE ->
        revoker_at = 0; begun = 1; attempts++;
#ifdef TRAP_NO_OP_REVOCATION
        if :: dead[0] -> start_wait() :: else -> write(ENDS); revoker = UNDER_WAY fi
#else
        write(ENDS); revoker = UNDER_WAY
#endif
        }
#ifdef TRAP_NO_OP_REVOCATION
    :: d_step { revoker == 0 && attempts == 1 && dead[0] -> attempts++; start_wait() }
#endif
    :: d_step { revoker == UNDER_WAY && MAY_REPLY(ENDS) -> done(ENDS); start_wait() }
    :: d_step { revoker == UNDER_WAY && commit[ENDS] == WRITTEN -> done(ENDS);
#ifdef TRAP_WARNING_01000
        start_wait() }
#else
        revoker = 0 }            /* unknown: 503, or again */
#endif
    :: d_step { issuer == ANSWERED && revoker == 0 && attempts < 2 && promoted && exists[1] &&
                commit[ENDS] == 0 ->
        revoker_at = 1; begun = 1; attempts++; effect(1, ENDS); timeline_seen(); start_wait() }
    /* The rows and the log's end, from the primary that committed. */
    :: d_step { revoker == ACKNOWLEDGED ->
        target = (row[revoker_at] -> last[revoker_at] : 0);
#if !defined(TRAP_NO_WAIT_AFTER_PROMOTION) && !defined(REVOKER_DOES_NOT_WAIT)
        whole = (revoker_at == 1 && !SETTLED);
#endif
        revoker = ROWS_READ }
    :: d_step { revoker == ROWS_READ &&
                (waited == WAIT || (!whole && row_applied[revoker_at] >= target)) ->
        revoker = ANSWERED; waited = 0; target = 0; whole = 0;
        assert(!(promoted && !dead[1]));
#ifdef PROBE_ACKNOWLEDGED_ON_THE_NEW
        assert(revoker_at == 0);
#endif
#ifdef PROBE_ACKNOWLEDGED_ON_THE_OLD
        assert(!(revoker_at == 0 && promoted));
#endif
#ifdef PROBE_ACKNOWLEDGED_AGAIN
        assert(attempts == 1);
#endif
        revoker_at = 0 }
    od
}
active proctype noise() {
    d_step { !noise_done && CAN_WRITE(NOISE) && COUNTER_FREE -> write(NOISE); noise_done = 1 };
    d_step { commit[NOISE] != 0 -> done(NOISE) }         /* acknowledged, or local only */
}

#ifdef PROBE_MOVED
active proctype probe() { d_step { moved && lease > 0 && home == 1 -> assert(false) } }
#endif

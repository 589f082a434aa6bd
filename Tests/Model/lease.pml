/*
 * One database, two nodes, two revokers: does a lease keep the promise?
 *
 * The promise: once a revocation of the token was answered with 200, no introspection that starts
 * later says active.
 *
 * How to read it. The model is a set of actions, each of them one `d_step`: a guard and what
 * happens then, at once. `spin` tries every order of actions, without end. Therefore
 *  - a paused process or thread is one whose actions are not chosen for a while, while clocks run;
 *  - a lost message is one whose delivery is never chosen: the sender gives up and goes on;
 *  - NOTIFY is a hint to poll, and polls may happen at any time: it is there, and lost, for free.
 *
 * Time has no absolute value: every duration is a counter that a tick moves and that stops at the
 * largest value anybody compares it with. So the search covers runs of any length.
 * Clocks drift: in any interval a clock may gain or lose one tick against real time.
 *
 * A node and its rows are called by position. An id that was given up leaves no row here: such a
 * row could only make a revoker wait longer, and a revoker here may always be late.
 *
 * The reader and the fill are at node 0 alone: nodes are alike, and which one is asked is a name.
 */

#ifndef D
#define D 2                      /* the lease, in ticks */
#endif
#ifdef TRAP_NO_MARGIN
#define LEASE D
#define WAIT  D
#else
#define LEASE (D - 1)            /* D (1 - 5%): what a node takes */
#define WAIT  (D + 1)            /* D (1 + 5%): what a revoker waits */
#endif
#define NODES 2                  /* arrays; -DTWO_NODES lets the second one live */

/* A node's poller, and the statement it has under way. */
#define OUT       0              /* not joined: empty cache, no lease */
#define JOINING   1              /* the join's INSERT has its snapshot, not yet its commit */
#define JOIN_DONE 2              /* committed, the reply is on its way */
#define IDLE      3              /* joined, no poll under way: this and all below */
#define SENT      4              /* the local clock was read, the poll was sent */
#define SNAPSHOT  5              /* the poll's UPDATE has its snapshot, not yet its commit */
#define POLL_DONE 6              /* committed, the reply is on its way */
#define RECEIVED  7              /* the node holds the new rows of the log */
#define APPLIED   8              /* they are applied to the cache; no new lease yet */
#define REJOINING 9              /* trap */
#define REJOINED  10

byte state[NODES];
byte seen[NODES];                /* the log as in the statement's snapshot: a bit per number */
byte age[NODES];                 /* since the poll was sent, on the node's clock, up to LEASE */
byte lease[NODES];               /* what is left of it on the node's clock */
byte applied[NODES];             /* the highest log number the cache reflects */
bit  reports_early;              /* trap: `applied` is ahead of the cache */

/* The database. A row of `nodes`: is it there, and what it says was applied. */
bit  row[NODES];
byte row_applied[NODES];
byte log;                        /* committed numbers, a bit each */
bit  dead;                       /* the token's latch */

/* Whoever removes rows of nodes that renew no more: 0, or 1 + the time since which it has seen
   the row unchanged. A renewal in between fails the compare-and-set: it starts from 0 again. */
byte watched;
bit  doomed;                    /* trap: decided, and deleted later without comparing */

/* Node 0's cache of the one token. */
bit  cached_alive;
byte stamp;                      /* the number of the last end that covers it, 0: none */
byte fill;                       /* 0 none, 1 begun, 2 read alive */
byte fill_from;                  /* `applied` when it began */

/* Revoker 0 ends the token's session. Revoker 1 ends something else; it is there for the number
   and the commit that it takes, so its 200 is left out. */
#define NUMBERED     1           /* trap: holds its number, not yet committed */
#define COMMITTED    2           /* the reply is on its way */
#define ACKNOWLEDGED 3           /* its clock runs */
#define ROWS_READ    4
#define ANSWERED     5           /* 200 */
byte revoker[2];
byte number[2];                  /* its number in the log */
byte target;                     /* what a row must have applied */
byte waits_for;                  /* rows read and still waited for, a bit each */
byte waited;                     /* on its clock, up to WAIT */
byte numbers_taken;              /* trap: a sequence */

/* The reader. */
#define ARRIVED      1
#define LEASE_SEEN   2           /* a valid lease was seen after the arrival */
#define READ_ALIVE   3           /* the database said alive, after the arrival */
#define FILL_JOINED  4           /* waits for a fill that began before it came */
#define FILL_ALIVE   5           /* which said alive */
#define CACHE_SEEN   6           /* trap: the cache said alive; the lease comes second */
byte reader;
bit  late;                       /* it arrived after the 200 */

/* Drift: a clock is ahead of real time by 0 or 1. */
bit  ahead[NODES + 1];           /* the last is the revokers' and the remover's */
byte step[NODES + 1];

bit  flag[NODES];                /* trap: the lease as a flag that a timer clears */
bit  renewed, rejoined;          /* once each, for the probes and a trap */
#if defined(PROBE_RENEWED) || defined(PROBE_REJOINED) || defined(TRAP_WALL_CLOCK_LEASE)
#define ONCE(what) what = 1
#else
#define ONCE(what) skip
#endif

#define HIGHEST(mask) ((mask) & 4 -> 3 : ((mask) & 2 -> 2 : ((mask) & 1)))
#define BIT(k)        (1 << ((k) - 1))
#define BRINGS_THE_END(n) \
    ((n) == 0 && number[0] > 0 && (seen[n] & BIT(number[0])) && \
     (number[0] > applied[n] || reports_early))
#define MINUS(a, b)   ((a) > (b) -> (a) - (b) : 0)
#define CAP(a, most)  ((a) > (most) -> (most) : (a))
#ifdef TRAP_TIMER_LEASE
#define VALID(n) (flag[n])
#define SET_FLAG(n) flag[n] = 1
#else
#define VALID(n) (lease[n] > 0)
#define SET_FLAG(n) skip
#endif

/* ---- time ---- */
inline advance(k) {              /* by 0, 1 or 2: never more than 1 away from real time */
    if
#ifdef NO_DRIFT
    :: step[k] = 1
#else
    :: step[k] = 1 - ahead[k]; ahead[k] = 0
    :: step[k] = 2 - ahead[k]; ahead[k] = 1
#endif
#ifdef TRAP_STOPPED_CLOCK
    :: k == 0 -> step[k] = 0     /* a clock that stands still in suspend */
#endif
    fi
}
inline run_timers(n) {
    lease[n] = MINUS(lease[n], step[n]);
    if
    :: state[n] >= SENT -> age[n] = CAP(age[n] + step[n], LEASE)
    :: else
    fi
}
inline run_waits() {
    if
    :: watched > 0 -> watched = CAP(watched + step[NODES], WAIT + 1)
    :: else
    fi;
    if
    :: revoker[0] == ACKNOWLEDGED || revoker[0] == ROWS_READ ->
        waited = CAP(waited + step[NODES], WAIT)
    :: else
    fi
}
inline tick() {
    atomic {
        advance(0); step[1] = 1; advance(2);
        d_step {
            run_timers(0); run_timers(1); run_waits();
            step[0] = 0; step[1] = 0; step[2] = 0
        }
    }
}

/* ---- a node ---- */
/* What it knows is gone, the lease first: by a crash, or because it has to join again. */
inline forget(n) {
    lease[n] = 0; flag[n] = 0; state[n] = OUT; seen[n] = 0; age[n] = 0; applied[n] = 0;
    if
    :: n == 0 -> reports_early = 0; cached_alive = 0; stamp = 0; fill = 0; fill_from = 0
    :: else
    fi
}
inline row_gone(n) {
    row[n] = 0; row_applied[n] = 0;
    if :: n == 0 -> watched = 0 :: else fi;
    waits_for = waits_for & ~(1 << n)
}
inline poll_ended(n) { state[n] = IDLE; seen[n] = 0; age[n] = 0 }
inline apply_rows(n) {
    if                           /* do the new rows hold the token's end? */
    :: BRINGS_THE_END(n) ->
        cached_alive = 0;
#ifndef TRAP_UNSTAMPED_SCOPES
        stamp = number[0]
#endif
    :: else
    fi;
    applied[n] = HIGHEST(seen[n]); reports_early = 0
}
inline get_lease(n) {            /* an older lease that ends later stays */
    if
    :: LEASE - age[n] > lease[n] -> lease[n] = LEASE - age[n]; SET_FLAG(n); ONCE(renewed)
    :: else
    fi;
    poll_ended(n);
    /* Nothing that was answered with 200 is missing under this lease. */
    assert(!(lease[n] > 0 && revoker[0] == ANSWERED && applied[n] < number[0]))
}

active proctype node_0() {
    do
    /* A crash, and a restart as somebody new. Whoever asked here gets no answer. */
    :: d_step { state[0] != OUT -> forget(0); reader = 0; late = 0 }

#ifdef TRAP_LATE_FORGET
    /* It joins again, as after a gap in the log, and forgets only when that was committed. */
    :: d_step { state[0] == IDLE -> seen[0] = log; state[0] = REJOINING }
    :: d_step { state[0] == REJOINING -> row_gone(0); row[0] = 1; row_applied[0] = HIGHEST(seen[0]);
        state[0] = REJOINED }
    :: d_step { state[0] == REJOINED -> forget(0) }
#endif

    /* Join: an empty cache is up to date with the log as the join's snapshot has it. */
    :: d_step { state[0] == OUT -> seen[0] = log; state[0] = JOINING }
    :: d_step { state[0] == JOINING ->
        row_gone(0);             /* its older row, in the same commit */
        row[0] = 1; row_applied[0] = HIGHEST(seen[0]); state[0] = JOIN_DONE }
    :: d_step { state[0] == JOIN_DONE ->
        applied[0] = HIGHEST(seen[0]); seen[0] = 0; state[0] = IDLE }

    /* Poll. */
    :: d_step { state[0] == IDLE -> state[0] = SENT }
    :: d_step { state[0] == SENT -> seen[0] = log; state[0] = SNAPSHOT }
    :: d_step { state[0] == SNAPSHOT && row[0] ->
        row_applied[0] = applied[0]; watched = 0; state[0] = POLL_DONE }
#ifdef TRAP_UPSERT_POLL
    :: d_step { state[0] == SNAPSHOT && !row[0] ->
        row[0] = 1; row_applied[0] = applied[0]; watched = 0; state[0] = POLL_DONE }
#else
    /* No row updated: somebody gave this node up. */
    :: d_step { state[0] == SNAPSHOT && !row[0] -> forget(0); ONCE(rejoined) }
#endif
    /* Request, statement or reply lost: the next poll. */
    :: d_step { state[0] >= SENT && state[0] <= POLL_DONE -> poll_ended(0) }
    :: d_step { state[0] == POLL_DONE ->
#ifdef TRAP_LEASE_FROM_REPLY
        age[0] = 0;
#endif
#ifdef TRAP_EARLY_APPLIED
        reports_early = 1; applied[0] = HIGHEST(seen[0]);
#endif
        state[0] = RECEIVED }
#ifdef TRAP_EARLY_APPLIED
    /* The poller reports what another thread still has to apply. */
    :: d_step { state[0] == RECEIVED && row[0] -> row_applied[0] = applied[0]; watched = 0 }
#endif
#ifdef TRAP_LEASE_BEFORE_APPLY
    :: d_step { state[0] == RECEIVED -> lease[0] = LEASE - age[0] }
#endif
    /* A poll may bring only the first of two new rows: then it gives no lease. */
    :: d_step { state[0] == RECEIVED && seen[0] == 3 && applied[0] == 0 ->
        seen[0] = 1; apply_rows(0);
#ifdef TRAP_SHORT_OF_THE_END
        state[0] = APPLIED
#else
        poll_ended(0)
#endif
        }
    :: d_step { state[0] == RECEIVED -> apply_rows(0); state[0] = APPLIED }
    :: d_step { state[0] == APPLIED -> get_lease(0) }

#ifdef TRAP_TIMER_LEASE
    :: d_step { flag[0] && lease[0] == 0 -> flag[0] = 0 }
#endif
#ifdef TRAP_WALL_CLOCK_LEASE
    :: d_step { renewed && state[0] >= IDLE -> lease[0] = LEASE }  /* the clock was set back */
#endif
    od
}

/* The other node does the same in fewer steps, and nobody looks at it after the 200. */
#ifdef TWO_NODES
active proctype node_1() {
    do
    :: d_step { state[1] != OUT -> forget(1) }
    :: d_step { state[1] == OUT && revoker[0] != ANSWERED ->
        row_gone(1); row[1] = 1; row_applied[1] = HIGHEST(log); applied[1] = HIGHEST(log);
        state[1] = IDLE }
    :: d_step { state[1] == IDLE -> state[1] = SENT }
    :: d_step { state[1] == SENT && row[1] ->
        seen[1] = log; row_applied[1] = applied[1]; state[1] = POLL_DONE }
    :: d_step { state[1] == SENT || state[1] == POLL_DONE -> poll_ended(1) }
    :: d_step { state[1] == POLL_DONE -> apply_rows(1); get_lease(1) }
    od
}

#endif
/* Somebody watches node 0's row, and removes it when it was never renewed meanwhile. The code
   waits 10 D; WAIT is the least that is safe. */
#ifndef NO_REMOVAL
active proctype remover() {
    do
    :: d_step { row[0] && watched == 0 && revoker[0] != ANSWERED -> watched = 1 }
#ifdef TRAP_BLIND_REMOVAL
    :: d_step { watched == WAIT + 1 && !doomed -> doomed = 1 }
    :: d_step { doomed -> doomed = 0; row_gone(0) }
#else
    :: d_step { watched == WAIT + 1 -> row_gone(0) }
#endif
    od
}
#endif

/* ---- node 0's cache ---- */
active proctype cache() {
    do
    :: d_step { state[0] >= IDLE && fill == 0 && !cached_alive -> fill = 1; fill_from = applied[0] }
    :: d_step { fill == 1 -> fill = (dead -> 0 : 2);
        if :: fill == 0 -> fill_from = 0;
              if :: reader == FILL_JOINED -> reader = ARRIVED :: else fi
           :: else fi }
    :: d_step { fill == 2 ->     /* stored, unless something that covers it ended since */
#ifndef TRAP_FILL_RACE
        if
        :: stamp <= fill_from -> cached_alive = 1
        :: else
        fi;
#else
        cached_alive = 1;
#endif
        if :: reader == FILL_JOINED -> reader = FILL_ALIVE :: else fi;
        fill = 0; fill_from = 0 }
    od
}

/* ---- an introspection at node 0 ---- */
/* Whoever arrived before the 200 may be told anything, so only the probes let it come. */
#if defined(PROBE_CACHED_ACTIVE) || defined(PROBE_STRICT_ACTIVE) || defined(PROBE_JOINED_FILL)
#define MAY_ARRIVE true
#else
#define MAY_ARRIVE (revoker[0] == ANSWERED)
#endif
inline says_active() {
    assert(!late);               /* THE PROMISE */
#ifdef PROBE_CACHED_ACTIVE
    assert(reader != LEASE_SEEN);
#endif
#ifdef PROBE_JOINED_FILL
    assert(reader != FILL_ALIVE);
#endif
#ifdef PROBE_STRICT_ACTIVE
    assert(reader != READ_ALIVE);
#endif
    reader = 0; late = 0
}
active proctype introspection() {
    do
    :: d_step { reader == 0 && state[0] >= IDLE && MAY_ARRIVE ->
        reader = ARRIVED; late = (revoker[0] == ANSWERED) }
    :: d_step { reader != 0 -> reader = 0; late = 0 }  /* 503, or the client left */
    /* From the cache: the lease first, the cache after it. */
    :: d_step { reader == ARRIVED && VALID(0) -> reader = LEASE_SEEN }
    :: d_step { reader == LEASE_SEEN && cached_alive -> says_active() }
    /* From the database: the read first, the lease after it; one obtained since will do. */
    :: d_step { reader == ARRIVED && !dead -> reader = READ_ALIVE }
    :: d_step { reader == READ_ALIVE && VALID(0) -> says_active() }
#ifdef TRAP_CACHE_BEFORE_LEASE
    :: d_step { reader == ARRIVED && cached_alive -> reader = CACHE_SEEN }
    :: d_step { reader == CACHE_SEEN && VALID(0) -> says_active() }
#endif
    /* It takes the result of a fill that began before it came: only under a lease that was seen
       after it came, and if nothing invalidated the fill till then. */
    :: d_step { reader == LEASE_SEEN && fill != 0 && stamp <= fill_from -> reader = FILL_JOINED }
#ifndef TRAP_JOINED_FILL
    :: d_step { reader == FILL_ALIVE -> says_active() }
#else
    /* The node may not know yet of the end that was answered before the reader came. */
    :: d_step { reader == ARRIVED && fill != 0 && stamp <= fill_from -> reader = FILL_JOINED }
    :: d_step { reader == FILL_ALIVE && VALID(0) -> says_active() }
#endif
    od
}

/* ---- a revoker ---- */
#define ROWS (row[0] | (row[1] << 1))
#ifdef TRAP_SEQUENCE_LOG
#define TAKE_NUMBER(r) number[r] = numbers_taken; log = log | BIT(number[r])
#else
#define TAKE_NUMBER(r) number[r] = HIGHEST(log) + 1; log = log | BIT(number[r])
#endif
/* The latch and the log row in one commit; the counter's lock makes the number the next. */
#define COMMIT(r) TAKE_NUMBER(r); dead = dead | (r == 0)

active proctype revoker_0() {
#ifdef TRAP_EARLY_NODE_ROWS
    d_step { waits_for = ROWS; revoker[0] = NUMBERED };
#endif
#ifdef TRAP_SEQUENCE_LOG
    d_step { numbers_taken++; number[0] = numbers_taken; revoker[0] = NUMBERED };
#endif
    if
    :: d_step { COMMIT(0); revoker[0] = COMMITTED }
#ifdef TRAP_SWALLOWED_ERROR
    :: revoker[0] = COMMITTED    /* rolled back, and taken for success */
#endif
    fi;
    /* The reply starts the clock. If it is lost, this never comes: nothing is answered. */
    revoker[0] = ACKNOWLEDGED;
    d_step {
#ifdef TRAP_EARLY_NODE_ROWS
        target = number[0];
#else
        waits_for = ROWS; target = HIGHEST(log);
#endif
        revoker[0] = ROWS_READ
    };
    do
    /* A row read again is as far. (row_gone: it is not there any more.) */
    :: d_step { (waits_for & 1) && row_applied[0] >= target -> waits_for = waits_for & ~1 }
    :: d_step { (waits_for & 2) && row_applied[1] >= target -> waits_for = waits_for & ~2 }
    :: d_step { waits_for == 0 || waited == WAIT ->
        revoker[0] = ANSWERED; waits_for = 0; waited = 0; target = 0; watched = 0;
        /* Every lease that is left has applied it. */
        assert(!(lease[0] > 0 && applied[0] < number[0]));
        assert(!(lease[1] > 0 && applied[1] < number[0]));
        forget(1); row_gone(1);
#ifdef PROBE_ACKNOWLEDGED
        assert(false)
#endif
        };
        break
    od
}
active proctype revoker_1() {
#ifdef TRAP_SEQUENCE_LOG
    d_step { numbers_taken++; number[1] = numbers_taken };
#endif
    d_step { revoker[0] != ANSWERED -> COMMIT(1); revoker[1] = COMMITTED }
}

active proctype clock() {
    do
    :: tick()
#ifdef PROBE_RENEWED
    :: d_step { renewed && revoker[0] == ANSWERED && lease[0] > 0 -> assert(false) }
#endif
#ifdef PROBE_REJOINED
    :: d_step { rejoined && lease[0] > 0 -> assert(false) }
#endif
    od
}

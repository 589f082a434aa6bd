/* What is over, whatever the clock shows: the purge horizon (docs/promise.md).
 *
 * A database's clock is stepped ahead and back, further than the horizon is behind it. Nodes carry
 * the horizon forward by their boot clocks, and remove the end of a token. Checked: the token is never
 * active after its revocation was answered; and the horizon never passes the right time, so that a step
 * makes nothing expire for good.
 */
#define LAST 7      /* the right time runs from 0 to here */
#define LAG 2       /* how far the horizon stays behind the clock */
#define STEP 4      /* how far a clock may be off */
#define LIFETIME 1  /* of the token */
#ifndef NODES
#define NODES 1
#endif

short now;            /* the right time, which is what boot clocks run by */
short off;            /* how far the database's clock is off */
short horizon;
bool issued, row, acknowledged, purged;
short expiry, ended_at;

/* A node: what it read of the horizon and when; what it has sent. */
bool knows[NODES], sent[NODES], answered[NODES];
short value[NODES], read_at[NODES], reach[NODES], sent_at[NODES], answer[NODES];

#define CLOCK (now + off)
#define MAX(a, b) ((a) > (b) -> (a) : (b))
#define MIN(a, b) ((a) < (b) -> (a) : (b))
#ifdef TRAP_NO_FLOOR
#define TIME CLOCK
#else
#define TIME MAX(CLOCK, horizon)
#endif

init {
    /* A clock that is wrong from the first is wrong by less than the lag. */
    if :: off = 0 :: off = LAG - 1 :: off = 1 - LAG fi;
    horizon = CLOCK - LAG;
    atomic {
        run clock(); run client(); run node(0);
#if NODES > 1
        run node(1);
#endif
    }
}

proctype clock() {
    do
    :: d_step { now < LAST -> now++ }
    :: d_step { off != 0 -> off = 0 }
    :: d_step { off != STEP -> off = STEP }
    :: d_step { off != -STEP -> off = -STEP }
    od
}

proctype node(byte n) {
    do
    /* It says how far the horizon may go: as far as its boot clock ran since it read it. */
    :: d_step { !sent[n] -> sent[n] = 1; answered[n] = 0; sent_at[n] = now;
        if
        :: knows[n] -> reach[n] = value[n] + now - read_at[n]
#ifdef TRAP_FIRST_READING
        :: !knows[n] -> reach[n] = CLOCK
#else
        :: !knows[n] -> reach[n] = -LAST
#endif
        fi }
    :: d_step { sent[n] && !answered[n] -> answered[n] = 1;
#ifdef TRAP_HORIZON_BY_CLOCK
        horizon = MAX(horizon, CLOCK - LAG);
#else
        horizon = MAX(horizon, MIN(reach[n], CLOCK - LAG));
#endif
        answer[n] = horizon;
        assert(horizon <= now) }
    :: d_step { sent[n] && answered[n] -> sent[n] = 0; knows[n] = 1; value[n] = answer[n];
#ifdef TRAP_COUNTED_FROM_BEFORE
        read_at[n] = sent_at[n] }
#else
        read_at[n] = now }
#endif
    /* The answer is lost, or the node dies and starts again. */
    :: d_step { sent[n] -> sent[n] = 0 }
    :: d_step { knows[n] -> knows[n] = 0; sent[n] = 0 }
#ifdef TRAP_PURGE_BY_CLOCK
    :: d_step { row && expiry + LAG < CLOCK -> row = 0; purged = 1 }
#else
    :: d_step { row && expiry < horizon && ended_at < horizon -> row = 0; purged = 1;
#ifdef PROBE_PURGED
        assert(false);
#endif
        }
#endif
#ifdef PROBE_ADVANCED
    :: d_step { knows[n] && value[n] > LAG -> assert(false) }
#endif
    od
}

proctype client() {
    do
    :: d_step { !issued -> issued = 1; expiry = TIME + LIFETIME }
    /* A revocation commits a row, also of a token that the clock takes for expired. */
#ifdef TRAP_SKIP_BY_CLOCK
    :: d_step { issued && !acknowledged && TIME > expiry + LAG -> acknowledged = 1 }
#endif
    :: d_step { issued && !acknowledged -> row = 1; ended_at = CLOCK; acknowledged = 1 }
    :: d_step { issued && TIME < expiry && !row -> assert(!acknowledged);
#ifdef PROBE_ACTIVE
        assert(false);
#endif
        skip }
#ifdef PROBE_DEAD_BY_ITSELF
    :: d_step { purged -> assert(TIME < expiry) }
#endif
    od
}

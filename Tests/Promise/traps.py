"""Bugs that debug builds plant when DOORNAIL_TRAP names them, and what brings each to light."""

from dataclasses import dataclass, field

import failover
import faults
import races


@dataclass(frozen=True)
class Scenario:
    """Where a trap is looked for, with which faults, and for how long."""

    phase: str
    faults: tuple
    seconds: int = 60
    # It needs a coincidence; the model of Tests/Model is where it is caught for certain.
    is_rare: bool = False
    # What the database has of it: a script that is run before the nodes start.
    script: str = ""
    # How the nodes are started.
    environment: dict = field(default_factory=dict)


# Numbers that are not drawn in the order of commits.
SEQUENCE = """
CREATE SEQUENCE trap_numbers;
GRANT USAGE ON SEQUENCE trap_numbers TO doornail;
DROP TRIGGER guard_row ON revocation_clock;
DROP TRIGGER guard_row ON revocations;
CREATE OR REPLACE FUNCTION append_revocation(
    kind text, subject uuid, key_id smallint, is_end boolean, reason text, actor text
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    next_number bigint := nextval('trap_numbers');
    present integer := ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::integer;
BEGIN
    PERFORM pg_sleep(random() * 0.01);
    UPDATE revocation_clock SET last_number = greatest(last_number, next_number),
        timeline = present, timeline_since = coalesce(timeline_since, clock_timestamp());
    INSERT INTO revocations (number, kind, subject, key_id, is_end, reason, actor)
        VALUES (next_number, kind, subject, key_id, is_end, coalesce(reason, ''), coalesce(actor, ''));
    PERFORM pg_notify('doornail_revocations', '');
END
$$;
"""

TRAPS = {
    # A commit that was acknowledged before it was written is lost by a crash.
    "async-commit": Scenario("single", (faults.kill_database,)),
    # A commit whose wait for the standby was cancelled is lost by a failover.
    "warning-01000": Scenario("standby", (failover.cancel_waits,), 90),
    # The wall clock goes back while a node is stopped: its lease seems to last.
    "wall-clock-lease": Scenario("single", (faults.step_clock,)),
    # A poll that waits for a lock comes back with an old snapshot.
    "lease-from-reply": Scenario("single", (races.lock_nodes,)),
    # The end is acknowledged while a node still applies it.
    "early-applied": Scenario("single", (races.calm, races.wide_ends, faults.blink_node)),
    # A node joins after its row was looked for.
    "early-node-rows": Scenario("single", (races.join_while_committing,), 90),
    "fill-race": Scenario("single", (races.race_fills, races.calm)),
    "unstamped-scopes": Scenario("single", (races.wide_ends,)),
    # A node with a lease of the new primary reads from the old one.
    "old-primary": Scenario("standby", (failover.keep_connections,), 90),
    # The old primary refuses what it does not know, and issues under an old epoch.
    "no-proof": Scenario("standby", (failover.keep_connections, failover.split), 90),
    # The standby is promoted between two reads of one request.
    "retry-by-read": Scenario(
        "standby", (failover.keep_connections, failover.split), 90, is_rare=True
    ),
    "upsert-poll": Scenario("single", (races.give_up_node,), 90, is_rare=True),
    # Leases last longer than it takes to promote a standby.
    "no-wait-after-promotion": Scenario(
        "standby", (failover.fail_over,), 120, is_rare=True, environment={"DOORNAIL_LEASE": "2s"}
    ),
    # What was not committed is acknowledged.
    "swallowed-error": Scenario("single", (faults.terminate_backends, faults.lock_timeout)),
    # Of two ends at once the later number is seen first. The bug is in the database; that nodes notice
    # a gap does not help, since they join again behind it.
    "sequence-log": Scenario("single", (races.calm, faults.stop_backends), script=SEQUENCE),
    # Asked again, an end that is committed at the primary alone is acknowledged.
    "no-op-revocation": Scenario("standby", (failover.cancel_waits,), 90),
    # A stopped node is asked before its timers can fire.
    "timer-lease": Scenario("single", (faults.stop_node, faults.blink_node), is_rare=True),
}

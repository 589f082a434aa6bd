"""Bugs that debug builds plant when DOORNAIL_TRAP names them, and what brings each to light."""

from dataclasses import dataclass

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
    "old-primary": Scenario("standby", (failover.split,), 90),
    # The old primary refuses what it does not know, and issues under an old epoch.
    "no-proof": Scenario("standby", (failover.split,), 90),
    "retry-by-read": Scenario("standby", (failover.split,), 90),
    "upsert-poll": Scenario("single", (races.give_up_node,), 90, is_rare=True),
    "no-wait-after-promotion": Scenario(
        "standby", (failover.fail_over, failover.split), 120, is_rare=True
    ),
    # What was not committed is acknowledged.
    "swallowed-error": Scenario("single", (faults.terminate_backends, faults.lock_timeout)),
    # Of two ends at once the later number is seen first.
    "sequence-log": Scenario("single", (races.calm, faults.stop_backends)),
    # Asked again, an end that is committed at the primary alone is acknowledged.
    "no-op-revocation": Scenario("standby", (failover.cancel_waits,), 90),
    # A stopped node is asked before its timers can fire.
    "timer-lease": Scenario("single", (faults.stop_node, faults.blink_node), is_rare=True),
}

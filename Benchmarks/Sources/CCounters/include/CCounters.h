/// The allocations that this thread has made so far.
long counters_allocations(void);

/// What `counters_step` returns in the child process.
#define COUNTERS_CHILD (-1)
/// What it returns where the system does not let a process step its own child, or the child crashed.
#define COUNTERS_FAILED (-2)

/// Returns twice. In a child process, which has to do its work and then call `counters_stop`; and, once
/// it did, in this process: with the number of instructions that the child executed in between.
///
/// It is exact, and takes some microseconds an instruction.
long counters_step(void);

/// Ends the child process.
_Noreturn void counters_stop(void);

// Threads that share one job after another.
#ifndef HCQD_TEAM_H
#define HCQD_TEAM_H

/// Parked threads of one owner. Between jobs they look for the next one for some microseconds, then sleep.
///
/// The caller of a job takes part in it and never waits for a thread that has not begun: where other programs have the cores,
/// it does the work alone. `hcq_team_run` in team.c has Swift's calling convention; `Team` in Engine declares it.
typedef struct hcq_team hcq_team;

/// A team of `helpers` threads beside the caller; fewer where the system gives no more. Null without memory.
hcq_team *hcq_team_new(int helpers);

/// Ends the threads. No job may be running.
void hcq_team_free(hcq_team *team);

#endif

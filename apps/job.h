#pragma once
// A verb as one of several processes that mpirun started.

#include "weft/apps/command.h"
#include "weft/core/ranks.h"

namespace weft::apps {

/// Before a verb runs: divides the processors of a machine among its ranks, and leaves all printing but that of errors
/// to rank 0. Nothing for a process that runs alone. Throws UsageError for a verb that does, RankError without MPI.
void join_job(const CLI::App& verb, Common& common);

/// Before an error is said: where all ranks have the same one, rank 0 says it, and its end is that of the others while
/// they wait here.
void let_first_speak();
/// "weft:", under mpirun "weft: rank 3:".
std::string speaker();
/// After an error: the other ranks end, too.
void leave_job(int exit_code);

}  // namespace weft::apps

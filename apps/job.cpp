#include "weft/apps/job.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include <fmt/format.h>

#include "weft/apps/arguments.h"
#include "weft/core/parallel.h"

namespace weft::apps {
namespace {

bool joined = false;

}  // namespace

void join_job(const CLI::App& verb, Common& common) {
  if (launched_ranks() == 1) return;
  if (!common.on_ranks.contains(&verb))
    throw UsageError("[ranks] weft {} runs as one process; start it without mpirun", name_of(verb));
  Ranks& job = ranks();
  joined = true;
  job.timeout = common.timeout;
  const int share = threads_of_rank(job);
  common.rank_on_machine = rank_on_machine(job);
  set_threads(std::min(threads(), share));
  if (!job.first()) {
    common.quiet = true;
    common.json = false;
  } else if (common.threads > share) {
    common.remark(
        fmt::format("{} threads asked for; {} a rank, for they share their processors", common.threads, share));
  }
}

void let_first_speak() {
  // What is wrong before they join is wrong for all.
  if (launched_rank() > 0) std::this_thread::sleep_for(std::chrono::seconds(joined ? 2 : 10));
}

std::string speaker() { return joined ? fmt::format("weft: rank {}:", ranks().rank()) : "weft:"; }

void leave_job(int exit_code) {
  if (joined) ranks().abort(exit_code);
}

}  // namespace weft::apps

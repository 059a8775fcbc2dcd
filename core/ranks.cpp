#include "weft/core/ranks.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include <dlfcn.h>
#include <sched.h>
#include <unistd.h>

#include "weft/core/clock.h"
#include "weft/core/hash.h"
#include "weft/core/stop.h"

namespace weft {
namespace {

namespace fs = std::filesystem;

constexpr const char* module_name = "weft_mpi.so";

/// Of the program, and of the library that holds this code where it is one: a wheel's.
std::vector<fs::path> own_folders() {
  std::vector<fs::path> folders;
  std::error_code error;
  if (const fs::path program = fs::read_symlink("/proc/self/exe", error); !error)
    folders.push_back(program.parent_path());
  Dl_info own{};
  if (dladdr(reinterpret_cast<const void*>(&launched_ranks), &own) != 0 && own.dli_fname)
    if (const fs::path library = own.dli_fname; library.is_absolute()) folders.push_back(library.parent_path());
  return folders;
}

/// In a build's folders, installed, or in a wheel.
fs::path module_path() {
  for (const fs::path& folder : own_folders())
    for (const char* place : {".", "../lib/weft", "weft", "../mpi", "../../mpi"})
      if (const fs::path path = folder / place / module_name; fs::exists(path)) return path;
  throw RankError(
      "[ranks] started as {} processes, but this weft was built without MPI; install libopenmpi-dev and "
      "build it again, or make parts, one after the other (--part)",
      launched_ranks());
}

std::unique_ptr<RankTransport> load_transport() {
  const fs::path path = module_path();
  // For ever: MPI cannot be begun twice. Its own modules look for its symbols.
  void* module = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (!module) throw RankError("[ranks] {}; is the MPI installed that this weft was built with?", dlerror());
  using Start = RankTransport* (*)();
  const auto start = reinterpret_cast<Start>(dlsym(module, "weft_start_ranks"));
  if (!start) throw RankError("[ranks] '{}' is no module of weft", path.string());
  return std::unique_ptr<RankTransport>(start());
}

/// The number above 0 that one of these variables holds; 0 where none does.
int said_by_launcher(std::initializer_list<const char*> variables) {
  for (const char* variable : variables) {
    const char* text = std::getenv(variable);
    int n = 0;
    if (text && std::from_chars(text, text + std::strlen(text), n).ec == std::errc() && n > 0) return n;
  }
  return 0;
}

}  // namespace

Ranks::Ranks(std::unique_ptr<RankTransport> transport) : transport_(std::move(transport)) {
  if (!transport_) return;
  rank_ = transport_->rank();
  size_ = transport_->size();
}

Ranks::~Ranks() = default;

void Ranks::check_silence(int rank, Clock::time_point heard) const {
  if (timeout <= 0) return;
  if (const double seconds = seconds_since(heard); seconds > timeout)
    throw RankError("[ranks] rank {} has been silent for {:.0f} s; look at its machine, or give a longer --timeout",
                    rank, seconds);
}

template <class Ready>
void Ranks::wait(const Ready& ready, int for_rank) const {
  const auto start = Clock::now();
  for (std::int64_t tries = 0; !ready(); ++tries) {
    stop_point();
    check_silence(for_rank, start);
    // Another rank may need this processor to get there.
    if (tries < 200)
      std::this_thread::yield();
    else
      std::this_thread::sleep_for(std::chrono::microseconds(std::min<std::int64_t>(tries / 4, 2000)));
  }
}

void Ranks::send(int to, std::span<const std::byte> bytes, RankTag tag) {
  void* started = transport_->start_send(to, static_cast<int>(tag), bytes);
  wait([&] { return transport_->sent(started); }, to);
}

bool Ranks::arrived(int from, RankTag tag) const { return transport_->arrived(from, static_cast<int>(tag)); }

void Ranks::receive(int from, std::span<std::byte> bytes, RankTag tag) {
  wait([&] { return arrived(from, tag); }, from);
  transport_->receive(from, static_cast<int>(tag), bytes);
}

void Ranks::send_bytes(int to, std::span<const std::byte> bytes) {
  const std::uint64_t size = bytes.size();
  send(to, std::as_bytes(std::span(&size, 1)));
  if (size > 0) send(to, bytes);
}

void Ranks::receive_bytes(int from, std::vector<std::byte>& bytes) {
  std::uint64_t size = 0;
  receive(from, std::as_writable_bytes(std::span(&size, 1)));
  bytes.resize(size);
  if (size > 0) receive(from, bytes);
}

void Ranks::exchange(int with, std::span<const std::byte> own, std::vector<std::byte>& other) {
  const std::uint64_t size = own.size();
  send(with, std::as_bytes(std::span(&size, 1)));
  const int tag = static_cast<int>(RankTag::data);
  void* started = size > 0 ? transport_->start_send(with, tag, own) : nullptr;
  receive_bytes(with, other);
  if (size > 0) wait([&] { return transport_->sent(started); }, with);
}

std::string Ranks::broadcast(const std::string& text) {
  if (first()) {
    for (int to = 1; to < size_; ++to) send_bytes(to, std::as_bytes(std::span(text)));
    return text;
  }
  std::vector<std::byte> bytes;
  receive_bytes(0, bytes);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::vector<std::string> Ranks::gather(const std::string& text) {
  if (!first()) {
    send_bytes(0, std::as_bytes(std::span(text)));
    return {};
  }
  std::vector<std::string> all{text};
  std::vector<std::byte> bytes;
  for (int from = 1; from < size_; ++from) {
    receive_bytes(from, bytes);
    all.emplace_back(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  return all;
}

std::string Ranks::all_gather(const std::string& own) {
  std::string all;
  for (const std::string& one : gather(own)) all += one;
  return broadcast(all);
}

double Ranks::all_sum(double own) {
  double total = 0;
  for (const double one : all_of(own)) total += one;
  return total;
}

int Ranks::first_unlike(std::uint64_t own) {
  const std::vector<std::uint64_t> all = all_of(own);
  const auto other = std::ranges::find_if(all, [&](std::uint64_t one) { return one != all[0]; });
  return other == all.end() ? 0 : static_cast<int>(other - all.begin());
}

void Ranks::abort(int exit_code) {
  if (transport_) transport_->abort(exit_code);
}

int launched_ranks() {
  if (const char* alone = std::getenv("WEFT_RANKS"); alone && std::string_view(alone) == "1") return 1;
  return std::max(1, said_by_launcher({"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"}));
}

int launched_rank() {
  return launched_ranks() > 1 ? said_by_launcher({"OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID"}) : 0;
}

Ranks& one_process() {
  static Ranks alone;
  return alone;
}

Ranks& ranks() {
  static Ranks job(launched_ranks() > 1 ? load_transport() : nullptr);
  if (job.size() != launched_ranks())
    throw RankError(
        "[ranks] started as {} processes, of which MPI sees {}; with Slurm: srun --mpi=pmix, or what MPI "
        "was built for. WEFT_RANKS=1 lets each work alone",
        launched_ranks(), job.size());
  return job;
}

std::string machine_name() {
  char host[256] = {};
  gethostname(host, sizeof(host) - 1);
  // Containers of several machines may all be called localhost.
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  return fmt::format("{} {}", host, boot);
}

int threads_of_rank(Ranks& job) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  // More processors than it has room for: then a rank has one thread, unless it is told otherwise.
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) CPU_ZERO(&allowed);
  std::string place = machine_name() + ' ';
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) place += CPU_ISSET(cpu, &allowed) ? '1' : '0';
  const std::uint64_t own = Hash().add(place).value();
  const auto sharing = static_cast<int>(std::ranges::count(job.all_of(own), own));
  return std::max(1, CPU_COUNT(&allowed) / sharing);
}

int rank_on_machine(Ranks& job) {
  const std::uint64_t own = Hash().add(machine_name()).value();
  const std::vector<std::uint64_t> all = job.all_of(own);
  return static_cast<int>(std::count(all.begin(), all.begin() + job.rank(), own));
}

}  // namespace weft

#include "weft/zoo/loader.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include "weft/core/error.h"
#include "weft/core/loops_alone.h"
#include "weft/core/ranks.h"

namespace weft {

std::vector<std::int32_t> block_order(std::int64_t n, std::int64_t block, std::int64_t window, RandomKey key) {
  if (block < 1 || window < 1)
    throw UsageError("[order] blocks of {}, windows of {} blocks; allowed: 1 or more", block, window);
  const std::int64_t blocks = (n + block - 1) / block;
  std::vector<std::int32_t> drawn = permutation(blocks, key.at(0)), order;
  order.reserve(static_cast<std::size_t>(std::max<std::int64_t>(n, 0)));
  for (std::int64_t first = 0; first < blocks; first += window) {
    const std::span some(drawn.data() + first, static_cast<std::size_t>(std::min(window, blocks - first)));
    std::ranges::sort(some);  // the order within the window hides theirs, and a disk reads forwards
    std::vector<std::int32_t> items;
    for (const std::int32_t b : some)
      for (std::int64_t i = b * block; i < std::min(n, (b + 1) * block); ++i)
        items.push_back(static_cast<std::int32_t>(i));
    // The first window draws as who holds all items does.
    const RandomKey own = first == 0 ? key : key.at(static_cast<std::uint64_t>(first));
    for (const std::int32_t i : permutation(std::ssize(items), own))
      order.push_back(items[static_cast<std::size_t>(i)]);
  }
  return order;
}

struct ZooLoader::State {
  Zoo zoo;
  std::vector<std::int64_t> ids;
  ZooLoaderConfig config;
  Make make;
  std::int64_t block, batches;

  // Of the epoch: written while the thread is idle.
  std::vector<std::int32_t> order;
  std::array<std::vector<Tensor>, 2> weights;  ///< batch i lies in i % 2
  std::array<Batch, 2> made;

  std::mutex mutex;  ///< of all below
  std::condition_variable changed;
  std::int64_t read = 0, lent = 0;  ///< batches of the epoch
  bool begun = false, reading = false, ended = false;
  std::exception_ptr error;
  std::thread thread;

  State(const Zoo& z, std::vector<std::int64_t> given, const ZooLoaderConfig& c, Make m)
      : zoo(z), ids(std::move(given)), config(c), make(std::move(m)) {
    if (config.batch < 1 || config.block_bytes < 1 || config.window < 1 || ids.empty())
      throw UsageError("[loader] {} networks, batch {}, blocks of {} bytes, windows of {}; allowed: 1 or more of each",
                       ids.size(), config.batch, config.block_bytes, config.window);
    for (const std::int64_t id : ids) zoo.row(id);
    const auto n = std::ssize(ids);
    config.batch = std::min(config.batch, n);
    block = std::max<std::int64_t>(1, config.block_bytes / (4 * std::max<std::int64_t>(1, zoo.space().parameters())));
    batches = (n + config.batch - 1) / config.batch;
    for (auto& tensors : weights)
      for (int t = 0; t < static_cast<int>(zoo.space().tensors().size()); ++t)
        tensors.push_back(Tensor::zeros(zoo.space().feature_shape(t, config.batch, 1), DType::f32));
    for (Batch& batch : made) batch.ids.reserve(static_cast<std::size_t>(config.batch));
  }

  ~State() {
    {
      const std::lock_guard lock(mutex);
      ended = true;
    }
    changed.notify_all();
    if (thread.joinable()) thread.join();
  }

  /// A batch ahead of the one that is lent.
  bool has_work() const { return begun && !error && read < batches && read - lent < 1; }

  void serve() {
    const LoopsAlone alone;
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [&] { return ended || has_work(); });
      if (ended) return;
      reading = true;
      const std::int64_t batch = read;
      lock.unlock();
      std::exception_ptr failed;
      try {
        read_batch(batch);
      } catch (...) {
        failed = std::current_exception();
      }
      lock.lock();
      reading = false;
      if (failed)
        error = failed;
      else
        ++read;
      changed.notify_all();
    }
  }

  void read_batch(std::int64_t batch) {
    const std::int64_t begin = batch * config.batch;
    const auto [first, end] = seen_by(std::min(config.batch, std::ssize(ids) - begin), config.rank, config.ranks);
    const std::int64_t n = end - first;
    prefetch_windows(begin);
    Batch& to = made[static_cast<std::size_t>(batch % 2)];
    to.ids.clear();
    for (std::int64_t i = begin + first; i < begin + end; ++i)
      to.ids.push_back(ids[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])]);
    std::vector<Tensor> tensors;
    for (const Tensor& t : weights[static_cast<std::size_t>(batch % 2)]) tensors.push_back(t.slice(0, n));
    zoo.gather(to.ids, tensors);
    to.tensors = make ? make(to.ids, tensors) : std::move(tensors);
  }

  /// Of a batch that begins there: the epoch's first asks for its own window, the one behind a window's first for the
  /// window behind it, so that no more than one is waited for. Ranks fetch all of it: what one sees of a batch lies in
  /// as many pages, for a row is mostly less than a page of each tensor.
  void prefetch_windows(std::int64_t begin) const {
    const std::int64_t window = block * config.window, n = std::ssize(ids);
    if (begin == 0) return prefetch(0, std::min(n, window));
    for (std::int64_t at = (begin - config.batch + window - 1) / window * window; at < begin; at += window)
      prefetch(std::min(n, at + window), std::min(n, at + 2 * window));
  }
  void prefetch(std::int64_t begin, std::int64_t end) const {
    std::vector<std::int32_t> items(order.begin() + begin, order.begin() + end);
    std::ranges::sort(items);
    for (std::size_t i = 0, next; i < items.size(); i = next) {
      for (next = i + 1; next < items.size() && items[next] / block == items[i] / block;) ++next;
      zoo.prefetch(std::span(ids).subspan(static_cast<std::size_t>(items[i]), next - i));
    }
  }
};

ZooLoader::ZooLoader(const Zoo& zoo, std::vector<std::int64_t> ids, const ZooLoaderConfig& config, Make make)
    : state_(std::make_unique<State>(zoo, std::move(ids), config, std::move(make))) {
  state_->thread = std::thread([s = state_.get()] { s->serve(); });
}

ZooLoader::~ZooLoader() = default;

std::int64_t ZooLoader::batches() const { return state_->batches; }

void ZooLoader::begin(std::int64_t epoch) {
  State& s = *state_;
  if (epoch < 1) throw UsageError("[loader] epoch {}; allowed: 1 or more", epoch);
  std::unique_lock lock(s.mutex);
  s.begun = false;
  s.changed.wait(lock, [&] { return !s.reading; });
  s.order = block_order(std::ssize(s.ids), s.block, s.config.window,
                        RandomKey(s.config.seed, "order").at(static_cast<std::uint64_t>(epoch)));
  s.read = s.lent = 0;
  s.error = nullptr;
  s.begun = true;
  s.changed.notify_all();
}

const ZooLoader::Batch& ZooLoader::next() {
  State& s = *state_;
  std::unique_lock lock(s.mutex);
  if (!s.begun || s.lent == s.batches)
    throw UsageError("[loader] no batch left of the {} of an epoch; begin() the next one", s.batches);
  s.changed.wait(lock, [&] { return s.read > s.lent || s.error; });
  if (s.read == s.lent) std::rethrow_exception(s.error);
  const auto& batch = s.made[static_cast<std::size_t>(s.lent++ % 2)];
  s.changed.notify_all();
  return batch;
}

}  // namespace weft

#include "weft/core/random.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "weft/core/backend.h"
#include "weft/core/device_kernels.h"
#include "weft/core/hash.h"
#include "weft/core/loop.h"
#include "weft/core/permutation_bodies.h"
#include "weft/core/random_bodies.h"

namespace weft {
namespace {

RandomStream stream(RandomKey key) { return RandomStream{key.seed, key.purpose}.counted(key.counter); }

/// The key is an argument of the launch: a replay draws the same numbers again, unless it is counted.
void require_recordable(const Backend& backend, RandomKey key) {
  if (!key.counter) backend.refuse_in_recording("random numbers of a key without a counter");
}

const RandomKernels& kernels(Backend& backend, RandomKey key, const char* who) {
  require_recordable(backend, key);
  return backend.table<RandomKernels>(who);
}

template <template <class> class Distribution>
void fill(const Tensor& t, const char* who, RandomKey key, double a, double b) {
  with_float(t.dtype(), who, [&](auto tag) {
    using T = decltype(tag);
    const Distribution<T> distribution(a, b);
    T* data = t.data<T>();
    parallel_blocks(t.numel(), 4096, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; i += 4) {
        T four[4];
        distribution.draw(stream(key), static_cast<std::uint64_t>(i / 4), four);
        for (std::int64_t j = i; j < std::min(i + 4, end); ++j) data[j] = four[j - i];
      }
    });
  });
}

void check_range(const char* who, double low, double high) {
  if (!(low <= high) || !std::isfinite(high - low))
    throw UsageError("[{}] numbers from {} to {}; allowed: finite ends, the lower one first", who, low, high);
}

}  // namespace

RandomKey::RandomKey(std::uint64_t seed_, std::string_view purpose_)
    : seed(seed_), purpose(Hash().add(purpose_).value()) {}

RandomKey RandomKey::at(std::uint64_t index) const {
  RandomKey key = *this;
  key.purpose = mix_in(purpose, index);
  return key;
}

RandomKey RandomKey::at(std::string_view name) const { return at(Hash().add(name).value()); }

RandomKey RandomKey::counted(const std::uint64_t* where) const {
  RandomKey key = *this;
  key.counter = where;
  return key;
}

void fill_uniform(const Tensor& t, RandomKey key, double low, double high) {
  constexpr const char* who = "fill_uniform";
  check_range(who, low, high);
  t.changed();
  if (Backend* b = t.backend())
    return kernels(*b, key, who)
        .uniform[float_column(t.dtype(), who)](t.raw(), t.numel(), key.seed, key.purpose, key.counter, low, high);
  fill<Uniform>(t, who, key, low, high);
}

void fill_normal(const Tensor& t, RandomKey key, double mean, double deviation) {
  t.changed();
  constexpr const char* who = "fill_normal";
  if (Backend* b = t.backend())
    return kernels(*b, key, who)
        .normal[float_column(t.dtype(), who)](t.raw(), t.numel(), key.seed, key.purpose, key.counter, mean, deviation);
  fill<Normal>(t, who, key, mean, deviation);
}

double uniform(RandomKey key, std::uint64_t i, double low, double high) {
  check_range("uniform", low, high);
  double four[4];
  Uniform<double>(low, high).draw(stream(key), i / 4, four);
  return four[i % 4];
}

double normal(RandomKey key, std::uint64_t i) {
  double four[4];
  normals(stream(key), i / 4, four);
  return four[i % 4];
}

std::int64_t uniform_index(RandomKey key, std::uint64_t i, std::int64_t n) {
  if (n < 1 || n > std::int64_t{1} << 52) throw UsageError("[uniform_index] one of {} numbers; allowed: 1 to 2^52", n);
  return std::min(n - 1, static_cast<std::int64_t>(uniform(key, i) * static_cast<double>(n)));
}

std::vector<std::int32_t> permutation(std::int64_t n, RandomKey key) {
  if (n < 0 || n > std::numeric_limits<std::int32_t>::max())
    throw UsageError("[permutation] of {} numbers; allowed: 0 to 2^31 - 1", n);
  std::vector<std::uint64_t> words(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < words.size(); ++i) words[i] = permutation_word(stream(key), i);
  std::vector<std::int32_t> order(words.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) {
    return words[static_cast<std::size_t>(a)] < words[static_cast<std::size_t>(b)];
  });
  return order;
}

void fill_permutation(const Tensor& order, RandomKey key, Arena& scratch) {
  order.changed();
  const std::int64_t n = order.numel();
  auto* numbers = order.address<std::int32_t>();
  Backend* backend = order.backend();
  if (!backend) {
    const std::vector<std::int32_t> drawn = permutation(n, key);
    std::copy(drawn.begin(), drawn.end(), numbers);
    return;
  }
  require_recordable(*backend, key);
  const Arena::Mark mark = scratch.mark();
  auto* words = scratch.allocate_array<std::uint64_t>(static_cast<std::size_t>(n));
  auto* other = scratch.allocate_array<std::int32_t>(static_cast<std::size_t>(n));
  const auto launch = [&](const auto& body) { loop(backend, n, n, body); };
  bool into_other = false;  // where the first launch writes, so that the last one writes the result
  for (std::int64_t run = SortTiles::tile; run < n; run *= 2) into_other = !into_other;
  launch(PermutationWords{words, key.seed, key.purpose, key.counter});
  launch(SortTiles{words, into_other ? other : numbers, n});
  for (std::int64_t run = SortTiles::tile; run < n; run *= 2, into_other = !into_other)
    launch(MergeRuns{words, into_other ? other : numbers, into_other ? numbers : other, n, run});
  scratch.rewind(mark);
}

}  // namespace weft

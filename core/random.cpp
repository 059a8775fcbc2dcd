#include "weft/core/random.h"

#include <algorithm>
#include <numeric>

#include "weft/core/backend.h"
#include "weft/core/device_kernels.h"
#include "weft/core/hash.h"
#include "weft/core/loop.h"
#include "weft/core/permutation_bodies.h"
#include "weft/core/random_bodies.h"

namespace weft {
namespace {

RandomStream stream(Key key) { return RandomStream{key.seed, key.purpose}.counted(key.counter); }

/// The key is an argument of the launch: a replay draws the same numbers again, unless it is counted.
void require_recordable(const Backend& backend, Key key) {
  if (!key.counter) backend.refuse_in_recording("random numbers of a key without a counter");
}

const RandomKernels& kernels(Backend& backend, Key key, const char* who) {
  require_recordable(backend, key);
  return backend.table<RandomKernels>(who);
}

template <class Draw>
void fill(const Tensor& t, const char* who, const Draw& draw) {
  with_float(t.dtype(), who, [&](auto tag) {
    using T = decltype(tag);
    T* data = t.data<T>();
    parallel_blocks(t.numel(), 4096, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; i += 4) {
        T four[4];
        draw(static_cast<std::uint64_t>(i / 4), four);
        for (std::int64_t j = i; j < std::min(i + 4, end); ++j) data[j] = four[j - i];
      }
    });
  });
}

}  // namespace

Key::Key(std::uint64_t seed_, std::string_view purpose_) : seed(seed_), purpose(Hash().add(purpose_).value()) {}

Key Key::at(std::uint64_t index) const {
  Key key = *this;
  key.purpose = mix_in(purpose, index);
  return key;
}

Key Key::at(std::string_view name) const { return at(Hash().add(name).value()); }

Key Key::counted(const std::uint64_t* where) const {
  Key key = *this;
  key.counter = where;
  return key;
}

void fill_uniform(const Tensor& t, Key key, double low, double high) {
  t.changed();
  if (Backend* b = t.backend())
    return kernels(*b, key, "fill_uniform")
        .uniform[float_column(t.dtype(), "fill_uniform")](t.raw(), t.numel(), key.seed, key.purpose, key.counter, low,
                                                          high - low);
  fill(t, "fill_uniform", [&]<class T>(std::uint64_t counter, T out[4]) {
    uniforms(stream(key), counter, out);
    for (int i = 0; i < 4; ++i) out[i] = static_cast<T>(low) + static_cast<T>(high - low) * out[i];
  });
}

void fill_normal(const Tensor& t, Key key, double mean, double deviation) {
  t.changed();
  if (Backend* b = t.backend())
    return kernels(*b, key, "fill_normal")
        .normal[float_column(t.dtype(), "fill_normal")](t.raw(), t.numel(), key.seed, key.purpose, key.counter, mean,
                                                        deviation);
  fill(t, "fill_normal", [&]<class T>(std::uint64_t counter, T out[4]) {
    normals(stream(key), counter, out);
    for (int i = 0; i < 4; ++i) out[i] = static_cast<T>(mean) + static_cast<T>(deviation) * out[i];
  });
}

double uniform(Key key, std::uint64_t i, double low, double high) {
  double four[4];
  uniforms(stream(key), i / 4, four);
  return low + (high - low) * four[i % 4];
}

double normal(Key key, std::uint64_t i) {
  double four[4];
  normals(stream(key), i / 4, four);
  return four[i % 4];
}

std::int64_t uniform_index(Key key, std::uint64_t i, std::int64_t n) {
  return std::min(n - 1, static_cast<std::int64_t>(uniform(key, i) * static_cast<double>(n)));
}

std::vector<std::int32_t> permutation(std::int64_t n, Key key) {
  std::vector<std::uint64_t> words(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < words.size(); ++i) words[i] = permutation_word(stream(key), i);
  std::vector<std::int32_t> order(words.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) {
    return words[static_cast<std::size_t>(a)] < words[static_cast<std::size_t>(b)];
  });
  return order;
}

void fill_permutation(const Tensor& order, Key key, Arena& scratch) {
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

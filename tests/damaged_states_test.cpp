#include <doctest/doctest.h>

#include "weft/tests/fuzz/damage.h"
#include "weft/tests/fuzz/states.h"

using namespace weft;
using namespace weft::testing;

// What the fuzzers of tests/fuzz do for hours, for a second: states and models with a number out of its range, a tensor
// less, some bytes flipped or cut off, are refused with an Error or are read; nothing else happens.

namespace {

/// Some of them must be refused and some read, or the test would be blind.
template <class File = SafeTensors, class Read>
void damage(const std::vector<std::byte>& whole, int times, Read&& read) {
  int refused = 0, taken = 0;
  read(File::parse(whole, "whole"));
  std::minstd_rand random(7);
  for (int n = 0; n < times; ++n) {
    INFO(n);
    std::vector<std::byte> bytes = whole;
    if (n % 4 == 0) {
      bytes.resize(pick(random, bytes.size()));
    } else if (n % 4 == 1) {
      for (std::size_t i = 0; i <= n % 3u; ++i) bytes[pick(random, bytes.size())] ^= std::byte(1u << pick(random, 8));
    } else {
      for (std::size_t i = 0; i <= n % 2u; ++i)
        if (auto other = damaged(bytes, random); !other.empty()) bytes = std::move(other);
    }
    try {
      read(File::parse(bytes, "damaged"));
      ++taken;
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(refused > times / 3);
  CHECK(taken > 0);
}

/// The state with one number of one tensor replaced.
template <class T>
SafeTensors with(const std::vector<std::byte>& state, const std::string& name, std::int64_t index, T value) {
  const auto owner = std::make_shared<std::vector<std::byte>>(state);
  const auto file = SafeTensors::parse(*owner, "state", owner);
  file.tensor(name).data<T>()[index] = value;  // into the bytes of `owner`
  return file;
}

}  // namespace

TEST_CASE("a damaged state of a model's training is refused or goes on") {
  const auto whole = DamagedFit().file();
  DamagedFit fit;
  damage(whole, 3000, [&](const SafeTensors& file) { fit.read(file); });
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  for (double best : {1e6, -5., 0., 4., 1.5, nan, 1e300})
    CHECK_THROWS_AS(fit.read(with(whole, "fit.counts", 1, best)), const FormatError&);
  for (double steps : {-1., 0., 5., 6.5, nan, 9.3e18})
    CHECK_THROWS_AS(fit.read(with(whole, "fit.counts", 0, steps)), const FormatError&);
  CHECK_THROWS_AS(fit.read(with(whole, "fit.adam", 3, std::numeric_limits<float>::infinity())), const FormatError&);
  CHECK_NOTHROW(fit.read(SafeTensors::parse(whole, "state")));
}

TEST_CASE("a damaged state of a population is refused or goes on") {
  const auto whole = DamagedPopulation().file();
  DamagedPopulation population;
  damage(whole, 600, [&](const SafeTensors& file) { population.read(file); });
  for (const char* name : {"epochs_done", "diverged_at", "best_epoch"})
    for (const std::int32_t value : {-1, 5, 1 << 30})
      CHECK_THROWS_AS(population.read(with(whole, name, 0, value)), const FormatError&);
  for (const double value : {-0.5, 1.5, std::numeric_limits<double>::quiet_NaN()})
    CHECK_THROWS_AS(population.read(with(whole, "best_accuracy", 0, value)), const FormatError&);
  CHECK_THROWS_AS(population.read(with(whole, "weights.W1", 9, std::numeric_limits<float>::quiet_NaN())),
                  const FormatError&);
  CHECK_NOTHROW(population.read(SafeTensors::parse(whole, "state")));
}

TEST_CASE("a damaged model is refused or predicts") {
  for (const char* kind : {"magep", "statnn", "balanced-statnn", "mlp"}) {
    INFO(kind);
    damage(model_bytes(kind), 600, read_model);
  }
}

TEST_CASE("a damaged network is refused or read") {
  damage<TensorFile>(network_bytes(), 1000, [](const TensorFile& file) { NetworkFile::of(NetworkSource::of(file)); });
}

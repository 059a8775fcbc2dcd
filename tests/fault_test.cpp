// Every allocation fails once, and every callback throws: the process lives, files that were complete are complete, and
// what is tried again succeeds. An executable of its own, since it replaces operator new, on which weft's own memory
// stands too.

#include <atomic>
#include <cstdlib>
#include <functional>
#include <new>
#include <optional>
#include <stdexcept>

#include <doctest/doctest.h>

#include "weft/core/random.h"
#include "weft/data/glyphs.h"
#include "weft/networks/cnn/cnn_population.h"
#include "weft/nn/step_recorder.h"
#include "weft/symmetry/network.h"
#include "weft/tasks/fit.h"
#include "weft/tasks/model_file.h"
#include "weft/tests/files.h"
#include "weft/tests/store_samples.h"
#include "weft/tests/with_threads.h"
#include "weft/zoo/make_zoo.h"

namespace {

/// Allocations until one fails; below 1 none does.
std::atomic<std::int64_t> until_failure{0};
std::atomic<std::int64_t> allocations{0};

void* memory(std::size_t bytes, std::size_t alignment) {
  ++allocations;
  if (until_failure > 0 && --until_failure == 0) throw std::bad_alloc();
  const std::size_t whole = (std::max<std::size_t>(bytes, 1) + alignment - 1) / alignment * alignment;
  if (void* p = std::aligned_alloc(alignment, whole)) return p;
  throw std::bad_alloc();
}

}  // namespace

// The other forms call these (a sanitizer's own nothrow form does not). Inlined, g++ would take free() for the wrong
// partner of operator new.
void* operator new(std::size_t bytes) { return memory(bytes, alignof(std::max_align_t)); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return memory(bytes, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  try {
    return memory(bytes, alignof(std::max_align_t));
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

using namespace weft;
using namespace weft::testing;

namespace {

const Space& mlp() {
  static const Space space = mlp_space(std::vector<std::int64_t>{2, 4, 3, 2}, FactorKind::positive_monomial);
  return space;
}

/// What is tried, over and over: its work, and what must hold whether it ended well or not.
struct Scenario {
  const char* name;
  std::function<void()> work;
  std::function<void()> holds;
};

/// Trains a model on eight networks for two epochs and saves it over the one that was there.
void train(const std::filesystem::path& model_file,
           const std::function<void(std::int64_t, std::int64_t)>& on_step = {}) {
  const auto model = make_reader("magep", {{"channels", 2}, {"hidden", 3}}, mlp(), DType::f32, RandomKey(1, "model"));
  const std::vector<Tensor> weights = store_weights(mlp(), 8, RandomKey(2, "weights"));
  model->standardise(weights);
  const Tensor target = Tensor::zeros({8}, DType::f32);
  for (std::int64_t n = 0; n < 8; ++n) target.data<float>()[n] = static_cast<float>(n) / 8;
  FitConfig fit_config;
  fit_config.batch = 3;
  fit_config.epochs = 2;
  Fit fit(*model, fit_config, {model->prepare(weights), target}, {model->prepare(weights), target});
  while (!fit.done()) fit.run_epoch(on_step);
  fit.take_best();
  save_model(model_file, *model);
}

void make(const std::filesystem::path& folder, const ZooProgress& progress = {}) {
  const CnnPopulation model(CnnArchitecture{});
  make_zoo(folder, model, draw_glyphs(8, RandomKey(1, "train")), draw_glyphs(4, RandomKey(1, "test")),
           usual_plan(input_architecture("cnn"), 3, 2, 4, 8, 0), ZooWriter::Existing::replace, progress);
}

/// Trains two networks for two epochs, without a zoo.
void train_networks(const TrainingCallbacks& callbacks) {
  const CnnPopulation model(CnnArchitecture{});
  const Dataset train = draw_glyphs(8, RandomKey(1, "train"));
  PopulationTrainer trainer(model, train, std::vector<TrainingRecipe>(2), {.epochs = 2, .batch = 4});
  train_population(trainer, draw_glyphs(4, RandomKey(1, "test")), callbacks);
}

/// A model and a zoo on disk, complete.
struct Complete {
  TemporaryFolder folder;
  std::filesystem::path model = folder / "model.safetensors", zoo = folder / "zoo";
  WithThreads with{2};

  Complete() {
    train(model);
    make(zoo);
  }
  void model_holds() const { CHECK(load_model(model).model->space() == mlp()); }
  void zoo_holds() const { CHECK(Zoo::open(zoo).rows().size() == 6); }
};

/// Whether the work throws what is expected of it, and nothing else.
enum class End { well, out_of_memory };
End try_it(const Scenario& scenario, std::int64_t failure) {
  until_failure = failure;
  End end = End::well;
  try {
    scenario.work();
  } catch (const std::bad_alloc&) {
    end = End::out_of_memory;
  } catch (const std::exception& error) {
    // The standard library's streams and folders turn a failed allocation into an error of their own.
    until_failure = 0;
    MESSAGE(scenario.name, ", allocation ", failure, ": ", error.what());
    end = End::out_of_memory;
  }
  until_failure = 0;
  return end;
}

}  // namespace

TEST_CASE("an allocation fails, whichever it is") {
  const Complete complete;
  const std::vector<Tensor> a = store_weights(mlp(), 1, RandomKey(3, "a")),
                            b = store_weights(mlp(), 1, RandomKey(3, "b"));
  const Scenario scenarios[] = {
      {"training", [&] { train(complete.model); }, [&] { complete.model_holds(); }},
      {"zoo making", [&] { make(complete.zoo); }, [&] { complete.zoo_holds(); }},
      {"loading", [&] { complete.model_holds(), complete.zoo_holds(); }, [] {}},
      {"same", [&] { CHECK(compare_networks(mlp(), a, b).decision == Decision::different); }, [] {}},
  };
  for (const Scenario& scenario : scenarios) {
    CAPTURE(scenario.name);
    allocations = 0;
    REQUIRE(try_it(scenario, 0) == End::well);
    const std::int64_t all = allocations;
    std::int64_t failed = 0;
    for (std::int64_t n = 1; n <= 400; ++n) {
      const RandomKey key = RandomKey(4, "failures").at(static_cast<std::uint64_t>(n));
      const auto which =
          n <= 200 ? n : 1 + static_cast<std::int64_t>(uniform_index(key, 0, static_cast<std::uint32_t>(all)));
      failed += try_it(scenario, which) == End::out_of_memory;
      if (n % 20 == 0) scenario.holds();
    }
    // Some are made good: a larger chunk of an arena, say, is only asked for first.
    CHECK(failed > 200);
    CHECK(try_it(scenario, 0) == End::well);
    scenario.holds();
  }
}

TEST_CASE("a callback throws, whichever call it is") {
  const Complete complete;
  struct Thrown : std::runtime_error {
    using std::runtime_error::runtime_error;
  };
  // Throws at its n-th call, whichever of its calls it is.
  const auto throwing = [](int n) {
    return [left = std::make_shared<int>(n)](auto...) {
      if (--*left == 0) throw Thrown("callback");
    };
  };
  struct Callback {
    const char* name;
    int calls;  ///< at least
    std::function<void(int)> run;
  };
  StepRecorder recorder(nullptr);
  const Callback callbacks[] = {
      {"Fit's on_step", 2, [&](int n) { train(complete.model, throwing(n)); }},
      {"StepRecorder's work", 1, [&](int n) { recorder.run(throwing(n)); }},
      {"ZooProgress::begin", 1, [&](int n) { make(complete.zoo, {.begin = throwing(n)}); }},
      {"ZooProgress::training", 2, [&](int n) { make(complete.zoo, {.training = throwing(n)}); }},
      {"ZooProgress::safe_point", 2, [&](int n) { make(complete.zoo, {.safe_point = throwing(n)}); }},
      {"TrainingCallbacks::progress", 2,
       [&](int n) {
         train_networks({throwing(n), [](auto&) {}, [] {}});
       }},
      {"TrainingCallbacks::checkpoint", 2,
       [&](int n) {
         train_networks({[](auto...) {}, throwing(n), [] {}});
       }},
      {"TrainingCallbacks::epoch", 2,
       [&](int n) {
         train_networks({[](auto...) {}, [](auto&) {}, throwing(n)});
       }},
  };
  for (const Callback& callback : callbacks) {
    CAPTURE(callback.name);
    for (int n = 1; n <= callback.calls; ++n) CHECK_THROWS_AS(callback.run(n), Thrown);
    callback.run(1000);  // it is not called as often, and nothing is left over
    complete.zoo_holds();
    complete.model_holds();
  }
}

// A whole training loop: no allocation after the first step, repeating addresses, the same bits on any number of
// threads. An executable of its own, since it counts every allocation of the process.

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <vector>

#include <doctest/doctest.h>

#include "weft/tasks/fit.h"
#include "weft/tests/files.h"
#include "weft/tests/model_settings.h"
#include "weft/tests/store_samples.h"
#include "weft/tests/with_threads.h"
#include "weft/weft.h"

// Replaces malloc and its like, on which operator new stands too. The sanitizers bring their own.
#if defined(__GLIBC__) && !defined(WEFT_SANITIZED)
#define WEFT_COUNTS_ALLOCATIONS 1

namespace {
std::atomic<std::int64_t> allocations{0};
thread_local std::int64_t own_allocations = 0;  // of this thread
void count() { ++allocations, ++own_allocations; }
}  // namespace

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t n) { return count(), __libc_malloc(n); }
void* calloc(std::size_t n, std::size_t size) { return count(), __libc_calloc(n, size); }
void* realloc(void* p, std::size_t n) { return count(), __libc_realloc(p, n); }
void* aligned_alloc(std::size_t a, std::size_t n) { return count(), __libc_memalign(a, n); }
void* memalign(std::size_t a, std::size_t n) { return count(), __libc_memalign(a, n); }
int posix_memalign(void** p, std::size_t a, std::size_t n) {
  *p = memalign(a, n);
  return *p ? 0 : ENOMEM;
}
}
#endif

using namespace weft;
using namespace weft::testing;

namespace {

constexpr std::int64_t networks = 48, batch = 16, hidden = 16, channels = 8;

/// Predicts a number in (0, 1) from the weights of an MLP: a derived linear layer, MAGEP's E (its psi frozen) and I,
/// and a dense head.
class Learner {
 public:
  Learner() {
    model_.init(RandomKey(1, "trainer"));
    optimiser_.emplace(model_.parameters(), UpdateRule::adam());
    for (int t = 0; t < tensors; ++t) {
      inputs_[t] = Tensor::zeros(space_.feature_shape(t, networks, 1), DType::f32);
      fill_normal(inputs_[t], RandomKey(2, "weights").at(static_cast<std::uint64_t>(t)), 0, 0.5);
    }
    // Something to learn: the sign of a network's last bias.
    for (std::int64_t n = 0; n < networks; ++n)
      targets_.data<float>()[n] = inputs_[tensors - 1].data<float>()[2 * n] > 0 ? 0.9f : 0.1f;
  }

  /// Step i, on one mini-batch; returns the loss.
  float step(std::int64_t i) {
    const std::int64_t begin = i * batch % networks;
    tape_.reset();
    Tensor now[tensors];
    for (int t = 0; t < tensors; ++t) now[t] = inputs_[t].slice(begin, begin + batch);
    const Features x = relu(equivariant_(relu(linear_(Features::constant(tape_, space_, now)))));
    const Var kept = dropout(invariant_(x)["y"], 0.1, RandomKey(3, "dropout").at(static_cast<std::uint64_t>(i)));
    const Var p = sigmoid(head_(kept));
    loss_ = mean_all(binary_cross_entropy(p, targets_.slice(begin, begin + batch)));
    tape_.backward(loss_);
    optimiser_->step(1e-3);
    return loss_.value().data<float>()[0];
  }

  const void* address() const { return loss_.value().raw(); }
  const Arena& arena() const { return arena_; }
  std::vector<float> values() const {
    const auto all = model_.parameters().flat_values().span<float>();
    return {all.begin(), all.end()};
  }

 private:
  static constexpr int tensors = 6;
  Space space_ = mlp_space(std::vector<std::int64_t>{3, hidden, hidden, 2}, FactorKind::positive_monomial);
  Space scalar_ = Space::parse("y");
  Module model_;
  TermLayer linear_{model_, "linear", space_, space_, derive_linear(space_, space_), 1, channels};
  TermLayer equivariant_{model_, "E", space_, space_, magep_equivariant_terms(3), channels, channels, false};
  TermLayer invariant_{model_, "I", space_, scalar_, magep_invariant_terms(3), channels, channels};
  Mlp head_{model_, "head", {channels, 32, 1}, true};
  std::optional<Optimiser> optimiser_;
  Tensor inputs_[tensors], targets_ = Tensor::zeros({networks, 1}, DType::f32);
  Arena arena_;
  Tape tape_{arena_};
  Var loss_;
};

}  // namespace

#if defined(WEFT_COUNTS_ALLOCATIONS)
namespace {

/// Allocations that `body` makes, on all threads.
template <class Body>
std::int64_t allocations_of(const Body& body) {
  const std::int64_t before = allocations;
  body();
  return allocations - before;
}

}  // namespace

TEST_CASE("self-test: the counter sees every kind of allocation") {
  CHECK(allocations_of([] { delete new volatile int(1); }) > 0);
  CHECK(allocations_of([] { std::vector<double>(10).at(3) = 1; }) > 0);
  CHECK(allocations_of([] { Tensor::zeros({3}, DType::f32).fill(1); }) > 0);
  CHECK(allocations_of([] {}) == 0);
}

TEST_CASE("a step of Transformer-NFN after the first allocates nothing") {
  const Space space = transformer_network_space({16, 24, 2, 8, 8, 2}, {16, 16, 10});
  Tensor values[2];
  for (int n : {1, 2}) {
    const WithThreads with(n);
    const auto model =
        make_reader("transformer-nfn", {{"equivariant_layers", 2}}, space, DType::f32, RandomKey(4, "training_test"));
    std::vector<Tensor> networks;
    for (int t = 0; t < static_cast<int>(space.tensors().size()); ++t) {
      networks.push_back(Tensor::zeros(space.feature_shape(t, 4, 1), DType::f32));
      fill_normal(networks.back(), RandomKey(5, "training_test").at(static_cast<std::uint64_t>(t)), 0, 0.1);
    }
    const Tensor target = Tensor::zeros({4, 1}, DType::f32);
    Optimiser adam(model->parameters(), UpdateRule::adam());
    Arena arena;
    Tape tape(arena);
    auto step = [&] {
      tape.reset();
      tape.backward(mean_all(binary_cross_entropy_with_logits(model->forward(tape, networks), target)));
      adam.step(1e-3);
    };
    CHECK(allocations_of(step) > 0);
    for (int i = 1; i <= 4; ++i) {
      INFO("step " << i << " on " << n << " threads");
      CHECK(allocations_of(step) == 0);
    }
    values[n - 1] = model->parameters().flat_values().clone();
  }
  CHECK(std::ranges::equal(values[0].span<float>(), values[1].span<float>()));
}

TEST_CASE("a trainer's step after the first allocates nothing, in one pass or several") {
  const Space space = mlp_space(std::vector<std::int64_t>{2, 6, 3}, FactorKind::positive_monomial);
  for (const std::int64_t micro : {0, 3}) {
    const Module model;
    const TermLayer lift(model, "lift", space, space, derive_linear(space, space), 1, 4);
    const MagepInvariant pool(model, "pool", space, 4, 1);
    model.init(RandomKey(7, "training_test"));
    std::vector<Tensor> networks;
    for (int t = 0; t < 4; ++t) {
      networks.push_back(Tensor::zeros(space.feature_shape(t, 40, 1), DType::f32));
      fill_normal(networks.back(), RandomKey(8, "training_test").at(static_cast<std::uint64_t>(t)));
    }
    const Tensor target = Tensor::zeros({40, 1}, DType::f32);
    const auto loss = [&](Tape& tape, const Tensor& items) {
      const Features x = Features::gathered(tape, space, networks, items);
      return mean_all(squared_error(pool(relu(lift(x)) * 0.5), gathered(tape, target, items)));
    };
    Trainer trainer(model, {.batch = 8, .micro_batch = micro, .epochs = 3}, {.items = 40, .loss = loss});
    for (int epoch = 1; epoch <= 3; ++epoch) {
      std::int64_t before = 0;
      trainer.run_epoch([&](std::int64_t step, std::int64_t) {
        INFO("epoch " << epoch << ", step " << step << ", passes of " << micro);
        if (step > 1) CHECK(allocations == before);
        before = allocations;
      });
    }
  }
}

TEST_CASE("a step of Fit after the first allocates nothing, of numbers or classes, with axes that are permuted") {
  const Space space = mlp_space(std::vector<std::int64_t>{2, 6, 3}, FactorKind::positive_monomial);
  for (const char* name : {"accuracy", "class"}) {
    const Task& learnt = task(name);
    const auto model = make_reader("magep", {{"channels", 4}, {"hidden", 8}}, space, DType::f32,
                                   RandomKey(9, "training_test"), nullptr, learnt.classes ? 3 : 1);
    std::vector<Tensor> networks;
    for (int t = 0; t < 4; ++t) {
      networks.push_back(Tensor::zeros(space.feature_shape(t, 40, 1), DType::f32));
      fill_normal(networks.back(), RandomKey(10, "training_test").at(static_cast<std::uint64_t>(t)));
    }
    const Examples all{model->prepare(networks), Tensor::zeros({40}, learnt.classes ? DType::i32 : DType::f32)};
    Fit fit(*model, {.batch = 8, .epochs = 3, .permute_fixed = true}, all, all, learnt);
    for (int epoch = 1; epoch <= 3; ++epoch) {
      std::int64_t before = 0;
      fit.run_epoch([&](std::int64_t step, std::int64_t) {
        INFO("epoch " << epoch << ", step " << step << " of the " << name);
        if (step > 1) CHECK(allocations == before);
        before = allocations;
      });
    }
  }
}

TEST_CASE("a step of a streamed Fit after the first allocates nothing on the thread that trains") {
  const TemporaryFolder folder;
  const Space space = mlp_space(std::vector<std::int64_t>{2, 6, 3}, FactorKind::positive_monomial);
  ZooWriter writer(folder / "zoo", store_description(space, 60, 1));
  auto results = store_results(0, 60, 1, RandomKey(1, "training_test"));
  for (ZooResult& r : results) r.loss = 1;
  writer.append(results, store_weights(space, 60, RandomKey(2, "training_test")));
  writer.finish();
  const Zoo zoo = Zoo::open(folder / "zoo");
  for (const char* kind : {"magep", "statnn"}) {
    const auto model = make_reader(kind, of_kind(kind, {{"channels", 4}, {"hidden", 8}}), space, DType::f32,
                                   RandomKey(3, "training_test"));
    Fit fit(*model, {.batch = 8, .epochs = 3, .held = 0}, zoo, zoo.ids(0, ZooPart::train), zoo.ids(0, ZooPart::val));
    for (int epoch = 1; epoch <= 3; ++epoch) {
      std::int64_t before = 0;
      fit.run_epoch([&](std::int64_t step, std::int64_t) {
        INFO("epoch " << epoch << ", step " << step << " of " << kind);
        if (step > 1) CHECK(own_allocations == before);
        before = own_allocations;
      });
    }
  }
}

TEST_CASE("a step of Fit after the first allocates nothing, of editors and readers of implicit networks") {
  constexpr std::int64_t side = 5, items = 20;
  const Space space = mlp_space(std::vector<std::int64_t>{2, 6, 5, 3}, FactorKind::sign_monomial);
  std::vector<Tensor> networks;
  for (int t = 0; t < 6; ++t) {
    networks.push_back(Tensor::zeros(space.feature_shape(t, items, 1), DType::f32));
    fill_normal(networks.back(), RandomKey(11, "training_test").at(static_cast<std::uint64_t>(t)), 0, 0.1);
  }
  int kinds = 0;
  for (const ModelKind* kind : model_kinds()) {
    if (!kind->reads(space) || kind->solved) continue;
    ++kinds;
    const Task& learnt = task(kind->edits ? "edit-dilate" : "class");
    const std::int64_t outputs = kind->edits ? 3 * side * side : 4;
    const auto model = make_reader(
        kind->name,
        of_kind(
            kind->name,
            {{"channels", 4}, {"hidden", 8}, {"frequencies", 4}, {"equivariant_layers", 1}, {"output_channels", 2}}),
        space, DType::f32, RandomKey(12, "training_test"), nullptr, outputs);
    const Examples all{model->standardise(networks),
                       kind->edits ? Tensor::zeros({items, outputs}, DType::f32) : Tensor::zeros({items}, DType::i32)};
    Fit fit(*model, {.batch = 8, .epochs = 2, .warmup = 1}, all, all, learnt);
    for (int epoch = 1; epoch <= 2; ++epoch) {
      std::int64_t before = 0;
      fit.run_epoch([&](std::int64_t step, std::int64_t) {
        INFO("epoch " << epoch << ", step " << step << " of " << kind->name);
        if (step > 1) CHECK(allocations == before);
        before = allocations;
      });
    }
  }
  CHECK(kinds >= 13);
}

TEST_CASE("a step after the first allocates nothing") {
  for (int n : {1, 2, 4}) {
    const WithThreads with(n);
    Learner trainer;
    CHECK(allocations_of([&] { trainer.step(0); }) > 0);
    for (std::int64_t i = 1; i <= 10; ++i) {
      INFO("step " << i << " on " << n << " threads");
      CHECK(allocations_of([&] { trainer.step(i); }) == 0);
    }
  }
}
#endif

TEST_CASE("addresses repeat from step to step") {
  Learner trainer;
  trainer.step(0);
  const void* address = trainer.address();
  const std::size_t used = trainer.arena().used(), peak = trainer.arena().peak(), reserved = trainer.arena().reserved();
  for (std::int64_t i = 1; i <= 10; ++i) {
    trainer.step(i);
    CHECK(trainer.address() == address);
    CHECK(trainer.arena().used() == used);
    CHECK(trainer.arena().peak() == peak);
    CHECK(trainer.arena().reserved() == reserved);
  }
}

TEST_CASE("ten steps are the same bits on 1, 2 and 4 threads") {
  auto train = [](int n) {
    const WithThreads with(n);
    Learner trainer;
    std::vector<float> all;
    for (std::int64_t i = 0; i < 10; ++i) all.push_back(trainer.step(i));
    const auto values = trainer.values();
    all.insert(all.end(), values.begin(), values.end());
    return all;
  };
  const auto one = train(1);
  for (int n : {2, 4}) {
    const auto more = train(n);
    INFO(n << " threads");
    REQUIRE(more.size() == one.size());
    CHECK(std::memcmp(more.data(), one.data(), one.size() * sizeof(float)) == 0);
  }
}

TEST_CASE("the loop learns") {
  const WithThreads with(1);
  Learner trainer;
  auto epochs = [&](std::int64_t from, std::int64_t to) {
    double sum = 0;
    for (std::int64_t i = from * 3; i < to * 3; ++i) sum += static_cast<double>(trainer.step(i));
    return sum / static_cast<double>(3 * (to - from));
  };
  const double first = epochs(0, 2);
  epochs(2, 60);
  CHECK(epochs(60, 62) < 0.75 * first);
}

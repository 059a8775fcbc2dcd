// Readers of several outputs: the same start values as of one, gradients, refusals, files; ridge regression of classes;
// and the key that readers with dropout get in training.

#include <algorithm>
#include <cmath>
#include <set>

#include <doctest/doctest.h>

#include "weft/core/difference.h"
#include "weft/io/json.h"
#include "weft/io/safetensors.h"
#include "weft/nn/layers.h"
#include "weft/nn/losses.h"
#include "weft/ops/view.h"
#include "weft/tasks/fit.h"
#include "weft/tasks/model_file.h"
#include "weft/tests/files.h"
#include "weft/tests/model_settings.h"

using namespace weft;

namespace {

constexpr std::int64_t widths[] = {2, 5, 4, 3};

Space space_of(std::string_view kind) {
  const Space spaces[] = {
      mlp_space(widths, FactorKind::positive_monomial), mlp_space(widths, FactorKind::sign_monomial),
      transformer_network_space({4, 3, 1, 2, 2, 2}, {3, 4, 2}),
      Space::parse("in: fixed(1); h: positive_monomial(4); out: fixed(3) W1[h, in*; taps=3x3] b1[h] "
                   "W2[out, h*] b2[out]")};
  return *std::ranges::find_if(spaces, [&](const Space& space) { return model_kind(kind).reads(space); });
}

std::vector<Tensor> networks(const Space& space, std::int64_t n, DType dtype, RandomKey key) {
  std::vector<Tensor> all;
  for (const SpaceTensor& tensor : space.tensors()) {
    all.push_back(Tensor::zeros(space.feature_shape(static_cast<int>(all.size()), n, 1), dtype));
    fill_normal(all.back(), key.at(tensor.name), 0, 0.5);
  }
  return all;
}

std::unique_ptr<Reader> reader(std::string_view kind, std::int64_t outputs, DType dtype) {
  return make_reader(kind, testing::of_kind(kind, {{"channels", 3}, {"hidden", 6}}), space_of(kind), dtype,
                     RandomKey(1, "readers_test"), nullptr, outputs);
}

/// int32, in [0, classes).
Tensor labels(std::int64_t n, std::int64_t classes, RandomKey key) {
  const Tensor t = Tensor::zeros({n}, DType::i32);
  for (std::int64_t i = 0; i < n; ++i)
    t.data<std::int32_t>()[i] = static_cast<std::int32_t>(uniform_index(key, static_cast<std::uint64_t>(i), classes));
  return t;
}

double value_of(const Reader& model, const std::vector<Tensor>& prepared, const Tensor& label) {
  Tape tape;
  const NoGrad no_grad(tape);
  return mean_all(cross_entropy(model.forward(tape, prepared), label)).value().data<double>()[0];
}

}  // namespace

TEST_CASE("readers: every kind says so many numbers of each network, and begins as with one where no output is") {
  for (const ModelKind* kind : model_kinds()) {
    CAPTURE(kind->name);
    // What an editor says are images, here of 1 and 4 pixels of 3 channels.
    const std::int64_t fewer = kind->edits ? 3 : 1, more = 4 * fewer;
    const auto few = reader(kind->name, fewer, DType::f64), many = reader(kind->name, more, DType::f64);
    CHECK((few->outputs() == fewer && many->outputs() == more));
    const auto weights = networks(few->space(), 3, DType::f64, RandomKey(2, "readers_test"));
    Tape tape;
    CHECK(few->forward(tape, few->prepare(weights)).shape() == Shape{3, fewer});
    CHECK(many->forward(tape, many->prepare(weights)).shape() == Shape{3, more});
    const Parameters &a = few->parameters(), &b = many->parameters();
    REQUIRE(a.count() == b.count());
    int other = 0;
    for (int i = 0; i < a.count(); ++i) {
      CHECK(a.name(i) == b.name(i));
      if (a.shape(i) == b.shape(i))
        CHECK(largest_difference(a.value(i), b.value(i)) == 0);
      else
        ++other;
    }
    CHECK(other == (kind->edits ? 0 : 2));  // weight and bias of the last layer
  }
}

TEST_CASE("readers: gradients of several outputs are what differences say") {
  for (const char* kind : {"magep", "transformer-nfn", "statnn", "mlp"}) {
    CAPTURE(kind);
    const auto model = reader(kind, 3, DType::f64);
    // Off the kinks: constants start at 0, and so do features behind them.
    const Parameters& p = model->parameters();
    for (int i = 0; i < p.count(); ++i)
      if (p.trainable(i)) fill_normal(p.value(i), RandomKey(12, "readers_test").at(p.name(i)), 0, 0.3);
    const auto prepared = model->standardise(networks(model->space(), 6, DType::f64, RandomKey(3, "readers_test")));
    const Tensor label = labels(6, 3, RandomKey(4, "readers_test"));
    Tape tape;
    tape.backward(mean_all(cross_entropy(model->forward(tape, prepared), label)));
    for (std::uint64_t trial = 0; trial < 4; ++trial) {
      const RandomKey key = RandomKey(5, "readers_test").at(trial);
      double slope = 0;
      std::vector<Tensor> start, direction;
      for (int i = 0; i < p.count(); ++i) {
        start.push_back(p.value(i).clone());
        direction.push_back(Tensor::zeros(p.shape(i), DType::f64));
        if (!p.trainable(i)) continue;
        fill_normal(direction.back(), key.at(p.name(i)));
        const Tensor gradient = p.grad(i);
        for (std::int64_t k = 0; k < gradient.numel(); ++k)
          slope += gradient.data<double>()[k] * direction.back().data<double>()[k];
      }
      const auto at = [&](double step) {
        for (int i = 0; i < p.count(); ++i)
          for (std::int64_t k = 0; k < p.value(i).numel(); ++k)
            p.value(i).data<double>()[k] = start[static_cast<std::size_t>(i)].data<double>()[k] +
                                           step * direction[static_cast<std::size_t>(i)].data<double>()[k];
        model->parameters().changed();
        return value_of(*model, prepared, label);
      };
      constexpr double h = 1e-6;
      CHECK((at(h) - at(-h)) / (2 * h) == doctest::Approx(slope).epsilon(1e-5));
      at(0);
    }
  }
}

TEST_CASE("readers: refused are outputs that are none, and those that do not suit a task") {
  const Space space = space_of("mlp");
  for (const std::int64_t outputs : {std::int64_t{0}, std::int64_t{-3}, std::int64_t{65537}})
    for (const ModelKind* kind : model_kinds())
      CHECK_THROWS_WITH_AS(declare_reader(kind->name, model_settings(kind->name), space_of(kind->name), outputs),
                           fmt::format("[model] {} outputs; allowed: 1 to 65536", outputs).c_str(), UsageError);
  const auto one = reader("mlp", 1, DType::f32), three = reader("mlp", 3, DType::f32);
  const std::vector<Tensor> prepared = one->prepare(networks(space, 4, DType::f32, RandomKey(6, "readers_test")));
  const Tensor shares = Tensor::zeros({4}, DType::f32), classes = Tensor::zeros({4}, DType::i32);
  const Examples numbers{prepared, shares}, some{prepared, classes};
  CHECK_THROWS_WITH_AS(Fit(*one, {}, some, some, task("class")),
                       "[task] the class is predicted from 2 outputs or more, the model has 1", UsageError);
  CHECK_THROWS_WITH_AS(Fit(*three, {}, numbers, numbers),
                       "[task] the accuracy is predicted from 1 output, the model has 3", UsageError);
  CHECK_THROWS_WITH_AS(Fit(*three, {}, numbers, some, task("class")),
                       "[fit] targets of the training networks are float32; allowed: int32, numbers of classes",
                       DtypeError);
  CHECK_THROWS_WITH_AS(Fit(*one, {}, numbers, some),
                       "[fit] targets of the validation networks are int32; allowed: float32, float64", DtypeError);
  for (const std::int32_t wrong : {3, -1}) {
    const Examples bad{prepared, classes.clone()};
    bad.target.data<std::int32_t>()[2] = wrong;
    CHECK_THROWS_WITH_AS(Fit(*three, {}, bad, some, task("class")),
                         fmt::format("[fit] target 2 of the training networks is {}; allowed: 0 to 2", wrong).c_str(),
                         UsageError);
  }
  CHECK_NOTHROW(Fit(*three, {}, some, some, task("class")));
}

TEST_CASE("readers: a file names several outputs, and none where there is one; damaged numbers are refused") {
  const TemporaryFolder folder;
  const auto config_of = [](const std::filesystem::path& path) { return Json::parse(Checkpoint::open(path).config()); };
  for (const char* kind : {"magep", "transformer-nfn", "statnn", "balanced-statnn", "mlp", "ridge"}) {
    CAPTURE(kind);
    for (const std::int64_t outputs : {1, 5}) {
      const auto model = reader(kind, outputs, DType::f32);
      const auto prepared = model->standardise(networks(model->space(), 3, DType::f32, RandomKey(7, "readers_test")));
      const auto path = folder / "model.safetensors";
      save_model(path, *model);
      const Json* named = config_of(path).find("outputs");
      CHECK((named != nullptr) == (outputs > 1));
      const LoadedModel loaded = load_model(path);
      CHECK(loaded.model->outputs() == outputs);
      CHECK(predict_outputs(*loaded.model, prepared) == predict_outputs(*model, prepared));
    }
  }
  const auto model = reader("mlp", 2, DType::f32);
  const auto refused = [&](const std::string& outputs, const std::string& says) {
    const auto path = folder / "damaged.safetensors";
    std::string config = R"({"space": ")" + model->space().str() + R"(", "outputs": )" + outputs + R"(, "hidden": 6})";
    model->save(path, config);
    CHECK_THROWS_WITH_AS(load_model(path), doctest::Contains(says.c_str()), FormatError);
  };
  refused("0", "[model] 0 outputs; allowed: 1 to 65536");
  refused("1000000000000", "[model] 1000000000000 outputs; allowed: 1 to 65536");
  refused("2.5", "'outputs' of the config is 2.5; allowed: a whole number");
  refused(R"("2")", R"('outputs' of the config is "2"; allowed: a whole number)");
  refused("3", "mlp.2");  // tensors of another shape
}

TEST_CASE("readers: ridge regression solves for each class alone") {
  constexpr std::int64_t n = 60, classes = 3;
  const auto many = reader("ridge", classes, DType::f64), single = reader("ridge", 1, DType::f64);
  const auto weights = networks(many->space(), n, DType::f64, RandomKey(8, "readers_test"));
  const auto prepared = many->standardise(weights);
  single->standardise(weights);
  std::vector<double> wanted(n * classes);
  for (std::size_t i = 0; i < wanted.size(); ++i) wanted[i] = normal(RandomKey(9, "readers_test"), i);
  REQUIRE(many->solve(prepared, wanted));
  const std::vector<double> all = predict_outputs(*many, prepared);
  REQUIRE(all.size() == wanted.size());
  double worst = 0;
  for (std::size_t c = 0; c < classes; ++c) {
    std::vector<double> of_class(n), alone;
    for (std::size_t i = 0; i < of_class.size(); ++i) of_class[i] = wanted[i * classes + c];
    REQUIRE(single->solve(prepared, of_class));
    alone = predict_outputs(*single, prepared);
    for (std::size_t i = 0; i < alone.size(); ++i) worst = worse(worst, std::abs(alone[i] - all[i * classes + c]));
  }
  CHECK(worst < 1e-12);
}

namespace {

/// Three scores that dropout acts on; keeps what it was called with.
struct Dropping final : Reader {
  mutable std::vector<std::vector<double>> trained, judged;

  explicit Dropping(const Space& space) : Reader("dropping", {}, space, 3) {
    add_parameter("scores", {3}, Init::constant(1));
    init(RandomKey(1, "dropping"), DType::f64);
  }
  std::vector<Tensor> prepare(std::span<const Tensor> weights) const override {
    return {weights.begin(), weights.end()};
  }
  Var forward(Tape& tape, std::span<const Tensor> prepared, const std::optional<RandomKey>& training) const override {
    const std::int64_t n = prepared[0].dim(0);
    const Tensor first = Tensor::zeros({n}, DType::i32);
    Var y = gather(reshape(on(tape, 0), {1, 3}), 0, first);
    if (training) y = dropout(y, 0.5, *training);
    const auto numbers = y.value().span<double>();
    (training ? trained : judged).emplace_back(numbers.begin(), numbers.end());
    return y;
  }
};

}  // namespace

TEST_CASE("readers: dropout draws anew at each step of a training, the same again, and not where networks are judged") {
  const Space space = space_of("mlp");
  const Examples all{networks(space, 24, DType::f64, RandomKey(10, "readers_test")),
                     labels(24, 3, RandomKey(11, "readers_test"))};
  const auto train = [&](std::uint64_t seed, std::size_t resumed_after) {
    Dropping model(space), other(space);
    // So small a rate that the scores stay 1.
    const FitConfig config{.learning_rate = 1e-30, .batch = 12, .epochs = 3, .seed = seed};
    Fit fit(model, config, all, all, task("class")), rest(other, config, all, all, task("class"));
    while (fit.log().size() < resumed_after) fit.run_epoch();
    const auto state = fit.state();
    rest.resume([&](const std::string& name) {
      return std::ranges::find(state, name, &std::pair<std::string, Tensor>::first)->second;
    });
    while (!rest.done()) rest.run_epoch();
    for (const auto& scores : other.judged) CHECK(std::ranges::all_of(scores, [](double x) { return x == 1; }));
    std::vector<std::vector<double>> steps = model.trained;
    steps.insert(steps.end(), other.trained.begin(), other.trained.end());
    return steps;
  };
  const auto steps = train(1, 3), again = train(1, 1), otherwise = train(2, 3);
  CHECK(steps.size() == 6);
  CHECK(std::set(steps.begin(), steps.end()).size() == steps.size());
  CHECK(again == steps);
  for (const auto& step : steps) {
    CHECK(std::ranges::find(otherwise, step) == otherwise.end());
    CHECK(std::ranges::all_of(step, [](double x) { return x == 0 || x == 2; }));
  }
}

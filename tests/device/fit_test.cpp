// Training on the device against the CPU, from checkpoints, and on a device that is too small.

#include "weft/tasks/fit.h"

#include <cmath>
#include <filesystem>

#include "weft/nn/layers.h"
#include "weft/ops/view.h"
#include "weft/tasks/model_file.h"
#include "weft/tests/device/device_under_test.h"
#include "weft/tests/device/without_recordings.h"
#include "weft/tests/files.h"
#include "weft/tests/model_settings.h"

using namespace weft;
using namespace weft::testing;

namespace {

constexpr std::int64_t widths[] = {2, 4, 3, 2};

Space space_of(std::string_view kind) {
  return kind == "transformer-nfn" ? transformer_network_space({4, 3, 1, 2, 2, 2}, {3, 4, 2})
                                   : mlp_space(widths, FactorKind::positive_monomial);
}

std::unique_ptr<Reader> model_of(const char* kind, DType dtype, Backend* backend) {
  return make_reader(kind, of_kind(kind, {{"channels", 2}, {"equivariant_layers", 1}, {"hidden", 6}}), space_of(kind),
                     dtype, RandomKey(6, "fit"), backend);
}

/// Networks whose target is a function of their last bias; the model is standardised by them.
Examples examples(Reader& model, DType dtype, std::int64_t n, RandomKey key) {
  const Space& space = model.space();
  std::vector<Tensor> weights;
  for (int t = 0; t < static_cast<int>(space.tensors().size()); ++t) {
    weights.push_back(Tensor::zeros(space.feature_shape(t, n, 1), DType::f64));
    fill_normal(weights.back(), key.at(static_cast<std::uint64_t>(t)), 0, 0.5);
  }
  const Tensor target = Tensor::zeros({n}, DType::f64), &bias = weights.back();
  for (std::int64_t i = 0; i < n; ++i)
    target.data<double>()[i] = 1 / (1 + std::exp(-2 * bias.data<double>()[i * bias.dim(2)]));
  for (Tensor& w : weights) w = w.to(dtype);
  model.standardise(weights);
  return {model.prepare(weights), target.to(dtype)};
}

struct Data {
  Examples validation, train;  // in this order: standardised by the latter
  Data(Reader& model, DType dtype)
      : validation(examples(model, dtype, 9, RandomKey(7, "validation"))),
        train(examples(model, dtype, 11, RandomKey(7, "train"))) {}
};

const FitConfig config{.learning_rate = 3e-3, .batch = 8, .epochs = 3, .patience = 3, .warmup = 1, .seed = 1};

}  // namespace

TEST_CASE("a training on the device: the CPU's losses, the same bits again, and from a checkpoint") {
  for (const char* kind : {"magep", "transformer-nfn", "statnn", "balanced-statnn", "mlp"}) {
    CAPTURE(kind);
    FitConfig own = config;
    own.permute_fixed = training_settings(kind).flag("permute_fixed");
    const auto here = model_of(kind, DType::f64, nullptr);
    const Data data(*here, DType::f64);
    Fit on_cpu(*here, own, data.train, data.validation);
    while (!on_cpu.done()) on_cpu.run_epoch();

    std::vector<std::pair<std::string, Tensor>> saved;
    auto train = [&](Reader& model, bool resumes) {
      const Data data(model, DType::f64);
      Fit fit(model, own, data.train, data.validation);
      if (resumes)
        fit.resume([&](const std::string& name) {
          for (const auto& [n, tensor] : saved)
            if (n == name) return tensor;
          throw FormatError("no {}", name);
        });
      else
        CHECK(fit.try_step().bytes > 4 * model.parameters().flat_values().bytes());
      while (!fit.done()) {
        fit.run_epoch();
        if (!resumes && fit.log().size() == 1) {
          saved.clear();
          for (const auto& [name, tensor] : fit.state()) saved.emplace_back(name, tensor.clone());
        }
      }
      CHECK((fit.recorder().recorded() && fit.recorder().refusal().empty()));
      for (std::size_t i = 0; i < fit.log().size(); ++i) {
        CHECK(fit.log()[i].train_loss == doctest::Approx(on_cpu.log()[i].train_loss).epsilon(1e-6));
        CHECK(validation_loss(fit.log()[i]) == doctest::Approx(validation_loss(on_cpu.log()[i])).epsilon(1e-6));
      }
      CHECK(fit.best_epoch() == on_cpu.best_epoch());
      fit.take_best();
      return model.parameters().flat_values().on(nullptr);
    };
    const auto first = model_of(kind, DType::f64, &device()), second = model_of(kind, DType::f64, &device()),
               third = model_of(kind, DType::f64, &device());
    const Tensor values = train(*first, false);
    CHECK(same_bits(train(*second, false), values));
    CHECK(same_bits(train(*third, true), values));
  }
}

namespace {

/// Tells classes by a network's last biases, with dropout in training.
struct DroppingReader final : Reader {
  Linear hidden, last;

  DroppingReader(const Space& space, std::int64_t classes, Backend* backend)
      : Reader("dropping", {}, space, classes), hidden(*this, "hidden", 2, 12), last(*this, "last", 12, classes) {
    init(RandomKey(3, "dropping"), DType::f64, backend);
  }
  std::vector<Tensor> prepare(std::span<const Tensor> weights) const override { return {weights.back()}; }
  Var forward(Tape& tape, std::span<const Tensor> prepared, const std::optional<RandomKey>& training) const override {
    const Var h = hidden(reshape(tape.constant(prepared[0]), {prepared[0].dim(0), 2}), UnaryOp::Relu);
    return last(training ? dropout(h, 0.5, *training) : h);
  }
};

}  // namespace

TEST_CASE("a training of classes with dropout: the device draws at each replay what the CPU draws at each step") {
  const Space space = space_of("mlp");
  struct Learnt {
    std::vector<Trainer::Epoch> log;
    bool recorded;
  };
  const auto learn = [&](Backend* backend) {
    DroppingReader model(space, 3, backend);
    Data data(model, DType::f64);
    for (Examples* examples : {&data.train, &data.validation}) {
      const Tensor classes = Tensor::zeros(examples->target.shape(), DType::i32);
      for (std::int64_t i = 0; i < classes.numel(); ++i)
        classes.data<std::int32_t>()[i] = static_cast<std::int32_t>(3 * examples->target.data<double>()[i]);
      examples->target = classes;
    }
    Fit fit(model, config, data.train, data.validation, task("class"));
    while (!fit.done()) fit.run_epoch();
    return Learnt{fit.log(), fit.recorder().recorded()};
  };
  const Learnt here = learn(nullptr), there = learn(&device());
  CHECK(there.recorded);
  REQUIRE(here.log.size() == there.log.size());
  for (std::size_t i = 0; i < here.log.size(); ++i) {
    CHECK(there.log[i].train_loss == doctest::Approx(here.log[i].train_loss).epsilon(1e-9));
    CHECK(validation_loss(there.log[i]) == doctest::Approx(validation_loss(here.log[i])).epsilon(1e-9));
    CHECK(validation_metric(there.log[i]) == validation_metric(here.log[i]));
  }
}

TEST_CASE("a batch of more networks than there are is one step over all of them") {
  std::vector<Tensor> values;
  for (const std::int64_t batch : {std::int64_t{11}, std::int64_t{12}, INT64_MAX}) {
    const auto model = model_of("mlp", DType::f64, nullptr);
    const Data data(*model, DType::f64);
    FitConfig all = config;
    all.batch = batch;
    Fit fit(*model, all, data.train, data.validation);
    std::int64_t steps = 0;
    while (!fit.done()) fit.run_epoch([&](std::int64_t, std::int64_t) { ++steps; });
    CHECK(steps == config.epochs);
    values.push_back(model->parameters().flat_values().clone());
    CHECK(same_bits(values.back(), values.front()));
  }
  FitConfig endless = config;
  endless.epochs = INT64_MAX;
  const auto model = model_of("mlp", DType::f64, nullptr);
  const Data data(*model, DType::f64);
  CHECK_THROWS_AS(Fit(*model, endless, data.train, data.validation), UsageError);
}

TEST_CASE("every slow path of a training is told, with the reason") {
  auto fallbacks_after = [](const char* kind, Backend* backend, std::size_t epochs) {
    const auto model = model_of(kind, DType::f32, backend);
    const Data data(*model, DType::f32);
    Fit fit(*model, config, data.train, data.validation);
    while (fit.log().size() < epochs) fit.run_epoch();
    return fit.fallbacks();
  };
  using Texts = std::vector<std::string>;
  const std::string schedule = ": there is no schedule for devices", launched = " batches are launched one by one: ";
  const Texts of_magep{"'lift' runs operation by operation" + schedule},
      of_transformers{"'classifier.linear1' runs operation by operation" + schedule,
                      "'classifier.linear2' runs operation by operation" + schedule,
                      "'classifier.pool' runs operation by operation" + schedule};
  for (const char* kind : {"magep", "transformer-nfn", "statnn", "mlp"}) {
    CAPTURE(kind);
    CHECK(fallbacks_after(kind, nullptr, 3) == Texts{});
  }
  CHECK(fallbacks_after("magep", &device(), 3) == of_magep);
  CHECK(fallbacks_after("transformer-nfn", &device(), 3) == of_transformers);
  CHECK(fallbacks_after("statnn", &device(), 3) == Texts{});
  const std::shared_ptr<Backend> slow = device_without_recordings();
  if (!slow) return;
  const std::string why = "[record] this device cannot record";
  CHECK(fallbacks_after("statnn", slow.get(), 3) ==
        Texts{"steps of whole" + launched + why, "steps of smaller" + launched + why});
}

TEST_CASE("a model goes from the device to a file and back, and says the same") {
  for (const char* kind : {"transformer-nfn", "statnn"}) {
    CAPTURE(kind);
    const auto model = model_of(kind, DType::f32, &device());
    const Data data(*model, DType::f32);
    const TemporaryFolder folder;
    save_model(folder / "model.safetensors", *model);
    const std::vector<double> logits = predict_outputs(*model, data.validation.prepared);
    const LoadedModel here = load_model(folder / "model.safetensors"),
                      there = load_model(folder / "model.safetensors", DType::f32, &device()),
                      wide = load_model(folder / "model.safetensors", DType::f64, &device());
    CHECK(wide.model->parameters().backend() == &device());
    CHECK(predict_outputs(*there.model, data.validation.prepared) == logits);
    const std::vector<double> on_cpu = predict_outputs(*here.model, data.validation.prepared);
    for (std::size_t i = 0; i < logits.size(); ++i) CHECK(logits[i] == doctest::Approx(on_cpu[i]).epsilon(1e-4));
  }
}

TEST_CASE("a training that diverges is told at the end of the epoch, with the parameter") {
  const auto model = model_of("mlp", DType::f32, &device());
  const Data data(*model, DType::f32);
  Fit wild(*model, {.learning_rate = 1e30}, data.train, data.validation);
  std::string said;
  try {
    for (int i = 0; i < 10; ++i) wild.run_epoch();
  } catch (const NumericError& error) {
    said = error.what();
  }
  CAPTURE(said);
  CHECK(said.find("[adam] some step up to 2: the gradient of 'mlp.") == 0);
}

TEST_CASE("a batch that a device has no room for: the largest that fits is named, and does") {
  const std::size_t room = std::size_t{9} << 18;
  const std::shared_ptr<Backend> small = small_device(room);
  if (!small) {
    MESSAGE("needs a device whose memory can be limited: the emulated one");
    return;
  }
  const auto model = model_of("magep", DType::f32, small.get());
  auto examples_of = [&](std::int64_t n) { return examples(*model, DType::f32, n, RandomKey(8, "many")); };
  FitConfig large = config;
  large.batch = 800;
  std::string said;
  try {
    Fit(*model, large, examples_of(800), examples_of(1)).try_step();
  } catch (const OutOfDeviceMemory& full) {
    said = full.what();
  }
  CAPTURE(said);
  std::int64_t fits = 0;
  const std::size_t at = said.find("; a batch of ");
  REQUIRE(at != std::string::npos);
  fits = std::stoll(said.substr(at + 13));
  CHECK((fits > 1 && fits < 800));
  for (const std::int64_t batch : {fits, fits + 1}) {
    large.batch = batch;
    Fit fit(*model, large, examples_of(800), examples_of(1));
    bool full = false;
    try {
      fit.try_step();
    } catch (const OutOfDeviceMemory&) {
      full = true;
    }
    CHECK(full == (batch > fits));
  }
}

TEST_CASE("where a step could be tried an epoch runs: judging takes more than a step of two networks") {
  int tried = 0, refused = 0;
  for (std::size_t room = 12; room < 40; room += 2) {
    const std::shared_ptr<Backend> small = small_device(room << 17);
    if (!small) return;
    const auto model = make_reader("magep", {{"channels", 16}, {"equivariant_layers", 2}, {"hidden", 6}},
                                   space_of("magep"), DType::f32, RandomKey(6, "fit"), small.get());
    FitConfig narrow = config;
    narrow.batch = 2;
    Fit fit(*model, narrow, examples(*model, DType::f32, 5, RandomKey(9, "few")),
            examples(*model, DType::f32, 64, RandomKey(9, "many")));
    try {
      fit.try_step();
      ++tried;
    } catch (const OutOfDeviceMemory&) {
      ++refused;
      continue;
    }
    CHECK_NOTHROW(fit.run_epoch());
  }
  CHECK((tried > 1 && refused > 1));
}

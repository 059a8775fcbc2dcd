#pragma once

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "weft/io/gzip.h"
#include "weft/networks/cnn/cnn_population.h"
#include "weft/networks/population/population_trainer.h"
#include "weft/tasks/fit.h"
#include "weft/tasks/model_file.h"
#include "weft/tests/files.h"
#include "weft/tests/model_settings.h"
#include "weft/zoo/network_file.h"

// Small trainings and models whose files the fuzzers and the tests damage: what they write, and what reads it again. A
// reader throws an Error or has taken a file that it can go on from.

namespace weft::testing {

inline Space damaged_space() { return mlp_space(std::array<std::int64_t, 3>{2, 3, 2}, FactorKind::positive_monomial); }

inline std::vector<Tensor> damaged_networks(std::int64_t n) {
  const Space space = damaged_space();
  std::vector<Tensor> weights;
  for (int t = 0; t < static_cast<int>(space.tensors().size()); ++t) {
    weights.push_back(Tensor::zeros(space.feature_shape(t, n, 1), DType::f32));
    fill_normal(weights.back(), RandomKey(1, "damaged").at(static_cast<std::uint64_t>(t)));
  }
  return weights;
}

/// The training of a small model, as weft train saves it.
class DamagedFit {
 public:
  DamagedFit() {
    while (fit_.log().size() < 3) fit_.run_epoch();
  }
  std::vector<std::byte> file() const {
    std::vector<NamedTensor> tensors;
    for (const auto& [name, tensor] : fit_.state()) tensors.push_back({name, tensor});
    return safetensors_bytes(tensors);
  }
  void read(const SafeTensors& state) {
    fit_.resume([&](const std::string& name) {
      if (!state.contains(name)) throw FormatError("no '{}'", name);
      return state.tensor(name);
    });
    if (!fit_.done()) fit_.run_epoch();
    fit_.log().at(static_cast<std::size_t>(fit_.best_epoch() - 1));
    fit_.take_best();
  }

 private:
  static Examples examples(Reader& model, std::int64_t n) {
    const Tensor target = Tensor::zeros({n}, DType::f32);
    for (std::int64_t i = 0; i < n; ++i) target.data<float>()[i] = static_cast<float>(i) / static_cast<float>(n);
    return {model.prepare(damaged_networks(n)), target};
  }
  std::unique_ptr<Reader> model_ =
      make_reader("statnn", {{"hidden", 2}}, damaged_space(), DType::f32, RandomKey(2, "damaged"));
  Fit fit_{*model_, {.batch = 2, .epochs = 5, .seed = 1}, examples(*model_, 4), examples(*model_, 3)};
};

/// The training of one network of a zoo with a best epoch, as weft zoo make saves it.
class DamagedPopulation {
 public:
  DamagedPopulation() {
    for (int i = 0; i < 2; ++i) trainer_.train_epoch();
  }
  std::vector<std::byte> file() const { return safetensors_bytes(trainer_.state()); }
  void read(const SafeTensors& state) {
    trainer_.resume(state);
    if (trainer_.epochs_done() < trainer_.plan().epochs) trainer_.train_epoch();
    trainer_.evaluate_best(data_);
  }

 private:
  static Dataset data() {
    Dataset d;
    d.name = "damaged";
    d.classes = 10;
    d.images = Tensor::zeros({4, 1, 6, 6}, DType::f32);
    fill_normal(d.images, RandomKey(3, "damaged"));
    d.labels = Tensor::zeros({4}, DType::i32);
    return d;
  }
  CnnPopulation model_{CnnArchitecture{.image_rows = 6, .image_columns = 6, .widths = {1, 16, 10}, .kernels = {3}}};
  Dataset data_ = data();
  PopulationTrainer trainer_{model_,
                             data_,
                             {{.rule = UpdateRule::adam(), .learning_rate = 1e-3, .init_std = 0.1}},
                             {.epochs = 4, .batch = 2, .seed = 5},
                             &data_};
};

/// What `save` writes to a path.
inline std::vector<std::byte> bytes_of(const std::function<void(const std::filesystem::path&)>& save) {
  const TemporaryFolder folder;
  save(folder / "file");
  return read_file(folder / "file");
}

inline std::vector<std::byte> model_bytes(const std::string& kind) {
  const auto model = make_reader(kind, of_kind(kind, {{"channels", 1}, {"equivariant_layers", 1}, {"hidden", 2}}),
                                 damaged_space(), DType::f32, RandomKey(4, "damaged"));
  return bytes_of([&](const auto& path) { save_model(path, *model); });
}

inline std::vector<std::byte> network_bytes() {
  return bytes_of([](const auto& path) { NetworkFile{damaged_space(), damaged_networks(1), {}}.save(path); });
}

inline void read_model(SafeTensors file) {
  const LoadedModel loaded = load_model("damaged", Checkpoint::of("damaged", std::move(file)));
  if (loaded.model->space() == damaged_space())
    predict_outputs(*loaded.model, loaded.model->prepare(damaged_networks(2)));
}

}  // namespace weft::testing

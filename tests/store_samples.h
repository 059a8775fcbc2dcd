#pragma once

#include <string>
#include <vector>

#include "weft/core/random.h"
#include "weft/zoo/store.h"

// A small zoo that "trains" in chunks of networks: what the tests of zoo/store and their child process have in common.

namespace weft::testing {

/// `views` 0: of classifiers, else of implicit networks.
inline ZooDescription store_description(Space space, std::int64_t networks, std::uint64_t seed,
                                        std::int64_t views = 0) {
  ZooDescription d{std::move(space), "mlp", "relu", "glyphs", "0123456789abcdef", "weft test", seed, networks, {}, {}};
  std::vector<double> rates;
  std::vector<std::string> optimisers;
  for (std::int64_t n = 0; n < networks; ++n) {
    const RandomKey key = RandomKey(seed, "hyper-parameters").at(static_cast<std::uint64_t>(n));
    rates.push_back(uniform(key, 0, 0, 0.1));
    optimisers.push_back(uniform_index(key, 1, 2) ? "adam" : "sgd, \"plain\"");
  }
  d.hyper_parameters = {HyperParameter::numbers("learning_rate", "peak learning rate", rates),
                        {"optimiser", "how the weights move", optimisers}};
  d.views = views;
  d.settings = {{"epochs", "3"}, {"note", "two\nlines, \xc3\xbc"}};
  return d;
}

inline Space small_space() {
  return Space::parse(
      "in: fixed(3); h: positive_monomial(4); out: fixed(2) W1[h, in*; taps=2x3] b1[h] W2[out, h*] b2[out]");
}

/// Weights of `networks` networks, all different.
inline std::vector<Tensor> store_weights(const Space& space, std::int64_t networks, RandomKey key) {
  std::vector<Tensor> weights;
  for (int t = 0; t < static_cast<int>(space.tensors().size()); ++t) {
    weights.push_back(Tensor::zeros(space.feature_shape(t, networks, 1), DType::f32));
    fill_normal(weights.back(), key.at(static_cast<std::uint64_t>(t)));
  }
  return weights;
}

inline std::vector<ZooResult> store_results(std::int64_t first, std::int64_t networks, std::int64_t epoch,
                                            RandomKey key, std::int64_t views = 0) {
  std::vector<ZooResult> results;
  for (std::int64_t n = first; n < first + networks; ++n) {
    const RandomKey own = key.at(static_cast<std::uint64_t>(n)).at(static_cast<std::uint64_t>(epoch));
    ZooResult r{n, epoch, uniform(own, 0), uniform(own, 1, 0, 3), uniform_index(own, 2, 4) == 0};
    if (r.diverged) r.loss = std::numeric_limits<double>::quiet_NaN();
    if (epoch != 1) r.train_accuracy = uniform(own, 3);
    if (views > 0) {
      r.accuracy = r.train_accuracy = ZooResult::unknown;
      r.psnr = uniform(own, 4, 10, 40);
    }
    results.push_back(r);
  }
  return results;
}

/// Originals of one channel for implicit networks.
inline Tensor store_images(std::int64_t images, RandomKey key) {
  const Tensor pixels = Tensor::zeros({images, 1, 3, 5}, DType::u8);
  std::uint64_t at = 0;
  for (std::uint8_t& pixel : pixels.span<std::uint8_t>())
    pixel = static_cast<std::uint8_t>(uniform_index(key, at++, 256));
  return pixels;
}

constexpr std::int64_t store_networks = 7, store_chunk = 3, store_epochs = 2;

/// Trains the sample zoo: chunk after chunk, epoch after epoch, each from the weights of the epoch before; goes on
/// where a saved state says. With `views` of implicit networks, of four images.
inline void train_store_sample(const std::filesystem::path& folder, ZooWriter::Existing existing,
                               std::int64_t views = 0) {
  const std::int64_t all = views > 0 ? 4 * views : store_networks;
  const ZooDescription description = store_description(small_space(), all, 5, views);
  const RandomKey key(description.seed, "training");
  ZooWriter writer(folder, description, existing);
  if (writer.complete()) return;
  if (views > 0) writer.save_images(store_images(4, key.at("images")));
  std::int64_t first = 0, epoch = 0;
  std::vector<Tensor> weights;
  if (const auto state = writer.state()) {
    first = state->tensor("at").data<std::int32_t>()[0];
    epoch = state->tensor("at").data<std::int32_t>()[1];
    for (const SpaceTensor& t : description.space.tensors())
      if (epoch > 0) weights.push_back(state->tensor(t.name).clone());
  }
  while (first < all) {
    const std::int64_t networks = std::min(store_chunk, all - first);
    if (epoch == 0) weights = store_weights(description.space, networks, key.at(static_cast<std::uint64_t>(first)));
    for (const Tensor& t : weights)
      for (float& x : t.span<float>()) x = 0.5f * x + 1;
    ++epoch;
    writer.append(store_results(first, networks, epoch, key, views), weights);
    std::vector<NamedTensor> state;
    for (std::size_t t = 0; t < weights.size(); ++t) state.push_back({description.space.tensors()[t].name, weights[t]});
    if (epoch == store_epochs) {
      first += store_chunk;
      epoch = 0;
      state.clear();
    }
    state.push_back({"at", Tensor::zeros({2}, DType::i32)});
    state.back().tensor.data<std::int32_t>()[0] = static_cast<std::int32_t>(first);
    state.back().tensor.data<std::int32_t>()[1] = static_cast<std::int32_t>(epoch);
    writer.save_state(state);
  }
  writer.finish();
}

}  // namespace weft::testing

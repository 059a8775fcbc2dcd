// Networks of every architecture of files, moved by a random element of their group: it is found. What differs in
// little is not.

#include <algorithm>
#include <string>

#include <doctest/doctest.h>

#include "weft/networks/files/find.h"
#include "weft/symmetry/network.h"
#include "weft/tests/architecture_files.h"
#include "weft/tests/equivalence_networks.h"
#include "weft/tests/tiny_architectures.h"

using namespace weft;
using namespace weft::testing;

namespace {

constexpr std::uint64_t seeds = 5;

FileSpace expanded(const char* name, const char* config) {
  return FileSpace::parse(architecture_text(name).parsed().expanded(Json::parse(config)).text);
}

/// The spaces of all texts, and of what their configs may choose.
std::vector<std::pair<std::string, Space>> spaces() {
  std::vector<std::pair<std::string, Space>> out;
  for (const TinyArchitecture& one : tiny_architectures) out.emplace_back(one.name, testing::expanded(one).space);
  for (const char* activation : {"relu", "tanh"}) {
    const std::string of_mlp =
                          R"({"widths": [3, 5, 4, 2], "layers": 3, "activation": ")" + std::string(activation) + "\"}",
                      of_cnn = R"({"channels": [3, 4, 5], "convolutions": 2, "rows": [3, 3], "columns": [3, 3],
                                   "layers": 2, "widths": [6, 2], "places": 4, "activation": ")" +
                               std::string(activation) + "\"}";
    out.emplace_back("mlp", expanded("mlp", of_mlp.c_str()).space);
    out.emplace_back("cnn", expanded("cnn", of_cnn.c_str()).space);
  }
  out.emplace_back("rnn", expanded("rnn", R"({"num_layers": 2, "bidirectional": false, "headed": true, "outputs": 2,
                                              "hidden_size": 5, "input_size": 3, "nonlinearity": "relu"})")
                              .space);
  out.emplace_back("lora", Space::parse("i: fixed(6); o: fixed(5); r: GL(2) A[r, i] B[o, r*]"));
  return out;
}

/// How far g a is from b by the worst tensor, computed here.
double worst(const Element& g, const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  double out = 0;
  const std::vector<Tensor> image = moved(g, a);
  for (std::size_t t = 0; t < a.size(); ++t) out = worse(out, relative_error(image[t], b[t]));
  return out;
}

/// Gains of ones, other weights of one axis zero, as networks start.
void start(const Space& space, const std::vector<Tensor>& weights) {
  for (std::size_t t = 0; t < weights.size(); ++t) {
    const SpaceTensor& tensor = space.tensors()[t];
    if (tensor.name.find("bias") != std::string::npos)
      weights[t].fill(0);
    else if (tensor.axes.size() <= 1)
      weights[t].fill(tensor.name.ends_with("mean") ? 0 : 1);
  }
}

}  // namespace

TEST_CASE("matching: the element between a network and its image is found, for every architecture") {
  for (const auto& [name, space] : spaces())
    for (std::uint64_t seed = 0; seed < 2 * seeds; ++seed) {
      CAPTURE(name);
      CAPTURE(seed);
      const RandomKey key(seed, "matching");
      const auto a = random_weights(space, key.at("a"));
      if (seed % 2 == 0) start(space, a);
      const auto b = moved(Element::random(space, key.at("g")), a);
      const NetworkElement found = match_networks(space, a, b);
      CHECK(found.residual < 1e-9);
      CHECK(worst(found.element, a, b) < 1e-9);
      CHECK(found.of_tensors.size() == a.size());
    }
}

TEST_CASE("matching: a tensor with noise, two numbers exchanged, or drawn anew is told") {
  for (const auto& [name, space] : spaces())
    for (std::uint64_t n = 0; n <= 3 * seeds; ++n) {
      // The last one of whisper has noise in the bias of values, which another matrix of a head could hide.
      const std::uint64_t seed = n < 3 * seeds ? n : 276;
      CAPTURE(name);
      CAPTURE(seed);
      const RandomKey key(seed, "matching perturbed");
      const auto a = random_weights(space, key.at("a"));
      const auto b = moved(Element::random(space, key.at("g")), a);
      auto t = static_cast<std::size_t>(uniform_index(key, 0, std::ssize(b)));
      while (b[t].numel() < 2) t = (t + 1) % b.size();
      double* x = b[t].data<double>();
      if (seed % 3 == 0)
        for (std::int64_t i = 0; i < b[t].numel(); ++i)
          x[i] += 1e-3 * normal(key.at("noise"), static_cast<std::uint64_t>(i));
      else if (seed % 3 == 1)
        std::swap(x[0], x[1 + uniform_index(key, 1, b[t].numel() - 1)]);
      else
        fill_normal(b[t], key.at("new"));
      const NetworkElement found = match_networks(space, a, b);
      CHECK(found.residual > 1e-5);
      CHECK(worst(found.element, a, b) > 1e-6);
      if (random_input(space, key, 1)) continue;
      const NetworkEquivalence answer = compare_networks(space, a, b, 1e-6);
      CHECK(answer.decision == Decision::different);
      CHECK_FALSE(answer.element);
    }
}

TEST_CASE("matching: networks drawn apart are nowhere near") {
  for (const auto& [name, space] : spaces()) {
    CAPTURE(name);
    const NetworkElement found = match_networks(space, random_weights(space, RandomKey(0, "apart")),
                                                random_weights(space, RandomKey(1, "apart")));
    CHECK(found.residual > 0.1);
  }
}

TEST_CASE("matching: float32 stays near its rounding") {
  for (const auto& [name, space] : spaces()) {
    CAPTURE(name);
    const RandomKey key(0, "matching float32");
    std::vector<Tensor> a, b;
    for (const Tensor& t : random_weights(space, key.at("a"))) a.push_back(t.to(DType::f32));
    for (const Tensor& t : moved(Element::random(space, key.at("g")), a)) b.push_back(t);
    CHECK(match_networks(space, a, b).residual < 1e-4);
  }
}

TEST_CASE("matching: golden networks and what another implementation makes of them") {
  for (const auto& path : golden_networks()) {
    CAPTURE(path.string());
    const Golden golden(path);
    std::vector<StoredTensor> tensors;
    for (const auto& [name, t] : golden.numbers) tensors.push_back({name, t.shape()});
    const FoundArchitecture found = found_architecture({tensors, *golden.json.find("config")});
    const auto a = read_windows(found.files, of(golden.numbers)), b = read_windows(found.files, of(golden.moved));
    const NetworkEquivalence answer = compare_networks(found.files.space, a, b, 1e-8);
    CHECK(answer.decision == Decision::same);
    REQUIRE(answer.element);
    CHECK(answer.element->residual < 1e-9);
    CHECK(worst(answer.element->element, a, b) < 1e-9);
  }
}

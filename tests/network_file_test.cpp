#include "weft/zoo/network_file.h"

#include <limits>

#include <doctest/doctest.h>

#include "weft/core/error.h"
#include "weft/tests/disk.h"
#include "weft/tests/files.h"
#include "weft/tests/store_samples.h"

using namespace weft;
using namespace weft::testing;

namespace {

bool same(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Tensor& x, const Tensor& y) {
    return x.shape() == y.shape() && std::equal(x.span<float>().begin(), x.span<float>().end(), y.data<float>());
  });
}

}  // namespace

TEST_CASE("one network in a file: space, weights and metadata come back") {
  const TemporaryFolder folder;
  const Space spaces[] = {small_space(), transformer_space({4, 5, 2, 3, 2, 2}, true)};
  for (std::uint64_t n = 0; n < 10; ++n) {
    const Space& space = spaces[n % 2];
    const NetworkFile network{
        space, store_weights(space, 1, RandomKey(n, "network_file")), {{"id", std::to_string(n)}}};
    network.save(folder / "n");
    const NetworkFile back = NetworkFile::load(folder / "n", space);
    CHECK(back.space == space);
    CHECK(same(back.weights, network.weights));
    CHECK(back.metadata == network.metadata);
  }
  // As another tool may write it: without a space, and with a taps axis of 1 on some tensors.
  const Space space = small_space();
  const auto weights = store_weights(space, 1, RandomKey(0, "network_file"));
  save_safetensors(folder / "n", std::vector<NamedTensor>{{"b2", weights[3].reshape({2})},
                                                          {"b1", weights[1].reshape({1, 4})},
                                                          {"W2", weights[2].reshape({2, 4})},
                                                          {"W1", weights[0].reshape({6, 4, 3})}});
  CHECK(same(NetworkFile::load(folder / "n", space).weights, weights));
}

TEST_CASE("one network in a file: every rule has its own message, word for word") {
  const TemporaryFolder folder;
  const auto path = folder / "n";
  const std::string at = "[network] '" + path.string() + "': ";
  const Space space = small_space();
  const auto loading = [&](auto&& change) {
    std::vector<NamedTensor> tensors;
    const auto weights = store_weights(space, 1, RandomKey(1, "network_file"));
    for (std::size_t t = 0; t < weights.size(); ++t) tensors.push_back({space.tensors()[t].name, weights[t][0]});
    Metadata metadata{{"weft.space", space.str()}};
    change(tensors, metadata);
    save_safetensors(path, tensors, metadata);
    return message_of<FormatError>([&] { NetworkFile::load(path); });
  };
  CHECK(loading([](auto&, auto&) {}) == "no error");
  CHECK(loading([](auto&, auto& metadata) { metadata.clear(); }) ==
        at + "no 'weft.space' in its metadata; write the text of the network's space there, or give it (--space). Its "
             "tensors are 4: 'W1', 'b1', 'W2', 'b2'");
  const std::string not_a_network = at + "not a network but ";
  CHECK(loading([](auto&, auto& metadata) { metadata["weft.model"] = "magep"; }) ==
        not_a_network + "a model ('magep'): weft eval, predict, edit and verify take it as --model");
  CHECK(loading([](auto& tensors, auto&) { tensors[0].name = "table.id"; }) ==
        not_a_network + "a part of a zoo: --zoo takes its folder, and weft zoo export takes one network out of it");
  CHECK(loading([](auto&, auto& metadata) {
          metadata["weft.space"] = "h: fixed(1)";
        }).starts_with(at + "'weft.space': [space] line 1, column "));
  CHECK(loading([](auto& tensors, auto&) { tensors[2].name = "W3"; }) ==
        at + "no tensor 'W2', which its space has; the file has 4: 'W1', 'b1', 'W3', 'b2'");
  CHECK(loading([](auto& tensors, auto&) {
          tensors.push_back({"W3", tensors[0].tensor});
        }) == at + "tensor 'W3' is not in its space");
  CHECK(loading([](auto& tensors, auto&) { tensors[2].tensor = tensors[2].tensor.to(DType::f64); }) ==
        at + "tensor 'W2' is float64; allowed: float32");
  CHECK(loading([](auto& tensors, auto&) {
          tensors[2].tensor = tensors[2].tensor.reshape({4, 2});
        }) == at + "tensor 'W2' has shape [4, 2]; allowed: [2, 4] or [1, 2, 4]");
  CHECK(loading([](auto& tensors, auto&) {
          tensors[0].tensor = tensors[0].tensor.reshape({4, 3, 6});
        }) == at + "tensor 'W1' has shape [4, 3, 6]; allowed: [6, 4, 3]");

  NetworkFile network{space, store_weights(space, 1, RandomKey(2, "network_file")), {}};
  network.save(path);
  const Space other = Space::parse("h: fixed(1) b[h]");
  CHECK(message_of<FormatError>([&] { NetworkFile::load(path, other); }) ==
        at + "its space is '" + space.str() + "'; allowed: '" + other.str() + "'");

  network.weights[1].data<float>()[0] = std::numeric_limits<float>::quiet_NaN();
  CHECK(message_of<NumericError>([&] { network.save(path); }) == at + "'b1' is not finite");
  std::vector<NamedTensor> bad;
  for (std::size_t t = 0; t < 4; ++t) bad.push_back({space.tensors()[t].name, network.weights[t][0]});
  save_safetensors(path, bad);
  CHECK(message_of<NumericError>([&] { NetworkFile::load(path, space); }) == at + "'b1' is not finite");
  network.weights[1] = network.weights[1].to(DType::f64);
  CHECK(message_of<DtypeError>([&] { network.save(path); }) == "[network] 'b1' is float64; allowed: float32");
  network.weights[1] = Tensor::zeros({2, 1, 4}, DType::f32);
  CHECK(message_of<ShapeError>([&] { network.save(path); }) ==
        "[network] 'b1' has shape [2, 1, 4]; allowed: [1, 1, 4]");
  network.weights.pop_back();
  CHECK(message_of<ShapeError>([&] { network.save(path); }) == "[network] 3 tensors; the space has 4");
}

#include "weft/zoo/network_file.h"

#include <limits>

#include <doctest/doctest.h>

#include "weft/core/error.h"
#include "weft/tests/architecture_files.h"
#include "weft/tests/disk.h"
#include "weft/tests/files.h"
#include "weft/tests/random_space.h"
#include "weft/tests/store_samples.h"
#include "weft/zoo/element_file.h"

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
    const NetworkFile back = NetworkFile::load(folder / "n", {space});
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
  CHECK(same(NetworkFile::load(folder / "n", {space}).weights, weights));
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
  CHECK(loading([](auto&, auto& metadata) {
          metadata.clear();
        }).starts_with(at + "the file fits no architecture, and no text has its names: "));
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
  CHECK(loading([](auto& tensors, auto&) { tensors[2].tensor = tensors[2].tensor.to(DType::f64); }) == "no error");
  CHECK(loading([](auto& tensors, auto&) {
          tensors[2].tensor = Tensor::zeros({2, 4}, DType::i32);
        }) == at + "tensor 'W2' is I32; allowed: F64, F32, F16, BF16 and F8");
  CHECK(loading([](auto& tensors, auto&) {
          tensors[2].tensor = tensors[2].tensor.reshape({4, 2});
        }) == at + "tensor 'W2' has shape [4, 2]; allowed: [2, 4] or [1, 2, 4]");
  CHECK(loading([](auto& tensors, auto&) {
          tensors[0].tensor = tensors[0].tensor.reshape({4, 3, 6});
        }) == at + "tensor 'W1' has shape [4, 3, 6]; allowed: [6, 4, 3]");

  NetworkFile network{space, store_weights(space, 1, RandomKey(2, "network_file")), {}};
  network.save(path);
  const Space other = Space::parse("h: fixed(1) b[h]");
  CHECK(message_of<FormatError>([&] { NetworkFile::load(path, {other}); }) ==
        at + "its space is '" + space.str() + "'; allowed: '" + other.str() + "'");

  network.weights[1].data<float>()[0] = std::numeric_limits<float>::quiet_NaN();
  CHECK(message_of<NumericError>([&] { network.save(path); }) == at + "'b1' is not finite");
  std::vector<NamedTensor> bad;
  for (std::size_t t = 0; t < 4; ++t) bad.push_back({space.tensors()[t].name, network.weights[t][0]});
  save_safetensors(path, bad);
  CHECK(message_of<FormatError>([&] { NetworkFile::load(path, {space}); }) ==
        at + "tensor 'b1' has numbers that are not finite; a network that has diverged cannot be used");
  network.weights[1] = Tensor::zeros({2, 1, 4}, DType::f32);
  CHECK(message_of<ShapeError>([&] { network.save(path); }) ==
        "[network] 'b1' has shape [2, 1, 4]; allowed: [1, 1, 4]");
  network.weights.pop_back();
  CHECK(message_of<ShapeError>([&] { network.save(path); }) == "[network] 3 tensors; the space has 4");
}

TEST_CASE("one network in a file: of any architecture, in the layout and types of its file") {
  const TemporaryFolder folder;
  for (const auto& json : golden_networks()) {
    const std::filesystem::path path = json.string().substr(0, json.string().size() - 5) + ".safetensors";
    CAPTURE(path.string());
    const Golden golden(json);
    NetworkReading reading;
    reading.config = *golden.json.find("config");
    NetworkFile network = NetworkFile::load(path, reading);
    check_layout(network.source->architecture.files, golden.json);
    CHECK(network.weights[0].dtype() == DType::f64);
    network.save(folder / "same");
    const TensorFile before = TensorFile::open(path), same = TensorFile::open(folder / "same");
    REQUIRE(same.tensors().size() == before.tensors().size());
    for (std::size_t i = 0; i < before.tensors().size(); ++i) {
      const std::string& name = before.tensors()[i].name;
      CHECK(same.tensors()[i].name == name);
      CHECK(same.packed(name) == before.packed(name));
    }
    CHECK(same.metadata() == before.metadata());
    // An element in a file, and the moved copy that it makes.
    const Element g = element_of(network.space, *golden.json.find("element"));
    save_element(folder / "g", g);
    network.weights = act(load_element(folder / "g", network.space), network.weights);
    network.save(folder / "moved");
    const TensorFile moved = TensorFile::open(folder / "moved");
    for (const auto& [name, tensor] : golden.moved)
      CHECK_MESSAGE(relative_error(moved.read(name, DType::f64), tensor) < 1e-12, name);
  }
}

TEST_CASE("elements in files: random ones come back, of every kind") {
  const TemporaryFolder folder;
  for (std::uint64_t n = 0; n < 40; ++n) {
    const Space space = random_space(RandomKey(n, "element file"));
    CAPTURE(space.str());
    const Element g = Element::random(space, RandomKey(n, "element"));
    save_element(folder / "g", g);
    const Element back = load_element(folder / "g", space);
    for (int f = 0; f < std::ssize(space.factors()); ++f) {
      CHECK(back.part(f).order == g.part(f).order);
      CHECK(back.part(f).scale == g.part(f).scale);
      CHECK(back.part(f).matrix == g.part(f).matrix);
      CHECK(back.part(f).re == g.part(f).re);
      CHECK(back.part(f).im == g.part(f).im);
      Difference inverse;
      inverse.add(back.part(f).inverse, g.part(f).inverse);
      CHECK((g.part(f).inverse.empty() || inverse.relative() < 1e-10));
    }
  }
}

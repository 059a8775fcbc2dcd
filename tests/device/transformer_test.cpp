// Transformer-NFN's layers on a device against the CPU's schedules and the term lists.

#include "weft/tests/device/layers_on_device.h"
#include "weft/tests/transformer_cases.h"

using namespace weft;
using namespace weft::testing;

namespace {

template <class Made>
void check(const BlockCase& c, const LayerInput& input, RandomKey key) {
  const auto layer = made<Made>(c);
  check_on_device(scheduled(layer, input), listed(layer.list(), c.e, input), layer.list(),
                  layer_data(layer.list(), {c.d, c.e, c.batch}, key), true, key);
}

/// Gradients of the leaves that `wanted` names, by number of the feature, then of the learned tensor; the others
/// undefined. The layer runs `times` times.
template <class Made>
std::vector<Tensor> gradients(const Made& layer, const LayerData& data, const std::vector<bool>& wanted, int times) {
  Arena arena(device().memory());
  Tape tape(arena);
  Vars x, p;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const bool feature = i < data.features.size();
    const Tensor& host = feature ? data.features[i] : data.learned[i - data.features.size()];
    const Type type = feature ? layer.list().in().type(static_cast<int>(i)) : Type::plain(host.rank());
    const Tensor value = host.on(&device());
    (feature ? x : p).push_back(wanted[i] ? tape.leaf(value, type) : tape.constant(value, type));
  }
  Vars outputs;
  std::vector<Tensor> cotangents;
  for (int time = 0; time < times; ++time) {
    const Vars y = scheduled(layer, {UnaryOp::Relu})(x, p);
    for (std::size_t i = 0; i < y.size(); ++i) {
      if (!y[i].requires_grad()) continue;
      outputs.push_back(y[i]);
      cotangents.push_back(normals_of<double>(y[i].shape(), i).on(&device()));
    }
  }
  tape.backward(outputs, cotangents);
  std::vector<Tensor> all;
  for (std::size_t i = 0; i < wanted.size(); ++i)
    all.push_back(wanted[i] ? tape.grad(i < x.size() ? x[i] : p[i - x.size()]).value().on(nullptr) : Tensor());
  return all;
}

template <class Made>
void check_wanted(RandomKey key) {
  const BlockCase c{{4, 6, 2, 2, 3}, 2, 3, 5};
  const auto layer = made<Made>(c);
  const LayerData data = layer_data(layer.list(), {c.d, c.e, c.batch}, key);
  const std::size_t features = data.features.size(), count = features + data.learned.size();
  const std::vector<Tensor> all = gradients(layer, data, std::vector<bool>(count, true), 1);
  const auto check = [&](const std::vector<bool>& wanted) {
    const std::vector<Tensor> some = gradients(layer, data, wanted, 1);
    for (std::size_t i = 0; i < count; ++i)
      if (wanted[i]) CHECK(same_bits(some[i], all[i]));
  };
  std::vector<bool> learned(count, true), inputs(count, false);
  for (std::size_t i = 0; i < features; ++i) learned[i] = false, inputs[i] = true;
  check(learned);
  check(inputs);
  for (std::size_t one = 0; one < count; ++one) {
    CAPTURE(one);
    std::vector<bool> wanted(count, false);
    wanted[one] = true;
    check(wanted);
  }
}

}  // namespace

TEST_CASE("transformer: E and I on the device are the CPU's and their term lists") {
  for (const BlockCase& c : block_cases) {
    CAPTURE(text(c));
    check<TransformerEquivariant>(c, {}, RandomKey(1, "transformer device"));
    check<TransformerInvariant>(c, {}, RandomKey(2, "transformer device"));
  }
}

TEST_CASE("transformer: activations as E and I read the MLP's tensors on the device") {
  for (const BlockCase& c : {block_cases[0], block_cases[1], block_cases[7]}) {
    CAPTURE(text(c));
    for (const UnaryOp op : {UnaryOp::Relu, UnaryOp::Tanh, UnaryOp::Gelu}) {
      check<TransformerEquivariant>(c, {op}, RandomKey(3, "transformer device"));
      check<TransformerInvariant>(c, {op}, RandomKey(4, "transformer device"));
    }
  }
}

TEST_CASE("transformer: the device gives the gradients that are wanted, whichever these are") {
  check_wanted<TransformerEquivariant>(RandomKey(5, "transformer device"));
  check_wanted<TransformerInvariant>(RandomKey(6, "transformer device"));
}

TEST_CASE("transformer: two uses of a layer on the device add up their gradients") {
  const BlockCase c{{4, 6, 2, 2, 3}, 2, 3, 5};
  const auto check = [&](const auto& layer) {
    const LayerData data = layer_data(layer.list(), {c.d, c.e, c.batch}, RandomKey(7, "transformer device"));
    const std::vector<bool> all(data.features.size() + data.learned.size(), true);
    const std::vector<Tensor> once = gradients(layer, data, all, 1), twice = gradients(layer, data, all, 2);
    for (std::size_t i = 0; i < once.size(); ++i)
      for (std::int64_t k = 0; k < once[i].numel(); ++k)
        CHECK(twice[i].data<double>()[k] == 2 * once[i].data<double>()[k]);
  };
  check(made<TransformerEquivariant>(c));
  check(made<TransformerInvariant>(c));
}

TEST_CASE("transformer: an empty batch has zero gradients on the device") {
  const BlockCase c{{4, 6, 2, 2, 3}, 3, 2, 0};
  const auto check = [&](const auto& layer) {
    const RandomKey key(8, "transformer device");
    const LayerData data = layer_data(layer.list(), {c.d, c.e, c.batch}, key).to(DType::f32);
    const LayerResult r = run_layer(scheduled(layer), layer.list(), data, true, key, &device());
    for (const Tensor& g : r.gradients)
      for (float x : g.span<float>()) CHECK(x == 0.f);
  };
  check(made<TransformerEquivariant>(c));
  check(made<TransformerInvariant>(c));
}

TEST_CASE("transformer: a recorded step of E and I is the launched one, at addresses that stay") {
  check_recorded<TransformerEquivariant, TransformerInvariant>(transformer_space({4, 6, 2, 2, 3}, false), 0,
                                                               RandomKey(9, "transformer device"));
}

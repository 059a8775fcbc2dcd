#include "weft/tests/device/module_checks.h"

#include <fmt/format.h>

namespace weft::testing {
namespace {

constexpr std::int64_t batch = 3;

/// By name: outputs, gradients of features and parameters, with the axis of their channels.
struct Number {
  std::string name;
  Tensor values;
  int channels;
};

Tensor normals(const Shape& shape, DType dtype, double deviation, RandomKey key) {
  const Tensor t = Tensor::zeros(shape, DType::f64);
  fill_normal(t, key, 0, deviation);
  return t.to(dtype);
}

/// Every learned number moved a little from its start, which may be 0 or 1 for all of a parameter.
void stir(const Parameters& p, RandomKey key) {
  for (int i = 0; i < p.count(); ++i) {
    const Tensor value = p.value(i).on(nullptr), by = normals(value.shape(), value.dtype(), 0.1, key.at(p.name(i)));
    with_float(value.dtype(), "stir", [&](auto tag) {
      using T = decltype(tag);
      for (std::int64_t k = 0; k < value.numel(); ++k) value.data<T>()[k] += by.data<T>()[k];
    });
    p.value(i).copy_from(value);
  }
}

std::vector<Number> step(const ModuleCase& c, const Run& run, const Parameters& p, Tape& tape, RandomKey key) {
  const DType dtype = p.flat_values().dtype();
  Vars features;
  for (int i = 0; i < static_cast<int>(c.space.tensors().size()); ++i) {
    const SpaceTensor& tensor = c.space.tensors()[static_cast<std::size_t>(i)];
    const Tensor x = normals(c.space.feature_shape(i, batch, c.channels), dtype, 0.5, key.at(tensor.name));
    const Tensor there = x.placed_on(tape.backend());
    features.push_back(c.features_want_gradients ? tape.leaf(there, c.space.type(i), tensor.name)
                                                 : tape.constant(there, c.space.type(i), tensor.name));
  }
  std::vector<Number> all;
  auto keep = [&](std::string name, const Tensor& t, int channels) {
    all.push_back({std::move(name), t.on(nullptr), channels});
  };
  const Vars outputs = run({c.space, features});
  std::vector<Tensor> cotangents;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    keep(fmt::format("output {}", i), outputs[i].value(), outputs[i].shape().rank() > 1 ? 1 : 0);
    cotangents.push_back(normals(outputs[i].shape(), dtype, 1, key.at("cotangent").at(i)).placed_on(tape.backend()));
  }
  tape.backward(outputs, cotangents);
  if (c.features_want_gradients)
    for (const Var& x : features) keep(fmt::format("gradient of {}", x.name()), tape.grad(x).value(), 1);
  for (int i = 0; i < p.count(); ++i)
    if (p.trainable(i)) keep(fmt::format("gradient of {}", p.name(i)), p.grad(i), 0);
  return all;
}

}  // namespace

std::string check_module(const ModuleCase& c, const Made& made, RandomKey key) try {
  for (const DType dtype : {DType::f64, DType::f32}) {
    const Module model_here, model_there;
    Parameters &here = model_here.parameters(), &there = model_there.parameters();
    const Run on_cpu = made(model_here), on_device = made(model_there);
    here.allocate(dtype, key.at("start"));
    there.allocate(dtype, key.at("start"), &device());
    stir(here, key.at("stir"));
    stir(there, key.at("stir"));
    Arena host, memory(device().memory());
    Tape tape_here(host), tape_there(memory);
    const auto expected = step(c, on_cpu, here, tape_here, key), got = step(c, on_device, there, tape_there, key);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const double by = relative_error_of_blocks(got[i].values, expected[i].values, expected[i].channels);
      if (!(by < (dtype == DType::f64 ? 1e-10 : c.float32)))
        return fmt::format("{}: {} differs by {:.3g}", name(dtype), expected[i].name, by);
    }
    tape_there.reset();
    const std::size_t reserved = memory.reserved();
    const auto again = step(c, on_device, there, tape_there, key);
    for (std::size_t i = 0; i < got.size(); ++i)
      if (!same_bits(again[i].values, got[i].values))
        return fmt::format("{}: {} has other bits again", name(dtype), got[i].name);
    if (memory.reserved() != reserved) return "a second step takes memory";
  }
  return {};
} catch (const Error& error) {
  return error.what();
}

}  // namespace weft::testing

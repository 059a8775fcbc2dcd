#include "weft/nfn/probes.h"

#include <fmt/format.h>

#include "weft/ops/view.h"

namespace weft {
namespace {

constexpr const char* who = "probes";

const Probes::Config& checked(const Probes::Config& c, const Probes::Forward& forward) {
  for (const auto& [name, value] : {std::pair{"points", c.points},
                                    {"numbers of a point", c.point.numel()},
                                    {"hidden", c.hidden},
                                    {"outputs", c.outputs},
                                    {"outputs of a point", forward.outputs}})
    if (value < 1) throw UsageError("[{}] {}: {}; allowed: 1 or more", who, name, value);
  if (!forward.run) throw UsageError("[{}] no forward pass; give one, say mlp_forward of the networks", who);
  return c;
}

/// [points, of one…]
Shape all_points(const Probes::Config& c) {
  Shape shape{c.points};
  for (int i = 0; i < c.point.rank(); ++i) shape.push_back(c.point[i]);
  return shape;
}

}  // namespace

Probes::Probes(const Config& config, Forward forward, const Module& as)
    : Module(as),
      config_(checked(config, forward)),
      forward_(std::move(forward)),
      points_(add_parameter("points", all_points(config), config.start)),
      mlp_(*this, "readout", {config.points * forward_.outputs, config.hidden, config.hidden, config.outputs}) {
  facts() = {.text = fmt::format("probes at {} points of {}", config.points, config.point.str()),
             .flops = [of_network = static_cast<double>(config.points) * forward_.flops](std::int64_t batch) {
               return static_cast<double>(batch) * of_network;
             }};
}

Var Probes::operator()(std::span<const Var> weights) const {
  if (weights.empty()) throw ShapeError("[{}] no weights; allowed: those of a batch of networks", who);
  Tape& tape = weights[0].tape();
  const std::int64_t batch = weights[0].shape()[0], M = config_.points, numbers = config_.point.numel();
  // The same points for every network: products of batches want them each.
  const Tensor ones = tape.empty({batch}, weights[0].dtype());
  ones.fill(1);
  Shape shape{batch};
  const Shape points = all_points(config_);
  for (int i = 0; i < points.rank(); ++i) shape.push_back(points[i]);
  const Var each = contract("b,mp->bmp", tape.constant(ones), reshape(on(tape, points_), {M, numbers}));
  const Var y = forward_.run(weights, reshape(each, shape));
  if (y.value().numel() != batch * M * forward_.outputs)
    throw ShapeError("[{}] the forward pass gives {} at {} points of {} networks; allowed: {} outputs each", who,
                     y.shape().str(), M, batch, forward_.outputs);
  return mlp_(reshape(y, {batch, M * forward_.outputs}));
}

}  // namespace weft

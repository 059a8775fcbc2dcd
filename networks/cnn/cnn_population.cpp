#include "weft/networks/cnn/cnn_population.h"

#include <algorithm>

#include "weft/core/isa.h"
#include "weft/networks/cnn/device_cnn.h"
#include "weft/networks/population/dropout_bytes.h"

namespace weft {

WEFT_ISA_TABLE(CnnKernels, cnn_kernels)

namespace {

float* zeros(Arena& arena, std::int64_t n) {
  float* p = arena.allocate_array<float>(static_cast<std::size_t>(n));
  std::fill_n(p, n, 0.f);
  return p;
}

}  // namespace

CnnPopulation::CnnPopulation(CnnArchitecture architecture)
    : architecture_(std::move(architecture)), space_(architecture_.space()) {
  CnnLayers all = cnn_layers(architecture_);
  layers_ = std::move(all.layers);
  group_ = all.group;
}

double CnnPopulation::forward_flops() const {
  double sum = 0;
  for (const CnnLayer& l : layers_) sum += 2. * static_cast<double>(l.positions * l.taps * l.in * l.out);
  return sum;
}

double CnnPopulation::training_flops() const {
  const CnnLayer& first = layers_.front();
  return 3 * forward_flops() - 2. * static_cast<double>(first.positions * first.taps * first.in * first.out);
}

void CnnPopulation::check(const Dataset& data) const {
  const auto& a = architecture_;
  check_items("cnn_population", data, {a.widths[0], a.image_rows, a.image_columns}, a.widths.back());
}

/// Memory of one call, from the arena.
struct CnnPopulation::Scratch {
  struct PerLayer {
    float *w, *bias, *y;          // w: [w_rows, width]
    float *w_back, *gw, *gb, *g;  // training: w_back [taps out, in_width]; g: of y
    std::uint32_t* words;         // of dropout, one byte per value
  };
  const CnnKernels& kernels;
  std::span<PerLayer> layers;
  float *pooled, *pooled_gradient;
};

/// body(x, n, images): the input of a layer for `images` images from number n of the group on. Images are read where
/// they lie, one by one; all other inputs are one piece.
template <class Body>
void CnnPopulation::each_input(const Scratch& s, std::size_t layer, const MiniBatch& batch, std::int64_t first,
                               std::int64_t count, const Body& body) const {
  if (layer + 1 == layers_.size()) return body(s.pooled, 0, count);
  if (layer > 0) return body(s.layers[layer - 1].y, 0, count);
  const float* images = batch.data.images.data<float>();
  for (std::int64_t n = 0; n < count; ++n)
    body(images + batch.items[static_cast<std::size_t>(first + n)] * layers_[0].item, n, 1);
}

CnnPopulation::Scratch CnnPopulation::make_scratch(NetworkWeights weights, bool training, Arena& arena) const {
  Scratch s{.kernels = WEFT_FOR_ISA(cnn_kernels),
            .layers = {arena.allocate_array<Scratch::PerLayer>(layers_.size()), layers_.size()},
            .pooled = zeros(arena, group_ * layers_.back().in_width),
            .pooled_gradient = zeros(arena, group_ * layers_.back().in_width)};
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const CnnLayer& l = layers_[i];
    Scratch::PerLayer& to = s.layers[i];
    const std::int64_t values = group_ * l.positions * l.width;
    to = {};
    to.w = zeros(arena, l.w_rows() * l.width);
    to.bias = zeros(arena, l.width);
    to.y = arena.allocate_array<float>(static_cast<std::size_t>(values));
    const float* w = weights[2 * i];
    std::copy_n(weights[2 * i + 1], l.out, to.bias);
    // Stored as [tap, out, in]; multiplied as [tap, in, out] (the image's planes: [in, tap, out]).
    for (std::int64_t tap = 0; tap < l.taps; ++tap) {
      const float* from = w + tap * l.out * l.in;
      if (l.in_width)
        s.kernels.transpose(from, l.in, l.in, l.out, to.w + tap * l.in_width * l.width, l.width);
      else
        s.kernels.transpose(from, l.in, l.in, l.out, to.w + tap * l.width, l.taps * l.width);
    }
    if (!training) continue;
    to.g = arena.allocate_array<float>(static_cast<std::size_t>(values));
    to.gw = zeros(arena, l.w_rows() * l.width);
    to.gb = zeros(arena, l.width);
    to.words = arena.allocate_array<std::uint32_t>(static_cast<std::size_t>(values / 4));
    if (!l.in_width) continue;
    to.w_back = zeros(arena, l.taps * l.out * l.in_width);
    for (std::int64_t row = 0; row < l.taps * l.out; ++row)
      std::copy_n(w + row * l.in, l.in, to.w_back + row * l.in_width);
  }
  return s;
}

void CnnPopulation::forward(const Scratch& s, const MiniBatch& batch, std::int64_t first, std::int64_t count,
                            const Dropout& dropout) const {
  const DropoutScale drop(dropout.rate);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const CnnLayer& l = layers_[i];
    const Scratch::PerLayer& to = s.layers[i];
    const bool hidden = i + 1 < layers_.size();
    if (!hidden) {  // mean over the image
      const std::int64_t positions = layers_[i - 1].positions, width = l.in_width;
      const float* y = s.layers[i - 1].y;
      using Lanes = SideBySide<float, channel_lanes>;
      for (std::int64_t n = 0; n < count; ++n)
        for (std::int64_t c = 0; c < width; c += channel_lanes) {
          const auto sum = pairwise_sum<Lanes>(positions, [=](std::int64_t p) {
            Lanes at;
            std::copy_n(y + (n * positions + p) * width + c, channel_lanes, at.x);
            return at;
          });
          for (std::int64_t k = 0; k < channel_lanes; ++k)
            s.pooled[n * width + c + k] = sum.x[k] / static_cast<float>(positions);
        }
    }
    each_input(s, i, batch, first, count, [&](const float* x, std::int64_t n, std::int64_t images) {
      s.kernels.product({.rows = images * l.positions,
                         .x = x,
                         .x_offsets = l.x_offsets.data(),
                         .y_offsets = l.y_offsets.data(),
                         .runs = l.runs.data(),
                         .run_count = static_cast<std::int64_t>(l.runs.size()),
                         .length = l.length,
                         .w = to.w,
                         .bias = to.bias,
                         .y = to.y + n * l.positions * l.width,
                         .width = l.width,
                         .relu = hidden && architecture_.activation == UnaryOp::Relu});
    });
    if (!hidden) continue;
    const std::int64_t values = count * l.positions * l.width;
    if (architecture_.activation == UnaryOp::Tanh) s.kernels.tanh(to.y, values);
    if (drop.threshold == 0) continue;
    const RandomKey key = dropout.key.at(static_cast<std::uint64_t>(i));
    s.kernels.random_words(
        {key.seed, key.purpose, static_cast<std::uint64_t>(first * l.positions * l.width / channel_lanes)},
        values / channel_lanes, to.words);
    s.kernels.drop(to.y, bytes_of(to.words), drop.threshold, drop.scale, values);
  }
}

void CnnPopulation::backward(const Scratch& s, const MiniBatch& batch, std::int64_t first, std::int64_t count,
                             const Dropout& dropout) const {
  const DropoutScale drop(dropout.rate);
  for (std::size_t i = layers_.size(); i-- > 0;) {
    const CnnLayer& l = layers_[i];
    const Scratch::PerLayer& at = s.layers[i];
    if (i + 1 < layers_.size()) {  // through dropout and activation
      const std::int64_t values = count * l.positions * l.width;
      if (architecture_.activation == UnaryOp::Relu)
        s.kernels.relu_vjp(at.y, drop.scale, at.g, values);
      else if (drop.threshold == 0)
        s.kernels.tanh_vjp(at.y, at.g, values);
      else
        s.kernels.tanh_drop_vjp(at.y, bytes_of(at.words), drop.threshold, drop.scale, at.g, values);
    }
    each_input(s, i, batch, first, count, [&](const float* x, std::int64_t n, std::int64_t images) {
      s.kernels.gradient({.rows = images * l.positions,
                          .x = x,
                          .x_offsets = l.x_offsets.data(),
                          .runs = l.runs.data(),
                          .run_count = static_cast<std::int64_t>(l.runs.size()),
                          .length = l.length,
                          .gy = at.g + n * l.positions * l.width,
                          .gw = at.gw,
                          .gb = at.gb,
                          .width = l.width});
    });
    if (i == 0) continue;
    const bool dense = i + 1 == layers_.size();
    float* gx = dense ? s.pooled_gradient : s.layers[i - 1].g;
    for (const CnnInputClass& c : l.classes)
      s.kernels.product({.rows = count * c.per_item,
                         .x = at.g,
                         .x_offsets = c.x_offsets.data(),
                         .y_offsets = c.y_offsets.data(),
                         .runs = c.runs.data(),
                         .run_count = static_cast<std::int64_t>(c.runs.size()),
                         .length = l.out,
                         .w = at.w_back,
                         .bias = nullptr,
                         .y = gx,
                         .width = l.in_width,
                         .relu = false});
    if (!dense) continue;
    const std::int64_t positions = layers_[i - 1].positions, width = l.in_width;
    const float scale = 1.f / static_cast<float>(positions);
    for (std::int64_t n = 0; n < count; ++n)
      for (std::int64_t p = 0; p < positions; ++p)
        for (std::int64_t c = 0; c < width; ++c)
          s.layers[i - 1].g[(n * positions + p) * width + c] = scale * gx[n * width + c];
  }
}

void CnnPopulation::write_gradient(const Scratch& s, NetworkGradient gradient) const {
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const CnnLayer& l = layers_[i];
    const float* gw = s.layers[i].gw;
    for (std::int64_t tap = 0; tap < l.taps; ++tap) {
      float* to = gradient[2 * i] + tap * l.out * l.in;
      if (l.in_width)
        s.kernels.transpose(gw + tap * l.in_width * l.width, l.width, l.out, l.in, to, l.in);
      else
        s.kernels.transpose(gw + tap * l.width, l.taps * l.width, l.out, l.in, to, l.in);
    }
    std::copy_n(s.layers[i].gb, l.out, gradient[2 * i + 1]);
  }
}

double CnnPopulation::loss_and_gradient(NetworkWeights weights, const MiniBatch& batch, const Dropout& dropout,
                                        NetworkGradient gradient, Arena& arena) const {
  const Arena::Mark mark = arena.mark();
  const Scratch s = make_scratch(weights, true, arena);
  const CnnLayer& head = layers_.back();
  const Scratch::PerLayer& out = s.layers.back();
  const std::int32_t* labels = batch.data.labels.data<std::int32_t>();
  const auto items = static_cast<std::int64_t>(batch.items.size());
  const float scale = 1.f / static_cast<float>(items);
  double loss = 0;
  const std::int64_t groups = (items + group_ - 1) / group_;
  for (std::int64_t i = 0; i < groups; ++i) {
    const std::int64_t first = items * i / groups, count = items * (i + 1) / groups - first;
    forward(s, batch, first, count, dropout);
    for (std::int64_t n = 0; n < count; ++n) {
      float* z = out.g + n * head.width;
      std::copy_n(out.y + n * head.width, head.width, z);
      const std::int32_t label = labels[batch.items[static_cast<std::size_t>(first + n)]];
      loss += static_cast<double>(s.kernels.cross_entropy(z, head.out, head.width, label, scale));
    }
    backward(s, batch, first, count, dropout);
  }
  write_gradient(s, gradient);
  arena.rewind(mark);
  return loss / static_cast<double>(items);
}

Score CnnPopulation::evaluate(NetworkWeights weights, const MiniBatch& batch, Arena& arena) const {
  const Arena::Mark mark = arena.mark();
  const Scratch s = make_scratch(weights, false, arena);
  const CnnLayer& head = layers_.back();
  const std::int32_t* labels = batch.data.labels.data<std::int32_t>();
  const auto items = static_cast<std::int64_t>(batch.items.size());
  double loss = 0;
  std::int64_t hits = 0;
  const std::int64_t groups = (items + group_ - 1) / group_;
  for (std::int64_t i = 0; i < groups; ++i) {
    const std::int64_t first = items * i / groups, count = items * (i + 1) / groups - first;
    forward(s, batch, first, count, {});
    for (std::int64_t n = 0; n < count; ++n) {
      float* z = s.layers.back().y + n * head.width;
      const std::int32_t label = labels[batch.items[static_cast<std::size_t>(first + n)]];
      hits += std::max_element(z, z + head.out) - z == label;
      loss += static_cast<double>(s.kernels.cross_entropy(z, head.out, head.width, label, 1.f));
    }
  }
  arena.rewind(mark);
  return {loss / static_cast<double>(items), static_cast<double>(hits) / static_cast<double>(items)};
}

std::unique_ptr<DeviceNetworks> CnnPopulation::on_device(Backend&, std::int64_t batch) const {
  return std::make_unique<DeviceCnn>(*this, batch);
}

}  // namespace weft

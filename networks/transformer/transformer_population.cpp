#include "weft/networks/transformer/transformer_population.h"

#include <algorithm>

#include "weft/core/isa.h"
#include "weft/networks/transformer/device_transformer.h"
#include "weft/networks/transformer/transformer_scratch.h"

namespace weft {

WEFT_ISA_TABLE(CnnKernels, cnn_kernels)
WEFT_ISA_TABLE(TransformerKernels, transformer_kernels)
WEFT_ISA_TABLE(ProductKernels, product_kernels)

namespace {

float* zeros(Arena& arena, std::int64_t n) {
  float* p = arena.allocate_array<float>(static_cast<std::size_t>(n));
  std::fill_n(p, n, 0.f);
  return p;
}

/// f(number of the tensor, number of the map, the part's scale) for every number of a part.
template <class F>
void each_number(const MapPart& p, std::int64_t width, const F& f) {
  for (std::int64_t r = 0; r < p.rows; ++r)
    for (std::int64_t c = 0; c < p.columns; ++c)
      f(p.offset + r * p.row_stride + c * p.column_stride, (p.row + r) * width + p.column + c, p.scale);
}

}  // namespace

TransformerPopulation::TransformerPopulation(TransformerArchitecture architecture)
    : architecture_(architecture), space_(architecture.space()), maps_(architecture) {
  const std::int64_t D = architecture_.shape.D, width = padded_channels(D);
  positions_.resize(static_cast<std::size_t>(architecture_.tokens() * width));
  const Tensor positions = architecture_.positions();
  for (std::int64_t t = 0; t < architecture_.tokens(); ++t)
    std::copy_n(positions.data<float>() + t * D, D, positions_.data() + t * width);
}

double TransformerPopulation::forward_flops() const {
  const auto& [D, D_A, h, Dk, Dv, blocks] = architecture_.shape;
  const std::int64_t T = architecture_.tokens();
  const std::int64_t block = T * (D * h * (2 * Dk + Dv) + h * Dv * D + 2 * D * D_A) + T * T * h * (Dk + Dv);
  const std::int64_t ends =
      T * architecture_.patch_values() * D + D * architecture_.hidden + architecture_.hidden * architecture_.classes;
  return 2. * static_cast<double>(blocks * block + ends);
}

double TransformerPopulation::training_flops() const {
  const auto first = static_cast<double>(architecture_.tokens() * architecture_.patch_values() * architecture_.shape.D);
  return 3 * forward_flops() - 2 * first;
}

void TransformerPopulation::check(const Dataset& data) const {
  check_items("transformer_population", data, architecture_.item(), architecture_.classes);
}

std::int64_t TransformerPopulation::tokens_of(const MiniBatch& batch) const {
  if (architecture_.patch > 0 || architecture_.pad_batch == 0) return architecture_.tokens();
  const std::int32_t* tokens = batch.data.tokens.data<std::int32_t>();
  std::int64_t longest = 1;
  for (std::int32_t item : batch.items) {
    const std::int32_t* text = tokens + item * architecture_.length;
    longest = std::max(longest, std::find(text, text + architecture_.length, Dataset::padding) - text);
  }
  return longest;
}

TransformerPopulation::Scratch TransformerPopulation::make_scratch(NetworkWeights weights, const MiniBatch& batch,
                                                                   bool training, Arena& arena) const {
  const std::int64_t T = tokens_of(batch), Tp = padded_channels(T), h = architecture_.shape.h;
  const std::vector<LinearMap>& maps = maps_.maps;
  auto map = [&](int i) -> const LinearMap& { return maps[static_cast<std::size_t>(i)]; };
  const TransformerMaps::Block& block = maps_.blocks.front();
  const std::int64_t D = map(block.a).in, qkv = map(block.qkv).out, heads = map(block.o).in, hidden = map(block.a).out;
  const std::int64_t of_block = T * (2 * D + qkv + heads + hidden + h * Tp);
  const std::int64_t values = static_cast<std::int64_t>(maps_.blocks.size()) * of_block + T * (6 * D + hidden + qkv);
  const std::int64_t group = std::max<std::int64_t>(1, 512 * 1024 / (4 * values)), rows = group * T;

  Scratch s{.kernels = WEFT_FOR_ISA(transformer_kernels),
            .products = WEFT_FOR_ISA(product_kernels),
            .common = WEFT_FOR_ISA(cnn_kernels),
            .tokens = T,
            .queries = Tp,
            .group = group,
            .maps = {arena.allocate_array<Scratch::Map>(maps.size()), maps.size()},
            .blocks = {arena.allocate_array<Scratch::Block>(maps_.blocks.size()), maps_.blocks.size()},
            .words = {arena.allocate_array<std::uint32_t*>(1 + 2 * maps_.blocks.size()), 1 + 2 * maps_.blocks.size()},
            .patches = maps_.embedding < 0 ? nullptr : zeros(arena, rows * map(maps_.embedding).in),
            .x = zeros(arena, rows * D),
            .attended = zeros(arena, rows * D),
            .last = zeros(arena, rows * D),
            .last_scales = zeros(arena, rows),
            .pooled = zeros(arena, group * D),
            .dense = zeros(arena, group * map(maps_.first).out),
            .logits = zeros(arena, group * map(maps_.second).out),
            .turned = zeros(arena, std::max(qkv, heads) * Tp),
            .gx = nullptr,
            .branch = nullptr,
            .narrow = nullptr,
            .ghidden = nullptr,
            .gqkv = nullptr,
            .gheads = nullptr,
            .gscores = nullptr,
            .gpooled = nullptr,
            .gdense = nullptr};
  for (std::size_t i = 0; i < maps.size(); ++i) {
    const LinearMap& from = maps[i];
    Scratch::Map& to = s.maps[i] = {};
    to.w = zeros(arena, from.in * from.out);
    for (const MapPart& p : from.parts) {
      const float* tensor = weights[static_cast<std::size_t>(p.tensor)];
      each_number(p, from.out, [=](std::int64_t n, std::int64_t m, float scale) { to.w[m] = scale * tensor[n]; });
    }
    if (from.bias >= 0) {
      to.bias = zeros(arena, from.out);
      std::copy_n(weights[static_cast<std::size_t>(from.bias)], from.parts[0].columns, to.bias);
    }
    if (!training) continue;
    to.back = zeros(arena, from.in * from.out);
    for (std::int64_t r = 0; r < from.in; ++r)
      for (std::int64_t c = 0; c < from.out; ++c) to.back[c * from.in + r] = to.w[r * from.out + c];
    to.gw = zeros(arena, from.in * from.out);
    to.gb = zeros(arena, from.out);
  }
  for (Scratch::Block& b : s.blocks)
    b = {.x = zeros(arena, rows * D),
         .x_scales = zeros(arena, rows),
         .qkv = zeros(arena, rows * qkv),
         .scores = zeros(arena, group * h * T * Tp),
         .heads = zeros(arena, rows * heads),
         .y = zeros(arena, rows * D),
         .y_scales = zeros(arena, rows),
         .hidden = zeros(arena, rows * hidden)};
  if (!training) return s;
  for (std::uint32_t*& words : s.words)
    words = arena.allocate_array<std::uint32_t>(static_cast<std::size_t>(rows * D / 4));
  s.gx = zeros(arena, rows * D);
  s.branch = zeros(arena, rows * D);
  s.narrow = zeros(arena, rows * D);
  s.ghidden = zeros(arena, rows * hidden);
  s.gqkv = zeros(arena, rows * qkv);
  s.gheads = zeros(arena, rows * heads);
  s.gscores = zeros(arena, T * Tp);
  s.gpooled = zeros(arena, group * D);
  s.gdense = zeros(arena, group * map(maps_.first).out);
  return s;
}

void TransformerPopulation::write_gradient(const Scratch& s, NetworkGradient gradient) const {
  for (std::size_t i = 0; i < maps_.maps.size(); ++i) {
    const LinearMap& map = maps_.maps[i];
    const Scratch::Map& from = s.maps[i];
    for (const MapPart& p : map.parts) {
      float* tensor = gradient[static_cast<std::size_t>(p.tensor)];
      each_number(p, map.out, [=](std::int64_t n, std::int64_t m, float scale) { tensor[n] = scale * from.gw[m]; });
    }
    if (map.bias >= 0) std::copy_n(from.gb, map.parts[0].columns, gradient[static_cast<std::size_t>(map.bias)]);
  }
}

double TransformerPopulation::loss_and_gradient(NetworkWeights weights, const MiniBatch& batch, const Dropout& dropout,
                                                NetworkGradient gradient, Arena& arena) const {
  const Arena::Mark mark = arena.mark();
  const Scratch s = make_scratch(weights, batch, true, arena);
  const std::int32_t* labels = batch.data.labels.data<std::int32_t>();
  const auto items = static_cast<std::int64_t>(batch.items.size());
  const float scale = 1.f / static_cast<float>(items);
  const std::int64_t width = maps_.maps.back().out, groups = (items + s.group - 1) / s.group;
  double loss = 0;
  for (std::int64_t i = 0; i < groups; ++i) {
    const std::int64_t first = items * i / groups, count = items * (i + 1) / groups - first;
    const Step step{s, batch, dropout, first, count, true};
    forward(step);
    for (std::int64_t n = 0; n < count; ++n)
      loss +=
          static_cast<double>(s.common.cross_entropy(s.logits + n * width, architecture_.classes, width,
                                                     labels[batch.items[static_cast<std::size_t>(first + n)]], scale));
    backward(step);
  }
  write_gradient(s, gradient);
  arena.rewind(mark);
  return loss / static_cast<double>(items);
}

Score TransformerPopulation::evaluate(NetworkWeights weights, const MiniBatch& all, Arena& arena) const {
  const std::int32_t* labels = all.data.labels.data<std::int32_t>();
  const auto items = static_cast<std::int64_t>(all.items.size()), width = maps_.maps.back().out;
  // Texts that are padded to the longest of a mini-batch are so here too.
  const std::int64_t at_once = architecture_.pad_batch > 0 ? architecture_.pad_batch : items;
  double loss = 0;
  std::int64_t hits = 0;
  for (std::int64_t begin = 0; begin < items; begin += at_once) {
    const std::int64_t size = std::min(at_once, items - begin);
    const MiniBatch batch{all.data, all.items.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(size))};
    const Arena::Mark mark = arena.mark();
    const Scratch s = make_scratch(weights, batch, false, arena);
    const std::int64_t groups = (size + s.group - 1) / s.group;
    for (std::int64_t i = 0; i < groups; ++i) {
      const std::int64_t first = size * i / groups, count = size * (i + 1) / groups - first;
      forward({s, batch, {}, first, count, false});
      for (std::int64_t n = 0; n < count; ++n) {
        float* z = s.logits + n * width;
        const std::int32_t label = labels[batch.items[static_cast<std::size_t>(first + n)]];
        hits += std::max_element(z, z + architecture_.classes) - z == label;
        loss += static_cast<double>(s.common.cross_entropy(z, architecture_.classes, width, label, 1.f));
      }
    }
    arena.rewind(mark);
  }
  return {loss / static_cast<double>(items), static_cast<double>(hits) / static_cast<double>(items)};
}

std::unique_ptr<DeviceNetworks> TransformerPopulation::on_device(Backend& backend, std::int64_t batch) const {
  return std::make_unique<DeviceTransformer>(backend, *this, batch);
}

}  // namespace weft

#include "weft/networks/population/device_networks.h"

#include <algorithm>

#include "weft/ops/product.h"

namespace weft {
namespace {

std::int64_t rounded(std::int64_t numbers) { return (numbers + 3) / 4 * 4; }

}  // namespace

DeviceLayout::DeviceLayout(const Space& space) : place(static_cast<std::size_t>(space.parameters())) {
  std::int64_t at = 0;
  for (int t = 0; t < static_cast<int>(space.tensors().size()); ++t) {
    tensors.push_back(at);
    at += space.feature_shape(t, 1, 1).numel();
  }
}

DeviceMap DeviceLayout::add(std::int64_t in, std::int64_t out, bool bias) {
  const DeviceMap map{numbers, in, out, bias};
  numbers = rounded(numbers + map.rows() * out);
  decays.resize(static_cast<std::size_t>(numbers));
  std::fill_n(decays.begin() + map.offset, in * out, std::uint8_t{1});
  return map;
}

void DeviceNetworks::add_buffer(float** piece, std::int64_t numbers) {
  buffers_.push_back({piece, rounded(numbers)});
  numbers_ += buffers_.back().numbers;
}

void DeviceNetworks::place(float* memory, std::int64_t networks) {
  for (const Buffer& piece : buffers_) {
    *piece.at = memory;
    memory += networks * piece.numbers;
  }
}

void DeviceNetworks::add_dropout(std::int64_t batch, std::vector<std::array<std::int64_t, 2>> sites) {
  for (const auto& [rows, chunks] : sites) {
    sites_.push_back({blocks_, rows, chunks});
    blocks_ += batch * rows * chunks;
  }
  add_buffer(&bytes_, 4 * blocks_);
}

void DeviceNetworks::draw_dropout(const DevicePass& pass, bool lengths) const {
  const int sites = static_cast<int>(sites_.size());
  for (int first = 0; first < sites; first += DrawDropout::most) {
    const int count = std::min(DrawDropout::most, sites - first);
    const auto begin = sites_.begin() + first;
    DrawDropout body{.batches = pass.batches,
                     .thresholds = pass.thresholds,
                     .bytes = reinterpret_cast<std::uint8_t*>(bytes_),
                     .stride = 16 * blocks_,
                     .first_block = begin->first,
                     .blocks = (first + count < sites ? begin[count].first : blocks_) - begin->first,
                     .first_site = first,
                     .count = count,
                     .lengths = lengths,
                     .sites = {}};
    std::copy_n(begin, count, body.sites);
    loop(pass.backend(), pass.batches.networks * body.blocks, 1024, body);
  }
}

void DeviceNetworks::score(const DevicePass& pass, float* losses, std::int32_t* hits) const {
  loop(pass.backend(), pass.batches.networks * pass.batches.batch, 256,
       CrossEntropyRows{pass.batches, outputs_, output_width, classes, pass.data.labels, losses, hits});
}

DropSite DeviceNetworks::site(const DevicePass& pass, std::size_t number) const {
  return {reinterpret_cast<const std::uint8_t*>(bytes_) + 16 * sites_[number].first, pass.thresholds, 16 * blocks_};
}

void DeviceNetworks::apply(const DevicePass& pass, const DeviceMap& map, std::int64_t rows, const float* x,
                           std::int64_t x_stride, float* y, std::int64_t y_stride, bool relu) const {
  ProductEpilogue<float> epilogue;
  if (relu) epilogue.activation = UnaryOp::Relu;
  product<float>(pass.arena, {pass.batches.networks, rows, map.out, map.rows()}, {x, rows * x_stride, x_stride, 1},
                 {pass.values + map.offset, layout_.numbers, map.out, 1}, 0.f, y, rows * y_stride, y_stride, epilogue);
}

void DeviceNetworks::back(const DevicePass& pass, const DeviceMap& map, std::int64_t rows, const float* x,
                          std::int64_t x_stride, const float* g, float* gx, std::int64_t gx_stride) const {
  const std::int64_t part = rows / pass.parts;
  product<float>(pass.arena, {pass.batches.networks * pass.parts, map.rows(), map.out, part},
                 {x, part * x_stride, 1, x_stride}, {g, part * map.out, map.out, 1}, 0.f, pass.partial + map.offset,
                 layout_.numbers, map.out);
  if (!gx) return;
  product<float>(pass.arena, {pass.batches.networks, rows, map.in, map.out}, {g, rows * map.out, map.out, 1},
                 {pass.values + map.offset, layout_.numbers, 1, map.out}, 0.f, gx, rows * gx_stride, gx_stride);
}

}  // namespace weft

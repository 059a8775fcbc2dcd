#include "weft/networks/cnn/device_cnn.h"

namespace weft {

DeviceCnn::DeviceCnn(const CnnPopulation& model, std::int64_t batch)
    : DeviceNetworks(model.space()),
      batch_(batch),
      channels_(model.architecture().widths.front()),
      is_tanh_(model.architecture().activation == UnaryOp::Tanh) {
  const CnnLayers all = cnn_layers(model.architecture());
  std::vector<std::array<std::int64_t, 2>> sites;
  for (std::size_t i = 0; i < all.layers.size(); ++i) {
    const CnnLayer& l = all.layers[i];
    const bool hidden = i + 1 < all.layers.size();
    const DeviceMap map = layout_.add(l.w_rows(), l.width, true);
    // Stored as [tap, out, in]; multiplied as [tap, in, out] (the image's planes: [in, tap, out]).
    std::int32_t* place = layout_.place.data() + layout_.tensors[2 * i];
    for (std::int64_t tap = 0; tap < l.taps; ++tap)
      for (std::int64_t out = 0; out < l.out; ++out)
        for (std::int64_t in = 0; in < l.in; ++in)
          *place++ = static_cast<std::int32_t>(
              map.offset + (l.in_width ? tap * l.in_width + in : in * l.taps + tap) * l.width + out);
    place = layout_.place.data() + layout_.tensors[2 * i + 1];
    for (std::int64_t out = 0; out < l.out; ++out)
      place[out] = static_cast<std::int32_t>(map.offset + map.in * l.width + out);
    if (!hidden) {
      head_ = map;
      classes = l.out;
      output_width = l.width;
      continue;
    }
    layers_.push_back({.map = map, .grid = l.grid, .stride = (map.rows() + 3) / 4 * 4});
    sites.push_back({l.positions, l.width / channel_lanes});
  }
  for (Layer& l : layers_) {
    add_buffer(&l.columns, batch * l.positions() * l.stride);
    add_buffer(&l.y, batch * l.positions() * l.map.out);
  }
  add_buffer(&mean_, batch * (head_.in + 4));
  add_buffer(&mean_gradient_, batch * head_.in);
  add_buffer(&outputs_, batch * output_width);
  add_dropout(batch, sites);
}

void DeviceCnn::streams(RandomKey of_step, std::vector<RandomKey>& to) const {
  for (std::size_t i = 0; i < layers_.size(); ++i) to.push_back(of_step.at(static_cast<std::uint64_t>(i)));
}

void DeviceCnn::forward(const DevicePass& pass) const {
  const std::int64_t items = pass.batches.networks * batch_;
  if (pass.training()) draw_dropout(pass, false);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const Layer& l = layers_[i];
    const std::int64_t rows = batch_ * l.positions(), chunks = items * l.positions() * l.stride / 4;
    if (i == 0)
      loop(pass.backend(), chunks, 1024,
           GatherImages{pass.batches, l.grid, channels_, l.stride, pass.data.images, l.columns});
    else
      loop(pass.backend(), chunks, 1024, GatherColumns{l.grid, layers_[i - 1].map.out, layers_[i - 1].y, l.columns});
    apply(pass, l.map, rows, l.columns, l.stride, l.y, l.map.out);
    if (i + 1 < layers_.size())
      loop(pass.backend(), items * l.positions() * l.map.out / 4, 1024,
           ActivateRows{activation(pass, i), rows * l.map.out, l.y});
    else
      loop(pass.backend(), items * (l.map.out / 4 + 1), 256,
           ActivateMean{activation(pass, i), batch_, l.positions(), l.map.out, l.y, mean_});
  }
  apply(pass, head_, batch_, mean_, head_.in + 4, outputs_, output_width);
}

void DeviceCnn::backward(const DevicePass& pass) const {
  const std::int64_t items = pass.batches.networks * batch_;
  back(pass, head_, batch_, mean_, head_.in + 4, outputs_, mean_gradient_, head_.in);
  for (std::size_t i = layers_.size(); i-- > 0;) {
    const Layer& l = layers_[i];
    const std::int64_t rows = batch_ * l.positions(), chunks = items * l.positions() * l.map.out / 4;
    if (i + 1 == layers_.size())
      loop(pass.backend(), chunks, 1024,
           SpreadMean{activation(pass, i), batch_, l.positions(), l.map.out, mean_gradient_, l.y});
    else
      loop(pass.backend(), chunks, 1024,
           FoldColumns{activation(pass, i), layers_[i + 1].grid, batch_, l.map.out, layers_[i + 1].columns, l.y});
    back(pass, l.map, rows, l.columns, l.stride, l.y, i > 0 ? l.columns : nullptr, l.stride);
  }
}

}  // namespace weft

#include "weft/networks/transformer/device_transformer.h"

#include <algorithm>
#include <cmath>

#include "weft/core/error.h"

namespace weft {

DeviceTransformer::DeviceTransformer(Backend& backend, const TransformerPopulation& model, std::int64_t batch)
    : DeviceNetworks(model.space()),
      model_(model),
      batch_(batch),
      tokens_(model.architecture().tokens()),
      rows_(batch * tokens_),
      width_(padded_channels(model.architecture().shape.D)) {
  const TransformerArchitecture& a = model.architecture();
  if (lengths() && a.pad_batch != batch)
    throw UsageError(
        "[transformer_population] texts padded to the longest of {} on a device; allowed: of {}, the "
        "mini-batch, or of 0, all to one length",
        a.pad_batch, batch);
  const TransformerMaps maps(a);
  const auto add = [&](int i) { return add_map(maps.maps[static_cast<std::size_t>(i)]); };
  if (maps.embedding >= 0) embedding_ = add(maps.embedding);
  for (const TransformerMaps::Block& b : maps.blocks)
    blocks_.push_back({.qkv = add(b.qkv), .o = add(b.o), .a = add(b.a), .b = add(b.b), .x = {}, .y = {}});
  first_ = add(maps.first);
  second_ = add(maps.second);
  classes = a.classes;
  output_width = second_.out;

  const auto add_norm = [&](Norm& n) {
    add_buffer(&n.y, rows_ * (width_ + 4));
    add_buffer(&n.scales, rows_);
  };
  for (Block& b : blocks_) {
    add_norm(b.x);
    add_buffer(&b.projected, rows_ * b.qkv.out);
    add_buffer(&b.heads, rows_ * b.o.in);
    add_buffer(&b.stats, rows_ * a.shape.h * 4);
    add_norm(b.y);
    add_buffer(&b.hidden, rows_ * (b.a.out + 4));
  }
  add_norm(last_);
  if (a.patch > 0) add_buffer(&patches_, rows_ * (embedding_.in + 4));
  if (a.residual) add_buffer(&stream_, rows_ * width_);
  for (float** piece : {&raw_, &narrow_}) add_buffer(piece, rows_ * width_);
  add_buffer(&hidden_gradient_, rows_ * blocks_.front().a.out);
  add_buffer(&projected_gradient_, rows_ * blocks_.front().qkv.out);
  add_buffer(&heads_gradient_, rows_ * blocks_.front().o.in);
  add_buffer(&mean_, batch * (width_ + 4));
  add_buffer(&mean_gradient_, batch * width_);
  add_buffer(&dense_, batch * (first_.out + 4));
  add_buffer(&dense_gradient_, batch * first_.out);
  add_buffer(&outputs_, batch * output_width);
  add_buffer(reinterpret_cast<float**>(&corners_), batch * 2);
  add_dropout(batch, std::vector<std::array<std::int64_t, 2>>(1 + 2 * blocks_.size(), {tokens_, width_ / 16}));

  positions_ = Tensor::from(std::span<const float>(model.positions()), {tokens_, width_}).on(&backend);
}

DeviceMap DeviceTransformer::add_map(const LinearMap& from) {
  const DeviceMap map = layout_.add(from.in, from.out, from.bias >= 0);
  const auto place = [&](int tensor) {
    return layout_.place.data() + layout_.tensors[static_cast<std::size_t>(tensor)];
  };
  // The scale of a part is attention's here: HeadRows::scale.
  for (const MapPart& p : from.parts)
    for (std::int64_t r = 0; r < p.rows; ++r)
      for (std::int64_t c = 0; c < p.columns; ++c)
        place(p.tensor)[p.offset + r * p.row_stride + c * p.column_stride] =
            static_cast<std::int32_t>(map.offset + (p.row + r) * map.out + p.column + c);
  for (std::int64_t c = 0; from.bias >= 0 && c < from.parts[0].columns; ++c)
    place(from.bias)[c] = static_cast<std::int32_t>(map.offset + map.in * map.out + c);
  return map;
}

void DeviceTransformer::streams(RandomKey of_step, std::vector<RandomKey>& to) const {
  for (std::size_t site = 0; site < 1 + 2 * blocks_.size(); ++site)
    to.push_back(of_step.at(static_cast<std::uint64_t>(site)));
  to.push_back(of_step.at("crop"));
}

TokenRows DeviceTransformer::token_rows(const DevicePass& pass) const {
  return {pass.batches, tokens_, model_.architecture().shape.D, width_};
}

HeadRows DeviceTransformer::head_rows(const DevicePass& pass, const Block& block) const {
  const TransformerShape& s = model_.architecture().shape;
  return {token_rows(pass),
          s.h,
          padded_channels(s.Dk),
          padded_channels(s.Dv),
          1.f / std::sqrt(static_cast<float>(s.Dk)),
          block.projected,
          block.heads,
          block.stats};
}

void DeviceTransformer::prepare(const DevicePass& pass) const {
  const std::int64_t networks = pass.batches.networks;
  for (const Block& b : blocks_) loop(pass.backend(), networks * rows_, 1024, OnesBehind{b.a.out, b.hidden});
  loop(pass.backend(), networks * batch_, 1024, OnesBehind{first_.out, dense_});
}

void DeviceTransformer::embed(const DevicePass& pass) const {
  const TransformerArchitecture& a = model_.architecture();
  const std::int64_t items = pass.batches.networks * batch_;
  if (a.patch == 0) {
    loop(pass.backend(), items * tokens_ * (width_ / 4), 1024,
         GatherWords{token_rows(pass), pass.data.tokens, pass.data.words, raw_});
    return;
  }
  const bool crops = pass.training() && a.crop > 0;
  if (crops)
    loop(pass.backend(), items, 256,
         DrawCrops{pass.batches, a.crop, static_cast<std::int64_t>(1 + 2 * blocks_.size()), corners_});
  loop(pass.backend(), items * tokens_ * (embedding_.in / 4 + 1), 1024,
       GatherPatches{pass.batches, a.channels, a.image_rows, a.image_columns, a.patch, embedding_.in,
                     crops ? corners_ : nullptr, pass.data.images, patches_});
  apply(pass, embedding_, rows_, patches_, embedding_.in + 4, raw_, width_);
}

void DeviceTransformer::norm(const DevicePass& pass, std::size_t number, const Norm& to) const {
  const bool first = number == 0;
  team_loop(pass.backend(), pass.arena, pass.batches.networks * rows_, 64,
            NormRowsOf{token_rows(pass), raw_, first ? positions_.address<float>() : nullptr, first ? nullptr : stream_,
                       site(pass, number), stream_, to.y, to.scales});
}

void DeviceTransformer::norm_back(const DevicePass& pass, std::size_t number, const Norm& at, const float* gy,
                                  bool of_mean) const {
  // Forward is done with the stream: its memory takes the stream's gradient.
  team_loop(pass.backend(), pass.arena, pass.batches.networks * rows_, 64,
            NormVjpRows{token_rows(pass), at.y, at.scales, gy, of_mean, stream_ && !of_mean, site(pass, number),
                        stream_, raw_});
}

void DeviceTransformer::forward(const DevicePass& pass) const {
  const std::int64_t items = pass.batches.networks * batch_;
  const std::int64_t queries = items * tokens_ * model_.architecture().shape.h;
  if (pass.training()) draw_dropout(pass, lengths());
  embed(pass);
  norm(pass, 0, blocks_.front().x);
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const Block& b = blocks_[i];
    const HeadRows heads = head_rows(pass, b);
    apply(pass, b.qkv, rows_, b.x.y, width_ + 4, b.projected, b.qkv.out);
    loop(pass.backend(), queries * (heads.values / HeadRows::chunk), 64, AttendQueries{heads});
    apply(pass, b.o, rows_, b.heads, b.o.in, raw_, width_);
    norm(pass, 1 + 2 * i, b.y);
    apply(pass, b.a, rows_, b.y.y, width_ + 4, b.hidden, b.a.out + 4, true);
    apply(pass, b.b, rows_, b.hidden, b.a.out + 4, raw_, width_);
    norm(pass, 2 + 2 * i, i + 1 < blocks_.size() ? blocks_[i + 1].x : last_);
  }
  loop(pass.backend(), items * (width_ / 4 + 1), 256, MeanTokens{token_rows(pass), last_.y, mean_});
  apply(pass, first_, batch_, mean_, width_ + 4, dense_, first_.out + 4, true);
  apply(pass, second_, batch_, dense_, first_.out + 4, outputs_, output_width);
}

void DeviceTransformer::backward(const DevicePass& pass) const {
  const std::int64_t items = pass.batches.networks * batch_;
  const std::int64_t queries = items * tokens_ * model_.architecture().shape.h;
  const auto relu_back = [&](std::int64_t rows, std::int64_t width, const float* y, float* g) {
    loop(pass.backend(), rows * (width / 4), 1024, ReluVjpRows{width, y, g});
  };
  back(pass, second_, batch_, dense_, first_.out + 4, outputs_, dense_gradient_, first_.out);
  relu_back(items, first_.out, dense_, dense_gradient_);
  back(pass, first_, batch_, mean_, width_ + 4, dense_gradient_, mean_gradient_, width_);
  norm_back(pass, 2 * blocks_.size(), last_, mean_gradient_, true);
  for (std::size_t i = blocks_.size(); i-- > 0;) {
    const Block& b = blocks_[i];
    const HeadRows heads = head_rows(pass, b);
    back(pass, b.b, rows_, b.hidden, b.a.out + 4, raw_, hidden_gradient_, b.a.out);
    relu_back(items * tokens_, b.a.out, b.hidden, hidden_gradient_);
    back(pass, b.a, rows_, b.y.y, width_ + 4, hidden_gradient_, narrow_, width_);
    norm_back(pass, 1 + 2 * i, b.y, narrow_, false);
    back(pass, b.o, rows_, b.heads, b.o.in, raw_, heads_gradient_, b.o.in);
    loop(pass.backend(), queries * (heads.keys / HeadRows::chunk), 64,
         AttendQueriesVjp{heads, heads_gradient_, projected_gradient_});
    loop(pass.backend(), queries * (std::max(heads.keys, heads.values) / HeadRows::chunk), 64,
         AttendKeysVjp{heads, heads_gradient_, projected_gradient_});
    const bool embedded = i == 0 && model_.architecture().patch == 0;  // words are not trained
    back(pass, b.qkv, rows_, b.x.y, width_ + 4, projected_gradient_, embedded ? nullptr : narrow_, width_);
    if (!embedded) norm_back(pass, 2 * i, b.x, narrow_, false);
  }
  if (model_.architecture().patch > 0) back(pass, embedding_, rows_, patches_, embedding_.in + 4, raw_, nullptr, 0);
}

}  // namespace weft

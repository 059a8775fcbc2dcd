// The forward pass of E and I on a device: memory and launches.

#include "weft/core/loop.h"
#include "weft/nfn/transformer/device_bodies.h"
#include "weft/nfn/transformer/device_schedule.h"
#include "weft/ops/product.h"

namespace weft::transformer {
namespace {

template <class T>
void lay_out(DeviceState<T>& s, bool equivariant, Arena& arena) {
  DeviceBlock<T>& b = s.block;
  const Sizes& z = b.z;
  const std::int64_t channels = z.batch * z.d;
  if (b.rule.activation != UnaryOp::count) b.read = numbers<T>(arena, channels * b.read_size());
  b.x = numbers<T>(arena, channels * s.rows.vector());
  b.Q = numbers<T>(arena, channels * z.size(WQ));
  b.K = numbers<T>(arena, channels * z.size(WK));
  b.V = numbers<T>(arena, channels * z.size(WV));
  b.lines = numbers<T>(arena, channels * z.h * z.Dv);
  if (!equivariant) return;
  const AxisSizes n(z);
  s.packed = numbers<T>(arena, n.summed_at() + n.rows);
  lay_out_heads(z, z.d, b.heads, arena);
  b.by_row = numbers<T>(arena, channels * (z.D + 1) * z.D);
  b.by_column = numbers<T>(arena, z.batch * z.A * n.columns);
}

/// y [batch, rows].
template <class T>
void global_terms(const DeviceState<T>& s, T* y, Arena& arena) {
  const GlobalRows& g = s.rows;
  const std::int64_t networks = (g.z.batch + GlobalParts<T>::nets - 1) / GlobalParts<T>::nets;
  std::int64_t stretch = 256, places = 0;
  const auto teams = [&] {
    places = (g.vector() + stretch - 1) / stretch * g.z.d;
    return places * g.tiles() * networks;
  };
  while (teams() > many_teams && stretch < g.vector()) stretch *= 2;
  const Arena::Mark mark = arena.mark();
  T* parts = numbers<T>(arena, places * g.z.batch * g.rows());
  team_loop(arena.backend(), arena, teams(), 1, GlobalParts<T>{g, s.phi, s.block.x, parts, stretch});
  loop(arena.backend(), g.z.batch * g.rows(), 1024, GlobalSums<T>{g, s.phi, parts, y, places});
  arena.rewind(mark);
}

/// All but the global terms y.
template <class T>
void outputs_of(const DeviceState<T>& s, const T* y, std::span<const Output> outputs, Arena& arena) {
  const DeviceBlock<T>& b = s.block;
  const Sizes& z = b.z;
  const AxisSizes n(z);
  const std::int64_t D = z.D, rows = z.d * (D + 1);
  T* heads[3];
  lay_out_heads(z, z.e, heads, arena);
  each_head_product(z, [&](int first, int count, std::int64_t width) {
    const std::int64_t columns = z.batch * width, left = z.e * D, right = z.d * D;
    weft::product<T>(arena, {count, left, columns, right}, {s.packed + n.matrix + first * n.head, n.head, right, 1},
                     {b.heads[first], right * columns, columns, 1}, 0, heads[first], left * columns, columns);
  });
  T *mixed = numbers<T>(arena, z.batch * z.A * n.mixed), *by_row = numbers<T>(arena, z.batch * z.e * D);
  weft::product<T>(arena, {1, z.batch * z.A, n.mixed, n.columns}, {b.by_column, 0, n.columns, 1},
                   {s.packed, 0, 1, n.columns}, 0, mixed, 0, n.mixed);
  weft::product<T>(arena, {z.batch, z.e, D, rows}, {s.packed + n.summed_at(), 0, rows, 1}, {b.by_row, rows * D, D, 1},
                   0, by_row, z.e * D, D);
  WriteOutputs<T> write{
      b, s.axis[mix_WA], s.axis[mix_WO], s.axis[mix_WO_sum], {heads[0], heads[1], heads[2]}, mixed, by_row, y, {}};
  for (int t = 0; t < tensors; ++t) write.out[t] = outputs[static_cast<std::size_t>(t)].value.template address<T>();
  loop(arena.backend(), block_numbers(z, z.e), 1024, write);
}

template <class T>
void launch(const DeviceState<T>& s, std::span<const Output> outputs, Arena& arena) {
  const DeviceBlock<T>& b = s.block;
  const Sizes& z = b.z;
  const std::int64_t channels = z.batch * z.d, D = z.D, hk = z.h * z.Dk, hv = z.h * z.Dv;
  if (s.equivariant()) {
    const AxisSizes n(z);
    PackPhis<T> pack{z, {}, s.packed};
    std::copy_n(s.axis, axis_phis, pack.phi);
    loop(arena.backend(), n.summed_at() + n.rows, 1024, pack);
  }
  team_loop(arena.backend(), arena, channels, 1, GatherBlock<T>{b});
  weft::product<T>(arena, {channels, D, D, hk}, {b.Q, D * hk, hk, 1}, {b.K, D * hk, 1, hk}, 0, b.x, s.rows.vector(), D);
  if (!s.equivariant()) return global_terms(s, outputs[0].value.template address<T>(), arena);
  weft::product<T>(arena, {channels, D, D, hv}, {b.V, D * hv, hv, 1}, {b.in[WO], hv * D, D, 1}, 0, b.by_row,
                   (D + 1) * D, D);
  const Arena::Mark mark = arena.mark();
  T* y = numbers<T>(arena, z.batch * s.rows.rows());
  global_terms(s, y, arena);
  outputs_of(s, y, outputs, arena);
  arena.rewind(mark);
}

}  // namespace

std::array<int, axis_phis> axis_numbers(const AxisTable& t) {
  return {t.WB[0],    t.WB[1],    t.WB[2],    t.sum[0], t.sum[1], t.sum[2], t.bA[0], t.bA[1], t.bA[2],
          t.heads[0], t.heads[1], t.heads[2], t.row_VO, t.row_WA, t.WA,     t.WO,    t.WO_sum};
}

template <class T>
DeviceState<T>* device_forward(const GlobalTable& table, const AxisTable* axis, const Sizes& z,
                               std::span<const Var> inputs, std::span<const Var> learned,
                               std::span<const Output> outputs, const LayerInput& input, Tape& tape) {
  auto* s = new (numbers<DeviceState<T>>(tape.host(), 1)) DeviceState<T>{};
  const auto phi = [&](int number) { return learned[static_cast<std::size_t>(number)].value().template address<T>(); };
  s->block.z = s->rows.z = z;
  s->block.rule = schedule::rule_of<T>(input);
  for (int t = 0; t < tensors; ++t) s->block.in[t] = inputs[static_cast<std::size_t>(t)].value().template address<T>();
  int group = 0;
  for (const GlobalTable::Outputs& from : table.groups) {
    ++(from.per_column ? s->rows.columns : s->rows.flat);
    for (int piece = 0; piece < GlobalVector::pieces; ++piece) s->phi.at[group][piece] = phi(from.phi[piece]);
    s->phi.at[group++][GlobalVector::pieces] = phi(from.constant);
  }
  if (axis) std::ranges::transform(axis_numbers(*axis), s->axis, phi);
  lay_out(*s, axis, tape.arena());
  launch(*s, outputs, tape.arena());
  return s;
}

#define WEFT_INSTANTIATE(T)                                                                                         \
  template DeviceState<T>* device_forward(const GlobalTable&, const AxisTable*, const Sizes&, std::span<const Var>, \
                                          std::span<const Var>, std::span<const Output>, const LayerInput&, Tape&);
WEFT_INSTANTIATE(float)
WEFT_INSTANTIATE(double)
#undef WEFT_INSTANTIATE

}  // namespace weft::transformer

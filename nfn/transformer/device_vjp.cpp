// The backward pass of E and I on a device.

#include "weft/core/loop.h"
#include "weft/nfn/transformer/device_schedule.h"
#include "weft/nfn/transformer/device_vjp_bodies.h"
#include "weft/ops/product.h"

namespace weft::transformer {
namespace {

template <class T>
DeviceCotangents<T> gather(const DeviceState<T>& s, Backward& back, Arena& arena) {
  const Sizes& z = s.block.z;
  const AxisSizes n(z);
  DeviceCotangents<T> g{};
  for (int t = 0; t < tensors; ++t) g.of[t] = cotangent_of<T>(back, t);
  lay_out_heads(z, z.e, g.heads, arena);
  g.columns = numbers<T>(arena, z.batch * z.A * n.mixed);
  g.rows = numbers<T>(arena, z.batch * z.e * z.D);
  g.lines = numbers<T>(arena, z.batch * z.e * z.h * z.Dv);
  g.y = numbers<T>(arena, z.batch * s.rows.rows());
  team_loop(arena.backend(), arena, z.batch * z.e, 1, GatherCotangents<T>{z, g});
  return g;
}

/// Gradients of the global terms' phis.
template <class T>
void global_phis(const DeviceState<T>& s, const GlobalTable& table, const T* gy, Backward& back, Arena& arena) {
  GlobalPhiGradients<T> body{s.rows, {}, 0, s.block.x, gy};
  bool wanted = false;
  for (int group = 0; group < s.rows.groups(); ++group)
    for (int i = 0; i < GlobalRows::phis; ++i) {
      const GlobalTable::Outputs& of = table.groups[static_cast<std::size_t>(group)];
      const Grad<T> to = gradient_address<T>(back, tensors + (i < GlobalVector::pieces ? of.phi[i] : of.constant));
      body.to.at[group][i] = to.data;
      if (to.beta != T(0)) body.beta |= 1u << (8 * group + i);
      wanted |= to.data != nullptr;
    }
  if (wanted)
    team_loop(arena.backend(), arena,
              s.rows.z.d * piece_blocks(s.rows.z.D, body.lanes * body.held, GlobalRows::phis) * s.rows.tiles(), 1,
              body);
}

/// Gradients of E's smaller phis.
template <class T>
void axis_phis_vjp(const DeviceState<T>& s, const AxisTable& axis, const DeviceCotangents<T>& g, Backward& back,
                   Arena& arena) {
  const DeviceBlock<T>& b = s.block;
  const Sizes& z = b.z;
  const AxisSizes n(z);
  UnpackPhis<T> body{z, nullptr, nullptr, {}, 0};
  const std::array<int, axis_phis> all = axis_numbers(axis);
  const auto wants = [&](int first, int count) {
    return std::any_of(body.to + first, body.to + first + count, [](const T* to) { return to != nullptr; });
  };
  for (int i = 0; i < axis_phis; ++i) {
    const Grad<T> to = gradient_address<T>(back, tensors + all[static_cast<std::size_t>(i)]);
    body.to[i] = to.data;
    if (to.beta != T(0)) body.beta |= 1u << i;
  }
  if (!wants(0, axis_phis)) return;

  const std::int64_t D = z.D, lines = z.h * z.Dv, rows = z.d * (D + 1), part = n.summed();
  T *packed = numbers<T>(arena, n.summed_at()), *parts = numbers<T>(arena, z.batch * part);
  body.packed = packed, body.parts = parts;
  if (wants(of_WB, of_heads - of_WB))
    weft::product<T>(arena, {1, n.mixed, n.columns, z.batch * z.A}, {g.columns, 0, 1, n.mixed},
                     {b.by_column, 0, n.columns, 1}, 0, packed, 0, n.columns);
  each_head_product(z, [&](int first, int count, std::int64_t width) {
    if (!wants(of_heads + first, count)) return;
    const std::int64_t columns = z.batch * width, left = z.e * D, right = z.d * D;
    weft::product<T>(arena, {count, left, right, columns}, {g.heads[first], left * columns, columns, 1},
                     {b.heads[first], right * columns, 1, columns}, 0, packed + n.matrix + first * n.head, n.head,
                     right);
  });
  if (wants(row_VO, 2))
    weft::product<T>(arena, {z.batch, z.e, rows, D}, {g.rows, z.e * D, D, 1}, {b.by_row, rows * D, 1, D}, 0, parts,
                     part, rows);
  const auto mix = [&](int which, const T* left, const T* right, std::int64_t size, std::int64_t stride) {
    if (wants(which, 1))
      weft::product<T>(arena, {z.batch, z.e, z.d, size}, {left, z.e * size, size, 1}, {right, z.d * stride, 1, stride},
                       0, parts + n.rows + (which - mix_WA) * n.mix, part, z.d);
  };
  mix(mix_WA, g.of[WA], b.as_read(WA, 0), z.size(WA), b.as_read_stride(WA));
  mix(mix_WO, g.of[WO], b.in[WO], z.size(WO), z.size(WO));
  mix(mix_WO_sum, g.lines, b.lines, lines, lines);
  loop(arena.backend(), n.summed_at() + part, 1024, body);
}

/// The cotangents of what E's axis-wise terms read.
template <class T>
void axes_vjp(const DeviceState<T>& s, BlockGradient<T>& body, T* by_row, Arena& arena) {
  const Sizes& z = s.block.z;
  const AxisSizes n(z);
  const DeviceCotangents<T>& g = body.g;
  const std::int64_t D = z.D, rows = z.d * (D + 1);
  T *by_column = numbers<T>(arena, z.batch * z.A * n.columns), *heads[3];
  lay_out_heads(z, z.d, heads, arena);
  weft::product<T>(arena, {1, z.batch * z.A, n.columns, n.mixed}, {g.columns, 0, n.mixed, 1},
                   {s.packed, 0, n.columns, 1}, 0, by_column, 0, n.columns);
  weft::product<T>(arena, {z.batch, rows, D, z.e}, {s.packed + n.summed_at(), 0, 1, rows}, {g.rows, z.e * D, D, 1}, 0,
                   by_row, rows * D, D);
  each_head_product(z, [&](int first, int count, std::int64_t width) {
    const std::int64_t columns = z.batch * width, left = z.e * D, right = z.d * D;
    weft::product<T>(arena, {count, right, columns, left}, {s.packed + n.matrix + first * n.head, n.head, 1, right},
                     {g.heads[first], left * columns, columns, 1}, 0, heads[first], right * columns, columns);
  });
  body.by_column = by_column, body.by_row = by_row;
  std::copy_n(heads, 3, body.heads);
  body.mix_WA = s.axis[mix_WA], body.mix_WO = s.axis[mix_WO], body.mix_WO_sum = s.axis[mix_WO_sum];
}

/// Of WQ and WK by [QK], of WV and WO by [VO].
template <class T>
void products_vjp(const DeviceState<T>& s, BlockGradient<T>& body, const T* VO, Arena& arena) {
  const DeviceBlock<T>& b = s.block;
  const Sizes& z = b.z;
  const std::int64_t channels = z.batch * z.d, D = z.D, hk = z.h * z.Dk, hv = z.h * z.Dv, vector = s.rows.vector(),
                     VO_size = (D + 1) * D;
  T *Q = numbers<T>(arena, channels * D * hk), *K = numbers<T>(arena, channels * D * hk),
    *V = numbers<T>(arena, channels * D * hv), *O = numbers<T>(arena, channels * hv * D);
  if (body.to[WQ])
    weft::product<T>(arena, {channels, D, hk, D}, {body.x, vector, D, 1}, {b.K, D * hk, hk, 1}, 0, Q, D * hk, hk);
  if (body.to[WK])
    weft::product<T>(arena, {channels, D, hk, D}, {body.x, vector, 1, D}, {b.Q, D * hk, hk, 1}, 0, K, D * hk, hk);
  if (body.to[WV])
    weft::product<T>(arena, {channels, D, hv, D}, {VO, VO_size, D, 1}, {b.in[WO], hv * D, 1, D}, 0, V, D * hv, hv);
  if (body.to[WO])
    weft::product<T>(arena, {channels, hv, D, D}, {b.V, D * hv, 1, hv}, {VO, VO_size, D, 1}, 0, O, hv * D, D);
  body.Q = Q, body.K = K, body.V = V, body.O = O;
}

/// Gradients of the inputs.
template <class T>
void inputs_vjp(const DeviceState<T>& s, const DeviceCotangents<T>& g, Backward& back, Arena& arena) {
  BlockGradient<T> body{};
  for (int t = 0; t < tensors; ++t) {
    const Grad<T> to = gradient_address<T>(back, t);
    body.to[t] = to.data, body.beta[t] = to.beta;
  }
  if (std::ranges::all_of(body.to, [](const T* to) { return to == nullptr; })) return;
  const GlobalRows& rows = s.rows;
  const Sizes& z = s.block.z;
  const std::int64_t channels = z.batch * z.d, size = channels * rows.vector();
  body.block = s.block, body.equivariant = s.equivariant(), body.g = g;
  T *x = numbers<T>(arena, size), *by_row = numbers<T>(arena, channels * (z.D + 1) * z.D);
  if (s.equivariant()) axes_vjp(s, body, by_row, arena);

  GlobalVectorVjp<T> of_x{rows, s.phi, g.y, nullptr, std::max<std::int64_t>(1, 32 / (rows.rows() / z.e))};
  std::int64_t parts = 0;
  const auto teams = [&] {
    parts = (z.e + of_x.stretch - 1) / of_x.stretch;
    return parts * z.d * piece_blocks(z.D, of_x.lanes * of_x.held, GlobalVector::pieces) *
           ((z.batch + of_x.nets - 1) / of_x.nets);
  };
  while (teams() > many_teams && of_x.stretch < z.e) of_x.stretch *= 2;
  of_x.parts = numbers<T>(arena, parts * size);
  team_loop(arena.backend(), arena, teams(), 1, of_x);
  loop(arena.backend(), size + channels * z.D * z.D, 1024,
       GlobalCotangents<T>{rows, of_x.parts, parts, x, by_row, s.equivariant()});
  body.x = x;
  products_vjp<T>(s, body, by_row, arena);
  loop(arena.backend(), block_numbers(z, z.d), 1024, body);
}

}  // namespace

template <class T>
void device_vjp(const DeviceState<T>& s, const GlobalTable& table, const AxisTable* axis, Backward& back) {
  back.require_inputs();
  Arena& arena = back.arena();
  DeviceCotangents<T> g{};
  if (axis) {
    g = gather(s, back, arena);
    axis_phis_vjp(s, *axis, g, back, arena);
  } else {
    g.y = const_cast<T*>(cotangent_of<T>(back, 0));
  }
  global_phis<T>(s, table, g.y, back, arena);
  inputs_vjp(s, g, back, arena);
}

template void device_vjp(const DeviceState<float>&, const GlobalTable&, const AxisTable*, Backward&);
template void device_vjp(const DeviceState<double>&, const GlobalTable&, const AxisTable*, Backward&);

}  // namespace weft::transformer

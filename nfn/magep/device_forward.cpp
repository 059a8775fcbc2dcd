// The forward pass of E and I on a device: memory, the table of layers, launches.

#include <utility>

#include "weft/core/send.h"
#include "weft/nfn/magep/device_bodies.h"
#include "weft/nfn/magep/device_schedule.h"
#include "weft/ops/product.h"

namespace weft::magep {
namespace {

/// The inputs of layer i, and memory for how they are read.
template <class T>
void lay_out_inputs(DeviceState<T>& s, const Tables& t, int i, std::span<const Var> inputs, const Space& space,
                    const LayerInput& input, Arena& arena) {
  const auto at = static_cast<std::size_t>(i);
  const std::int64_t channels = s.z.batch * s.z.d;
  DeviceLayer<T>& l = s.layer[i];
  l.W = l.W_input = inputs[static_cast<std::size_t>(t.W[at])].value().template address<T>();
  l.b = l.b_input = inputs[static_cast<std::size_t>(t.b[at])].value().template address<T>();
  if (input.dropout > 0) {
    const Tensor uniform = Tensor::empty(arena, {s.z.batch, s.z.d}, dtype_of<T>);
    fill_uniform(uniform, input.key.at(space.tensors()[static_cast<std::size_t>(t.W[at])].name));
    l.uniform = uniform.address<T>();
  }
  if (!input.activation && input.dropout == 0) return;
  l.W = l.W_read = numbers<T>(arena, channels * s.weight(i));
  l.b = l.b_read = numbers<T>(arena, channels * s.width(i));
}

/// Memory of all that is made of them.
template <class T>
void lay_out_terms(DeviceState<T>& s, Arena& arena) {
  const DeviceSizes& z = s.z;
  const int L = z.L();
  const std::int64_t channels = z.batch * z.d, rank = z.rank(), n0 = z.n0();
  for (int i = 0; i < L - 1; ++i) s.layer[i].S = numbers<T>(arena, channels * z.nL() * s.width(i));
  s.layer[L - 1].S = const_cast<T*>(s.layer[L].W);
  for (int i = 1; i <= L; ++i) {
    DeviceLayer<T>& l = s.layer[i];
    if (z.equivariant || i == L) {
      l.M = numbers<T>(arena, channels * n0 * n0);
      l.m = numbers<T>(arena, channels * n0);
    }
    if (!z.equivariant) continue;
    if (i < L) l.X = numbers<T>(arena, z.stack_rows(i) * z.batch * s.width(i));
    if (i == 1) continue;
    l.U = numbers<T>(arena, channels * s.width(i) * rank);
    l.V = numbers<T>(arena, channels * s.width(i) * rank);
    l.R = z.by_suffix() ? s.layer[i - 1].S : numbers<T>(arena, channels * rank * s.width(i - 1));
  }
  s.x = numbers<T>(arena, z.batch * z.end_size());
}

template <class T>
void lay_out_learned(DeviceState<T>& s, const Tables& t, std::span<const Var> learned, Arena& arena, Arena& host) {
  const int L = s.z.L();
  const auto find = [&](int number) -> const T* {
    return number < 0 ? nullptr : learned[static_cast<std::size_t>(number)].value().template address<T>();
  };
  s.places = place_learned(s.z, t, host);
  s.packed = numbers<T>(arena, s.places.packed_size);
  s.weight_mix = table_of<const T*>(host, L + 1);
  for (int i = 1; i <= L; ++i) {
    DeviceLayer<T>& l = s.layer[i];
    for (int kind = 0; kind < Psi<T>::kinds; ++kind) l.psi[kind] = find(t.psi[kind][static_cast<std::size_t>(i)]);
    if (!s.z.equivariant || i == 1) continue;
    const PhiTable<int>& phi = t.phi[static_cast<std::size_t>(i)];
    if (i < L) s.weight_mix[i] = find(phi.W[from_W]);
    l.mix2 = i < L ? find(phi.W[from_WW]) : s.packed + s.places.last_mix[from_WW];
    l.mix3 = i < L ? find(phi.W[from_bW]) : s.packed + s.places.last_mix[from_bW];
  }
}

template <class T>
void pack(const DeviceState<T>& s, std::span<const Var> learned, Arena& arena, Arena& host) {
  const Arena::Mark mark = arena.mark(), host_mark = host.mark();
  auto* pieces = numbers<Piece<T>>(host, static_cast<std::int64_t>(s.places.all.size()));
  int count = 0, rows = 0;
  for (const LearnedTensor& tensor : s.places.all) {
    if (tensor.packed < 0) continue;
    Piece<T>& piece = *new (pieces + count++) Piece<T>{};
    piece.dense = learned[static_cast<std::size_t>(tensor.number)].value().template address<T>();
    piece.packed = s.packed + tensor.packed;
    std::copy_n(tensor.size, 4, piece.size);
    std::copy_n(tensor.stride, 4, piece.stride);
    piece.rows = std::exchange(rows, rows + tensor.size[0]);
  }
  const Piece<T>* there = send<Piece<T>>(arena, {pieces, static_cast<std::size_t>(count)});
  team_loop(arena.backend(), arena, rows, 1, Pack<T>{there, count});
  host.rewind(host_mark);
  arena.rewind(mark);
}

/// Y_i = M_i X_i and the outputs made of it.
template <class T>
void hidden_outputs(const DeviceState<T>& s, Arena& arena) {
  const DeviceSizes& z = s.z;
  T* Y = numbers<T>(arena, s.hidden());
  T* to = Y;
  for (int i = 1; i < z.L(); ++i) {
    const std::int64_t rows = z.mix_rows(i), k = z.stack_rows(i), columns = z.batch * s.width(i);
    weft::product<T>(arena, {1, rows, columns, k}, {s.packed + s.places.mix[i], 0, k, 1}, {s.layer[i].X, 0, columns, 1},
                     0, to, 0, columns);
    to += rows * columns;
  }
  loop(arena.backend(), s.hidden(), 1024, HiddenOutputs<T>{z, s.on_device, Y});
}

/// W^(i), i > 1.
template <class T>
void weight_outputs(const DeviceState<T>& s, Arena& arena) {
  const DeviceSizes& z = s.z;
  T* left = numbers<T>(arena, s.left());
  form_left(s, left, arena);
  const std::int64_t d = z.d, e = z.e, columns = d * z.rank();
  for (int i = 2; i <= z.L(); ++i) {
    const DeviceLayer<T>& l = s.layer[i];
    const std::int64_t n = s.width(i), k = s.width(i - 1), all = n * k;
    if (i < z.L())
      weft::product<T>(arena, {z.batch, e, all, d}, {s.weight_mix[i], 0, d, 1}, {l.W, d * all, all, 1}, 0, l.W_out,
                       e * all, all);
    else
      weft::product<T>(arena, {z.batch, e * n, k, d * n}, {s.packed + s.places.last_mix[from_W], 0, d * n, 1},
                       {l.W, d * all, k, 1}, 0, l.W_out, e * all, k);
    weft::product<T>(arena, {z.batch, e * n, k, columns}, {left, e * n * columns, columns, 1}, {l.R, columns * k, k, 1},
                     1, l.W_out, e * all, k);
    left += z.batch * e * n * columns;
  }
}

template <class T>
void launch(const DeviceState<T>& s, Arena& arena) {
  const DeviceSizes& z = s.z;
  const std::int64_t channels = z.batch * z.d;
  if (s.layer[1].W_read) loop(arena.backend(), s.features(), 1024, ReadInputs<T>{z, s.on_device, s.rule});
  run_teams<Sweep, T>(arena, channels, z, s.on_device);
  run_teams<LayerTerms, T>(arena, z.L() * channels, z, s.on_device, s.x);
  const Arena::Mark mark = arena.mark();
  if (z.equivariant) {
    hidden_outputs(s, arena);
    weight_outputs(s, arena);
  }
  const std::int64_t rows = s.end_rows(), k = z.end_size();
  weft::product<T>(arena, {1, z.batch, rows, k}, {s.x, 0, k, 1}, {s.packed + s.places.mix[z.L()], 0, rows, 1}, 0,
                   s.layer[z.L()].b_out, 0, rows);
  arena.rewind(mark);
}

}  // namespace

template <class T>
void form_left(const DeviceState<T>& s, T* left, Arena& arena) {
  team_loop(arena.backend(), arena, s.left() / (s.z.d * s.z.rank()), 1, LeftFactors<T>{s.z, s.on_device, left});
}

template <class T>
DeviceState<T>* device_forward(const Tables& t, bool equivariant, std::int64_t d, std::int64_t e,
                               std::span<const Var> inputs, std::span<const Var> learned,
                               std::span<const Output> outputs, const Space& space, const LayerInput& input,
                               Tape& tape) {
  Arena &arena = tape.arena(), &host = tape.host();
  auto* s = table_of<DeviceState<T>>(host, 1);
  const int L = t.L();
  s->z = {L,
          static_cast<int>(t.widths.front()),
          static_cast<int>(t.widths.back()),
          static_cast<int>(d),
          static_cast<int>(e),
          equivariant,
          inputs[0].shape()[0]};
  s->rule = schedule::rule_of<T>(input);
  s->layer = table_of<DeviceLayer<T>>(host, L + 1);
  for (int i = 0; i <= L; ++i) s->layer[i].n = static_cast<int>(t.widths[static_cast<std::size_t>(i)]);
  for (int i = 1; i <= L; ++i) {
    lay_out_inputs(*s, t, i, inputs, space, input, arena);
    const auto output = [&](int tensor) {
      return outputs[static_cast<std::size_t>(tensor)].value.template address<T>();
    };
    if (equivariant) {
      s->layer[i].W_out = output(t.W[static_cast<std::size_t>(i)]);
      s->layer[i].b_out = output(t.b[static_cast<std::size_t>(i)]);
    } else if (i == L) {
      s->layer[i].b_out = output(0);
    }
  }
  lay_out_terms(*s, arena);
  lay_out_learned(*s, t, learned, arena, host);
  s->on_device = send<DeviceLayer<T>>(arena, {s->layer, static_cast<std::size_t>(L + 1)});
  pack(*s, learned, arena, host);
  launch(*s, arena);
  return s;
}

#define WEFT_INSTANTIATE(T)                                                                                      \
  template void form_left(const DeviceState<T>&, T*, Arena&);                                                    \
  template DeviceState<T>* device_forward(const Tables&, bool, std::int64_t, std::int64_t, std::span<const Var>, \
                                          std::span<const Var>, std::span<const Output>, const Space&,           \
                                          const LayerInput&, Tape&);
WEFT_INSTANTIATE(float)
WEFT_INSTANTIATE(double)
#undef WEFT_INSTANTIATE

}  // namespace weft::magep

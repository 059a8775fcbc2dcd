// The vjp of E.

#include "weft/nfn/layer_kernels.h"
#include "weft/nfn/transformer/axis_matrix.h"

namespace weft::transformer {
namespace {

/// Cotangents, gathered as the products read them.
template <class T>
struct Cotangents {
  const T* y[tensors];
  T* mixed;     ///< of C [batch, A, mixed]
  T* by_row;    ///< [batch, e, D]
  T* WO_sum;    ///< row sums of WO's cotangent [batch, e, h Dv]
  T* WO_lines;  ///< row sums of WO itself [batch, d, h Dv]
};

template <class T>
void gather(const Schedule<T>& s, const Cotangents<T>& g, std::int64_t net, T* over_rows) {
  const Sizes& z = s.z();
  const std::int64_t D = z.D, A = z.A, n = s.mixed(), lines = z.h * z.Dv;
  T *C = g.mixed + net * A * n, *global = s.global.gy + net * s.global.outputs();
  auto cotangent = [&](int t, std::int64_t e) { return g.y[t] + (net * z.e + e) * z.size(t); };
  for (std::int64_t e = 0; e < z.e; ++e) {
    T* by_row = g.by_row + (net * z.e + e) * D;
    kernels<T>().sums(cotangent(WA, e), D, A, by_row, over_rows);
    const T *gb = cotangent(bA, e), *gW = cotangent(WB, e);
    for (std::int64_t k = 0; k < A; ++k) {
      C[k * n + e] = over_rows[k];
      C[k * n + z.e + e] = gb[k];
    }
    kernels<T>().copy_rows(gW, D, A, D, C + 2 * z.e + e * D, n, false);
    global[e] = SerialTeam{}.sum<T>(D, [=](std::int64_t j) { return by_row[j]; });
    global[z.e + e] = SerialTeam{}.sum<T>(A, [=](std::int64_t k) { return gb[k]; });
    kernels<T>().sums(gW, A, D, nullptr, global + 2 * z.e + e * D);
  }
  std::copy_n(cotangent(bB, 0), z.e * D, global + n);
  kernels<T>().sums(cotangent(WO, 0), z.e * lines, D, g.WO_sum + net * z.e * lines, nullptr);
  kernels<T>().sums(s.block.input(WO, net), z.d * lines, D, g.WO_lines + net * z.d * lines, nullptr);
}

/// Gradients of phis that every network adds to by a product of its own, rows [e0, e1).
template <class T>
struct SmallPhis {
  T* rows;  ///< N [e, d (D + 1)]
  Grad<T> WA, WO, WO_sum;
};

template <class T>
void small_phis(const Schedule<T>& s, const Cotangents<T>& g, const SmallPhis<T>& to, std::int64_t e0,
                std::int64_t e1) {
  const Sizes& z = s.z();
  const std::int64_t m = e1 - e0, d = z.d, D = z.D, rows = s.block.rows(), lines = z.h * z.Dv;
  std::fill_n(to.rows + e0 * rows, m * rows, T(0));
  for (const Grad<T>* phi : {&to.WA, &to.WO, &to.WO_sum})
    if (phi->beta == T(0)) std::fill_n(phi->data + e0 * d, m * d, T(0));
  auto add = [&](const T* left, const T* right, std::int64_t n, std::int64_t k, T* sum) {
    product<T>({1, m, n, k}, {left + e0 * k, 0, k, 1}, {right, 0, 1, k}, 1, sum + e0 * n, 0, n);
  };
  for (std::int64_t net = 0; net < z.batch; ++net) {
    add(g.by_row + net * z.e * D, s.block.by_row + net * rows * D, rows, D, to.rows);
    add(g.y[WA] + net * z.e * z.size(WA), s.WA_as_read(net), d, z.size(WA), to.WA.data);
    add(g.y[WO] + net * z.e * z.size(WO), s.block.input(WO, net), d, z.size(WO), to.WO.data);
    add(g.WO_sum + net * z.e * lines, g.WO_lines + net * d * lines, d, lines, to.WO_sum.data);
  }
}

/// Gradients of the inputs, but for the maps of WQ, WK and WV.
template <class T>
void inputs_vjp(const Schedule<T>& s, const Cotangents<T>& g, const BlockGradients<T>& to, Arena& arena) {
  const Sizes& z = s.z();
  const std::int64_t d = z.d, D = z.D, A = z.A, n = s.mixed(), columns = s.block.columns(), rows = s.block.rows(),
                     lines = z.h * z.Dv, vector = GlobalVector(z).size;
  T *gx = numbers<T>(arena, z.batch * vector), *g_column = numbers<T>(arena, z.batch * A * columns);
  s.global.input_vjp(gx);
  const T *matrix = axis_matrix(s, arena), *row_map = row_matrix(s, arena);
  gemm<T>({1, z.batch * A, columns, n}, {g.mixed, 0, n, 1}, {matrix, 0, columns, 1}, 0, g_column, 0, columns);

  const std::int64_t each = padded(rows * D) + padded(d * z.size(WA)) + padded(d * lines) + padded(s.block.scratch());
  T* memory = numbers<T>(arena, each * threads());
  parallel_workers(z.batch, 1, [&](std::int64_t net, std::int64_t, int worker) {
    Carve<T> carve{memory + worker * each};
    T *g_row = carve.take(rows * D), *g_WA = carve.take(d * z.size(WA)), *g_lines = carve.take(d * lines);
    auto back = [&](int phi, const T* cotangent, std::int64_t size, T beta, T* sum) {
      product<T>({1, d, size, z.e}, {s.phi(phi), 0, 1, d}, {cotangent, 0, size, 1}, beta, sum, 0, size);
    };
    product<T>({1, rows, D, z.e}, {row_map, 0, 1, rows}, {g.by_row + net * z.e * D, 0, D, 1}, 0, g_row, 0, D);
    back(s.axis.WA, g.y[WA] + net * z.e * z.size(WA), z.size(WA), 0, g_WA);
    features_vjp(s.block, net, gx + net * vector, g_row, g_column + net * A * columns, g_WA, to, carve.at);
    T* g_WO = to.to[WO].data + net * d * z.size(WO);
    back(s.axis.WO, g.y[WO] + net * z.e * z.size(WO), z.size(WO), 1, g_WO);
    back(s.axis.WO_sum, g.WO_sum + net * z.e * lines, lines, 0, g_lines);
    for (std::int64_t r = 0; r < d * lines; ++r)
      for (std::int64_t j = 0; j < D; ++j) g_WO[r * D + j] += g_lines[r];
  });
}

}  // namespace

template <class T>
void vjp(const Schedule<T>& s, Backward& back) {
  back.require_inputs();
  const Sizes& z = s.z();
  const std::int64_t n = s.mixed(), columns = s.block.columns(), lines = z.h * z.Dv;
  Arena& arena = back.arena();
  Cotangents<T> g{{},
                  numbers<T>(arena, z.batch * z.A * n),
                  numbers<T>(arena, z.batch * z.e * z.D),
                  numbers<T>(arena, z.batch * z.e * lines),
                  numbers<T>(arena, z.batch * z.d * lines)};
  for (int t = 0; t < tensors; ++t) g.y[t] = cotangent_of<T>(back, t);
  T* memory = numbers<T>(arena, padded(z.A) * threads());
  parallel_workers(z.batch, 1, [&](std::int64_t net, std::int64_t, int worker) {
    gather(s, g, net, memory + worker * padded(z.A));
  });

  s.global.parameters_vjp(back, tensors);
  auto phi = [&](int number) { return gradient_of<T>(back, tensors + number); };
  const AxisTable& t = s.axis;
  const SmallPhis<T> small{numbers<T>(arena, z.e * s.block.rows()), phi(t.WA), phi(t.WO), phi(t.WO_sum)};
  parallel_blocks(z.e, row_grain(z.e), [&](std::int64_t e0, std::int64_t e1) { small_phis(s, g, small, e0, e1); });
  T* g_matrix = numbers<T>(arena, n * columns);
  gemm<T>({1, n, columns, z.batch * z.A}, {g.mixed, 0, 1, n}, {s.block.by_column, 0, columns, 1}, 0, g_matrix, 0,
          columns);
  auto* axis = numbers<Grad<T>>(arena, s.learned);
  for (int number :
       {t.row_VO, t.row_WA, t.WB[0], t.WB[1], t.WB[2], t.sum[0], t.sum[1], t.sum[2], t.bA[0], t.bA[1], t.bA[2]})
    axis[number] = phi(number);
  auto unpack = [&](const T* matrix) {
    return [axis, matrix](int number, std::int64_t to, std::int64_t from, std::int64_t count) {
      add_to<T>({axis[number].data + to, axis[number].beta}, matrix + from, count);
    };
  };
  each_axis_piece(s, unpack(g_matrix));
  each_row_piece(s, unpack(small.rows));

  bool wanted = false;
  for (int i = 0; i < tensors; ++i) wanted |= back.wants(i);
  const BlockGradients<T>* inputs = nullptr;
  if (wanted) {
    inputs = new (arena.allocate(sizeof(BlockGradients<T>))) BlockGradients<T>(back);
    inputs_vjp(s, g, *inputs, arena);
  }
  for (int i : {WQ, WK, WV})
    HeadMix<T>{z, i == WV ? z.Dv : z.Dk, s.block.in[i], s.phi(t.heads[i])}.vjp(
        g.y[i], phi(t.heads[i]), inputs ? inputs->to[i].data : nullptr, arena);
}

template void vjp(const Schedule<float>&, Backward&);
template void vjp(const Schedule<double>&, Backward&);

}  // namespace weft::transformer

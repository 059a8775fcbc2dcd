// Plain products with many values of the fixed indices, as at the ends of a wide dense network: one product per term
// for the whole batch, [(e, r), (d, q)] by [(d, q), (network, c)], on operands that are laid out for it.

#include "weft/nfn/layer_kernels.h"
#include "weft/nfn/linear/schedule.h"

namespace weft::linear {
namespace {

/// A tensor [batch, channels, size] as the matrix [(channel, v), (network, c)] or, where v runs through memory, its
/// transpose. A phi is one too: [(d, q), (e, r)].
struct Matrix {
  std::int64_t batch, channels, values, columns, size;
  Steps steps;

  std::int64_t rows() const { return channels * values; }
  std::int64_t all_columns() const { return batch * columns; }
  /// The tensor's memory is the matrix.
  bool direct() const { return columns == 1; }
  bool transposed() const { return columns == 1 || steps.c != 1; }
  /// A line of cache more than a row: rows a power of two apart would meet in few sets.
  std::int64_t stride() const { return direct() ? rows() : padded(transposed() ? rows() : all_columns()) + 16; }
  std::int64_t numbers() const { return stride() * (transposed() ? all_columns() : rows()); }

  template <class T>
  GemmOperand<T> operand(const T* at) const {
    return transposed() ? GemmOperand<T>{at, 0, 1, stride()} : GemmOperand<T>{at, 0, stride(), 1};
  }

  /// f(number of network and channel, position in the tensor, step from run to run there, runs, their length, position
  /// in the matrix, worker): stride() from run to run.
  template <class F>
  void each(const F& f) const {
    const Matrix m = *this;
    parallel_workers(batch * channels, copy_grain(size), [&, m](std::int64_t begin, std::int64_t end, int worker) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t net = i / m.channels, channel = i % m.channels;
        if (m.transposed())
          f(i, i * m.size, m.steps.c, m.columns, m.values, net * m.columns * m.stride() + channel * m.values, worker);
        else
          f(i, i * m.size, m.steps.v, m.values, m.columns, channel * m.values * m.stride() + net * m.columns, worker);
      }
    });
  }

  template <class T>
  const T* lay_out(const T* tensor, Arena& arena) const {
    if (direct()) return tensor;
    T* to = schedule::numbers<T>(arena, numbers());
    each([&](std::int64_t, std::int64_t from, std::int64_t step, std::int64_t runs, std::int64_t n, std::int64_t at,
             int) { kernels<T>().copy_rows(tensor + from, step, runs, n, to + at, stride(), false); });
    return to;
  }

  /// tensor = beta tensor + matrix.
  template <class T>
  void put_back(const T* matrix, const Grad<T>& tensor) const {
    each(
        [&](std::int64_t, std::int64_t to, std::int64_t step, std::int64_t runs, std::int64_t n, std::int64_t at, int) {
          kernels<T>().copy_rows(matrix + at, stride(), runs, n, tensor.data + to, step, tensor.beta != T(0));
        });
  }
};

template <class T>
GemmOperand<T> flipped(const GemmOperand<T>& a) {
  return {a.data, 0, a.column_stride, a.row_stride};
}

/// The tensor behind `m` = beta tensor + left right: [rows, k] by [k, columns].
template <class T>
void multiply(const Matrix& m, std::int64_t k, const GemmOperand<T>& left, const GemmOperand<T>& right,
              const Grad<T>& tensor, Arena& arena) {
  T* matrix = m.direct() ? tensor.data : numbers<T>(arena, m.numbers());
  const T beta = m.direct() ? tensor.beta : T(0);
  if (m.transposed())
    gemm<T>({1, m.all_columns(), m.rows(), k}, flipped(right), flipped(left), beta, matrix, 0, m.stride());
  else
    gemm<T>({1, m.rows(), m.all_columns(), k}, left, right, beta, matrix, 0, m.stride());
  if (!m.direct()) m.put_back(matrix, tensor);
}

/// The three matrices of a piece: y = phi^T x.
struct Matrices {
  Matrix x, y, phi;

  template <class T>
  Matrices(const PiecesCall<T>& call, const Piece& p) {
    const Arrangement& a = call.pieces->arrangements[static_cast<std::size_t>(p.arrangement)];
    const Batch<const T>& in = call.in[p.feature];
    const Batch<T>& out = call.out[p.target];
    x = {call.batch, in.channels, p.contracted, p.columns, in.size, a.steps};
    y = {call.batch, out.channels, p.added, p.columns, out.size, p.out_steps};
    phi = {out.channels, in.channels, p.contracted, p.added, p.phi_size, p.phi_steps};
  }
};

/// All networks' feature as the layer reads it, as a matrix.
template <class T>
const T* read(const PiecesCall<T>& call, int f, const Matrix& m, Arena& arena) {
  const T* x = call.in[f].at(0);
  if (!call.reading.changes()) return m.lay_out(x, arena);
  const std::int64_t each = padded(m.size);
  T *to = numbers<T>(arena, m.numbers()), *memory = numbers<T>(arena, each * threads());
  const T* mask = call.mask_of(f, 0);
  m.each([&](std::int64_t row, std::int64_t from, std::int64_t step, std::int64_t runs, std::int64_t n, std::int64_t at,
             int worker) {
    T* copy = memory + worker * each;
    call.reading.forward(x + from, copy, 1, m.size, mask ? mask + row : nullptr);
    kernels<T>().copy_rows(copy, step, runs, n, to + at, m.stride(), false);
  });
  return to;
}

/// f(first piece, end): the pieces of one arrangement.
template <class F>
void each_arrangement(const std::vector<Piece>& pieces, const F& f) {
  for (const Piece *p = pieces.data(), *all = p + pieces.size(), *end = p; p != all; p = end) {
    while (end != all && end->arrangement == p->arrangement) ++end;
    f(p, end);
  }
}

}  // namespace

template <class T>
void forward_wide(PiecesCall<T>& call, Arena& arena) {
  for (int t = 0; t < call.targets; ++t)
    if (!call.pieces->written[static_cast<std::size_t>(t)])
      std::fill_n(call.out[t].at(0), call.batch * call.out[t].channels * call.out[t].size, T(0));
  each_arrangement(call.pieces->pieces, [&](const Piece* begin, const Piece* end) {
    const Arena::Mark mark = arena.mark();
    const T* x = read(call, begin->feature, Matrices(call, *begin).x, arena);
    for (const Piece* p = begin; p != end; ++p) {
      const Matrices m(call, *p);
      const T* phi = m.phi.lay_out(call.phi[p->parameter], arena);
      multiply<T>(m.y, m.x.rows(), flipped(m.phi.operand(phi)), m.x.operand(x),
                  {call.out[p->target].at(0), p->first ? T(0) : T(1)}, arena);
    }
    arena.rewind(mark);
  });
  for (const Constant& constant : call.pieces->constants) {
    const Batch<T>& to = call.out[constant.target];
    for (std::int64_t net = 0; net < call.batch; ++net) {
      const T* phi = call.phi[constant.parameter];
      for (std::int64_t e = 0; e < to.channels; ++e)
        for (std::int64_t at : constant.out_at) to.at(net)[e * to.size + at] += *phi++;
    }
  }
}

template <class T>
void vjp_wide(const PiecesCall<T>& call, const CallGradients<T>& g, Arena& arena) {
  // Gradients of features as read; activation and masks follow at the end.
  auto* gx = numbers<Grad<T>>(arena, call.features);
  for (int f = 0; g.x && f < call.features; ++f)
    gx[f] = {numbers<T>(arena, call.batch * call.in[f].channels * call.in[f].size), 0};
  each_arrangement(call.pieces->pieces, [&](const Piece* begin, const Piece* end) {
    const Arena::Mark mark = arena.mark();
    const T* x = read(call, begin->feature, Matrices(call, *begin).x, arena);
    for (const Piece* p = begin; p != end; ++p) {
      const Matrices m(call, *p);
      const T* gy = m.y.lay_out(g.y[p->target].at(0), arena);
      multiply<T>(m.phi, m.y.all_columns(), m.x.operand(x), flipped(m.y.operand(gy)), g.phi[p->parameter], arena);
      if (!g.x) continue;
      const T* phi = m.phi.lay_out(call.phi[p->parameter], arena);
      multiply<T>(m.x, m.y.rows(), m.phi.operand(phi), m.y.operand(gy), gx[p->feature], arena);
      gx[p->feature].beta = 1;
    }
    arena.rewind(mark);
  });
  for (const Constant& constant : call.pieces->constants) {
    const Batch<const T>& y = g.y[constant.target];
    const Grad<T>& to = g.phi[constant.parameter];
    T* sum = to.data;
    for (std::int64_t e = 0; e < y.channels; ++e)
      for (std::int64_t at : constant.out_at) {
        const T all = pairwise_sum<T>(call.batch, [&](std::int64_t net) { return y.at(net)[e * y.size + at]; });
        *sum = to.beta == T(0) ? all : *sum + all;
        ++sum;
      }
  }
  for (int f = 0; g.x && f < call.features; ++f) {
    const Batch<const T>& x = call.in[f];
    if (gx[f].beta == T(0)) std::fill_n(gx[f].data, call.batch * x.channels * x.size, T(0));
    T* scratch = numbers<T>(arena, x.size * threads());
    parallel_workers(call.batch, 1, [&](std::int64_t net, std::int64_t, int worker) {
      call.reading.vjp(x.at(net), gx[f].data + net * x.channels * x.size, x.channels, x.size, call.mask_of(f, net),
                       {g.x[f].at(net), g.x_beta[f]}, scratch + worker * x.size);
    });
  }
}

#define WEFT_INSTANTIATE(T)                           \
  template void forward_wide(PiecesCall<T>&, Arena&); \
  template void vjp_wide(const PiecesCall<T>&, const CallGradients<T>&, Arena&);
WEFT_INSTANTIATE(float)
WEFT_INSTANTIATE(double)
#undef WEFT_INSTANTIATE

}  // namespace weft::linear

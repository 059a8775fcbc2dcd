#include "weft/nfn/transformer/schedule.h"

#include "weft/nfn/layer_kernels.h"
#include "weft/nfn/transformer/axis_matrix.h"

namespace weft::transformer {

template <class T>
T* axis_matrix(const Schedule<T>& s, Arena& arena) {
  T* matrix = numbers<T>(arena, s.mixed() * s.block.columns());
  each_axis_piece(s, [&](int phi, std::int64_t from, std::int64_t to, std::int64_t n) {
    std::copy_n(s.phi(phi) + from, n, matrix + to);
  });
  return matrix;
}

template <class T>
T* row_matrix(const Schedule<T>& s, Arena& arena) {
  T* matrix = numbers<T>(arena, s.z().e * s.block.rows());
  each_row_piece(s, [&](int phi, std::int64_t from, std::int64_t to, std::int64_t n) {
    std::copy_n(s.phi(phi) + from, n, matrix + to);
  });
  return matrix;
}

namespace {

/// The outputs of one network; by_row [e, D] and by_column [2 e, padded(A)] are scratch.
template <class T>
void write(const Schedule<T>& s, const T* mixed, const T* row_map, std::int64_t net, T* by_row, T* by_column, T* sums) {
  const Sizes& z = s.z();
  const std::int64_t D = z.D, A = z.A, n = s.mixed(), rows = s.block.rows();
  const T* C = mixed + net * A * n;
  kernels<T>().transpose(C, n, A, 2 * z.e, by_column);
  product<T>({1, z.e, D, rows}, {row_map, 0, rows, 1}, {s.block.by_row + net * rows * D, 0, D, 1}, 0, by_row, 0, D);
  const T* of_bB = s.global.y + net * s.global.outputs() + n;
  std::copy_n(of_bB, z.e * D, s.output(bB, net));
  for (std::int64_t e = 0; e < z.e; ++e) {
    kernels<T>().outer_sum(by_row + e * D, D, by_column + e * padded(A), A, s.output(WA, net) + e * D * A);
    std::copy_n(by_column + (z.e + e) * padded(A), A, s.output(bA, net) + e * A);
    kernels<T>().copy_rows(C + 2 * z.e + e * D, n, A, D, s.output(WB, net) + e * A * D, D, false);
  }
  product<T>({1, z.e, D * A, z.d}, {s.phi(s.axis.WA), 0, z.d, 1}, {s.WA_as_read(net), 0, D * A, 1}, 1,
             s.output(WA, net), 0, D * A);

  const std::int64_t lines = z.h * z.Dv, size = lines * D;
  T* summed = sums + z.d * lines;
  kernels<T>().sums(s.block.input(WO, net), z.d * lines, D, sums, nullptr);
  product<T>({1, z.e, lines, z.d}, {s.phi(s.axis.WO_sum), 0, z.d, 1}, {sums, 0, lines, 1}, 0, summed, 0, lines);
  for (std::int64_t r = 0; r < z.e * lines; ++r) std::fill_n(s.output(WO, net) + r * D, D, summed[r]);
  product<T>({1, z.e, size, z.d}, {s.phi(s.axis.WO), 0, z.d, 1}, {s.block.input(WO, net), 0, size, 1}, 1,
             s.output(WO, net), 0, size);
}

/// WQ, WK and WV, some networks of one tensor at a time.
template <class T>
void heads(const Schedule<T>& s, Arena& arena) {
  const Arena::Mark mark = arena.mark();
  const Sizes& z = s.z();
  struct Part {
    HeadMix<T> mix;
    const T* matrix;
    std::int64_t tasks;
  };
  Part parts[3];
  std::int64_t tasks = 0, each = 0;
  for (int t : {WQ, WK, WV}) {
    const HeadMix<T> mix{z, t == WV ? z.Dv : z.Dk, s.block.in[t], s.phi(s.axis.heads[t])};
    parts[t] = {mix, mix.matrix(arena), (z.batch + mix.grain() - 1) / mix.grain()};
    tasks += parts[t].tasks;
    each = std::max(each, mix.scratch());
  }
  T* memory = numbers<T>(arena, each * threads());
  parallel_workers(tasks, 1, [&](std::int64_t task, std::int64_t, int worker) {
    int t = 0;
    while (task >= parts[t].tasks) task -= parts[t++].tasks;
    parts[t].mix.forward(parts[t].matrix, task * parts[t].mix.grain(), s.out[t], memory + worker * each);
  });
  arena.rewind(mark);
}

}  // namespace

template <class T>
void forward(const Schedule<T>& s, Arena& arena) {
  const Sizes& z = s.z();
  const std::int64_t n = s.mixed(), columns = s.block.columns(), lines = z.h * z.Dv;
  const std::int64_t vector = GlobalVector(z).size, outputs = s.global.outputs();
  heads(s, arena);

  const std::int64_t each = std::max(padded(s.block.scratch()),
                                     padded(z.e * z.D) + padded(2 * z.e * padded(z.A)) + padded((z.d + z.e) * lines));
  T* memory = numbers<T>(arena, each * threads());
  parallel_workers(z.batch, 1, [&](std::int64_t net, std::int64_t, int worker) {
    s.block.features(net, s.global.x + net * vector, memory + worker * each);
  });
  s.global.forward(arena);

  const T *matrix = axis_matrix(s, arena), *row_map = row_matrix(s, arena);
  T* mixed = numbers<T>(arena, z.batch * z.A * n);
  gemm<T>({z.batch, z.A, n, columns}, {s.block.by_column, z.A * columns, columns, 1}, {matrix, 0, 1, columns}, 0, mixed,
          z.A * n, n, {.bias = s.global.y, .bias_batch_stride = outputs});
  parallel_workers(z.batch, 1, [&](std::int64_t net, std::int64_t, int worker) {
    Carve<T> carve{memory + worker * each};
    T *by_row = carve.take(z.e * z.D), *by_column = carve.take(2 * z.e * padded(z.A));
    write(s, mixed, row_map, net, by_row, by_column, carve.at);
  });
}

#define WEFT_INSTANTIATE(T)                            \
  template T* axis_matrix(const Schedule<T>&, Arena&); \
  template T* row_matrix(const Schedule<T>&, Arena&);  \
  template void forward(const Schedule<T>&, Arena&);
WEFT_INSTANTIATE(float)
WEFT_INSTANTIATE(double)
#undef WEFT_INSTANTIATE

}  // namespace weft::transformer

#include "weft/nfn/transformer/global.h"

#include <fmt/format.h>

#include "weft/nfn/layer_kernels.h"

namespace weft::transformer {

Sizes block_sizes(const char* who, const Space& space, std::int64_t d, std::int64_t e) {
  const int q = space.find_tensor("WQ"), v = space.find_tensor("WV"), a = space.find_tensor("WA");
  Sizes z;
  bool fits = q == WQ && v == WV && a == WA && space.axes_shape(q).rank() == 3 && space.axes_shape(v).rank() == 3 &&
              space.axes_shape(a).rank() == 2;
  if (fits) {
    const Shape shape = space.axes_shape(q);
    z = {shape[0], shape[1], shape[2], space.axes_shape(v)[2], space.axes_shape(a)[1], d, e, 0};
    fits = space == transformer_space({z.D, z.A, z.h, z.Dk, z.Dv}, false);
  }
  if (!fits)
    throw UsageError("[{}] space '{}'; allowed: one transformer block without residual stream, as transformer_space()",
                     who, space.str());
  return z;
}

int find_parameter(const TermList& list, const std::string& name) {
  for (std::size_t i = 0; i < list.parameters().size(); ++i)
    if (list.parameters()[i].name == name) return static_cast<int>(i);
  throw UsageError("[transformer] the list has no '{}'", name);
}

GlobalTable::GlobalTable(const TermList& list, std::span<const GlobalTerms> terms) {
  for (const GlobalTerms& of_output : terms) {
    const auto find = [&](int m) { return find_parameter(list, fmt::format("{}phi{}", of_output.output, m)); };
    Outputs& group = groups.emplace_back();
    group.per_column = of_output.per_column;
    for (int piece = 0; piece < GlobalVector::pieces; ++piece) group.phi[piece] = find(of_output.phis[piece]);
    group.constant = find(of_output.phis[GlobalVector::pieces]);
  }
}

std::vector<int> GlobalTable::phis() const {
  std::vector<int> all;
  for (const Outputs& group : groups) all.insert(all.end(), group.phi, group.phi + GlobalVector::pieces);
  return all;
}

std::int64_t GlobalTable::outputs(const Sizes& z) const {
  std::int64_t n = 0;
  for (const Outputs& group : groups) n += group.per_column ? z.e * z.D : z.e;
  return n;
}

AxisTable::AxisTable(const TermList& list) {
  const AxisTerms names;
  for (int i = 0; i < 3; ++i) {
    heads[i] = find_parameter(list, names.heads[i]);
    WB[i] = find_parameter(list, names.WB[i]);
    sum[i] = find_parameter(list, names.sum[i]);
    bA[i] = find_parameter(list, names.bA[i]);
  }
  WO_sum = find_parameter(list, names.WO_sum), WO = find_parameter(list, names.WO);
  row_VO = find_parameter(list, names.row_VO), row_WA = find_parameter(list, names.row_WA);
  WA = find_parameter(list, names.WA);
}

template <class T>
GlobalCall<T>::GlobalCall(const GlobalTable& t, const Sizes& sizes, std::span<const Var> learned, Arena& arena)
    : table(&t), z(sizes) {
  const std::int64_t outputs = t.outputs(z);
  phi = numbers<const T*>(arena, static_cast<std::int64_t>(learned.size()));
  for (std::size_t i = 0; i < learned.size(); ++i) phi[i] = learned[i].value().template data<T>();
  x = numbers<T>(arena, z.batch * GlobalVector(z).size);
  y = numbers<T>(arena, z.batch * outputs);
  gy = numbers<T>(arena, z.batch * outputs);
  sums = numbers<OuterSum>(arena, static_cast<std::int64_t>(t.groups.size()) * GlobalVector::pieces);
}

// A phi of a group with one output per e is the matrix [e, d S], S the size of the piece. One with outputs (e, k) is
// [e, d] matrices [k, S], or for S = 1 e matrices [d, k].

template <class T>
void GlobalCall<T>::forward(Arena& arena) const {
  const GlobalVector at(z);
  const std::int64_t outputs = this->outputs(), B = z.batch, columns = padded(B), d = z.d;
  // The networks are the columns: one vector register holds a number of sixteen of them.
  T *xt = numbers<T>(arena, at.size * columns), *yt = numbers<T>(arena, outputs * columns);
  parallel_blocks(at.size, 1024, [&](std::int64_t begin, std::int64_t end) {
    kernels<T>().transpose(x + begin, at.size, B, end - begin, xt + begin * columns);
  });
  // Several outputs at once: the sum of one alone would wait for itself at every step.
  parallel_blocks(z.e, row_grain(z.e), [&](std::int64_t e0, std::int64_t e1) {
    std::int64_t first = 0;
    for (const GlobalTable::Outputs& group : table->groups) {
      const std::int64_t K = group.per_column ? z.D : 1, r0 = first + e0 * K, r1 = first + e1 * K;
      for (std::int64_t r = r0; r < r1; ++r) std::fill_n(yt + r * columns, columns, phi[group.constant][r - first]);
      for (int i = 0; i < GlobalVector::pieces; ++i) {
        const T *w = phi[group.phi[i]], *from = xt + at.at[i] * columns;
        const std::int64_t S = at.sizes[i];
        if (!group.per_column) {
          product<T>({1, e1 - e0, B, d * S}, {w + e0 * d * S, 0, d * S, 1}, {from, 0, columns, 1}, 1, yt + r0 * columns,
                     0, columns);
          continue;
        }
        for (std::int64_t e = e0; e < e1; ++e) {
          T* to = yt + (first + e * K) * columns;
          if (S == 1)
            product<T>({1, K, B, d}, {w + e * d * K, 0, 1, K}, {from, 0, columns, 1}, 1, to, 0, columns);
          else
            for (std::int64_t c = 0; c < d; ++c)
              product<T>({1, K, B, S}, {w + (e * d + c) * K * S, 0, S, 1}, {from + c * S * columns, 0, columns, 1}, 1,
                         to, 0, columns);
        }
      }
      for (std::int64_t b = 0; b < B; ++b)
        for (std::int64_t r = r0; r < r1; ++r) y[b * outputs + r] = yt[r * columns + b];
      first += z.e * K;
    }
  });
}

template <class T>
void GlobalCall<T>::parameters_vjp(Backward& back, int inputs) const {
  const GlobalVector at(z);
  const std::int64_t outputs = this->outputs(), B = z.batch, d = z.d;
  std::int64_t first = 0;
  OuterSum* sum = sums;
  for (const GlobalTable::Outputs& group : table->groups) {
    const std::int64_t K = group.per_column ? z.D : 1;
    if (const int constant = inputs + group.constant; back.wants(constant)) {
      const Grad<T> to = gradient_of<T>(back, constant);
      for (std::int64_t r = 0; r < z.e * K; ++r) {
        const T total = pairwise_sum<T>(B, [&](std::int64_t b) { return gy[b * outputs + first + r]; });
        add_to<T>({to.data + r, to.beta}, &total, 1);
      }
    }
    for (int i = 0; i < GlobalVector::pieces; ++i, ++sum) {
      const int input = inputs + group.phi[i];
      if (!back.wants(input)) continue;
      const std::int64_t S = at.sizes[i];
      const OuterSum::Side from{x + at.at[i], at.size, 0, S}, of{gy + first, outputs, K, 0};
      if (!group.per_column)
        new (sum) OuterSum{dtype_of<T>, 1, 1, z.e, d * S, B, of, from};
      else if (S == 1)
        new (sum) OuterSum{dtype_of<T>, z.e, 1, d, K, B, from, of};
      else
        new (sum) OuterSum{dtype_of<T>, z.e, d, K, S, B, of, from};
      back.add_outer(input, *sum);
    }
    first += z.e * K;
  }
}

template <class T>
void GlobalCall<T>::input_vjp(T* gx) const {
  const GlobalVector at(z);
  const std::int64_t outputs = this->outputs(), B = z.batch, d = z.d;
  parallel_blocks(d, 1, [&](std::int64_t c, std::int64_t) {
    for (int i = 0; i < GlobalVector::pieces; ++i) {
      const std::int64_t S = at.sizes[i];
      T* to = gx + at.at[i] + c * S;
      for (std::int64_t b = 0; b < B; ++b) std::fill_n(to + b * at.size, S, T(0));
      std::int64_t first = 0;
      for (const GlobalTable::Outputs& group : table->groups) {
        const std::int64_t K = group.per_column ? z.D : 1;
        const T *w = phi[group.phi[i]] + c * K * S, *from = gy + first;
        if (group.per_column)
          for (std::int64_t e = 0; e < z.e; ++e)
            product<T>({1, B, S, K}, {from + e * K, 0, outputs, 1}, {w + e * d * K * S, 0, S, 1}, 1, to, 0, at.size);
        else
          product<T>({1, B, S, z.e}, {from, 0, outputs, 1}, {w, 0, d * S, 1}, 1, to, 0, at.size);
        first += z.e * K;
      }
    }
  });
}

template struct GlobalCall<float>;
template struct GlobalCall<double>;

}  // namespace weft::transformer

#include "weft/nfn/magep/suffix.h"

#include <algorithm>

namespace weft::magep {

template <class T>
OneNetwork<T>::OneNetwork(Arena& arena, const Sizes& z) {
  const int L = z.L();
  for (PerLayer<T>* p : {&W, &b}) {
    p->data = numbers<T*>(arena, L + 1);
    p->stride = numbers<std::int64_t>(arena, L + 1);
    for (int i = 1; i <= L; ++i) {
      p->data[i] = numbers<T>(arena, z.d * (p == &W ? z.weight(i) : z.width(i)));
      p->stride[i] = 0;
    }
  }
}

template <class T>
void OneNetwork<T>::read(const SuffixState<T>& s, std::int64_t net, SuffixState<T>& view) const {
  const Sizes& z = s.z;
  for (int i = 1; i <= z.L(); ++i) {
    s.reading.forward(s.W(i, net), W.data[i], z.d, z.weight(i), s.mask_of(i, net));
    s.reading.forward(s.b(i, net), b.data[i], z.d, z.width(i), nullptr);
  }
  view.W = W, view.b = b;
}

template <class T>
void suffixes(const SuffixState<T>& s, std::int64_t net) {
  const Sizes& z = s.z;
  for (int t = z.L() - 2; t >= 0; --t) {
    const std::int64_t k = z.width(t + 1), n = z.width(t);
    product<T>({z.d, z.nL(), n, k}, {s.suffix(t + 1, net), z.nL() * k, k, 1}, {s.W(t + 1, net), k * n, n, 1}, 0,
               s.S(t, net), z.nL() * n, n);
  }
}

template <class T>
void middle(const SuffixState<T>& s, int i, std::int64_t net) {
  const Sizes& z = s.z;
  const std::int64_t n0 = z.n0(), nL = z.nL();
  const T* S = s.suffix(0, net);
  product<T>({z.d, n0, n0, nL}, {s.psi.WW_zero(i), n0 * nL, nL, 1}, {S, nL * n0, n0, 1}, 0, s.M(i, net), n0 * n0, n0);
  product<T>({z.d, 1, n0, nL}, {s.psi.bW_zero(i), nL, nL, 1}, {S, nL * n0, n0, 1}, 0, s.m(i, net), n0, n0);
}

template <class T>
void middle_vjp(const SuffixState<T>& s, int i, std::int64_t net, const T* gM, const T* gm,
                const SuffixGradient<T>& to) {
  const Sizes& z = s.z;
  const std::int64_t n0 = z.n0(), nL = z.nL();
  const T* S = s.suffix(0, net);
  product<T>({z.d, nL, n0, n0}, {s.psi.WW_zero(i), n0 * nL, 1, nL}, {gM, n0 * n0, n0, 1}, 1, to.S[0], nL * n0, n0);
  product<T>({z.d, nL, n0, 1}, {s.psi.bW_zero(i), nL, 1, 1}, {gm, n0, n0, 1}, 1, to.S[0], nL * n0, n0);
  if (to.psi.WW_zero(i))
    product<T>({z.d, n0, nL, n0}, {gM, n0 * n0, n0, 1}, {S, nL * n0, 1, n0}, 1, to.psi.WW_zero(i), n0 * nL, nL);
  if (to.psi.bW_zero(i))
    product<T>({z.d, 1, nL, n0}, {gm, n0, n0, 1}, {S, nL * n0, 1, n0}, 1, to.psi.bW_zero(i), nL, nL);
}

template <class T>
void end_vector(const SuffixState<T>& s, std::int64_t net) {
  const Sizes& z = s.z;
  const int L = z.L();
  const std::int64_t d = z.d, n0 = z.n0(), nL = z.nL(), matrix = nL * n0, traces = L - 1;
  const EndVector at(z);
  const T *S = s.suffix(0, net), *b = s.b(L, net);
  T* x = s.x + net * at.size;
  std::copy_n(S, d * matrix, x + at.prefix);
  std::copy_n(b, d * nL, x + at.b);
  middle(s, L, net);
  product<T>({d, nL, n0, n0}, {S, matrix, n0, 1}, {s.M(L, net), n0 * n0, n0, 1}, 0, x + at.WW, matrix, n0);
  product<T>({d, nL, n0, 1}, {b, nL, 1, 1}, {s.m(L, net), n0, n0, 1}, 0, x + at.bW, matrix, n0);
  std::fill_n(x + at.Wb, d * nL, T(0));
  for (int t = 1; t < L; ++t)
    for (std::int64_t c = 0; c < d; ++c) {
      const T* left = s.suffix(t, net) + c * z.suffix(t);
      const T* right = s.b(t, net) + c * z.width(t);
      const T* psi = s.psi.bW_trace(t) + c * nL;
      T trace = 0;
      for (std::int64_t p = 0; p < nL; ++p) {
        T sum = 0;
        for (std::int64_t j = 0; j < z.width(t); ++j) sum += left[p * z.width(t) + j] * right[j];
        x[at.Wb + c * nL + p] += sum;
        trace += psi[p] * sum;
      }
      x[at.trace_bW + c * traces + t - 1] = trace;
      trace = 0;
      const T* mixed = s.psi.WW_trace(t) + c * matrix;
      for (std::int64_t p = 0; p < nL; ++p)
        for (std::int64_t q = 0; q < n0; ++q) trace += mixed[q * nL + p] * S[c * matrix + p * n0 + q];
      x[at.trace_WW + c * traces + t - 1] = trace;
    }
}

std::int64_t end_vector_scratch(const Sizes& z) { return z.d * (z.n0() + 1) * z.n0() + z.nL(); }

template <class T>
void end_vector_vjp(const SuffixState<T>& s, std::int64_t net, const T* gx, const SuffixGradient<T>& to, T* scratch) {
  const Sizes& z = s.z;
  const int L = z.L();
  const std::int64_t d = z.d, n0 = z.n0(), nL = z.nL(), matrix = nL * n0, traces = L - 1;
  const EndVector at(z);
  const T *S = s.suffix(0, net), *b = s.b(L, net);
  T *gM = scratch, *gm = gM + d * n0 * n0, *gv = gm + d * n0;
  for (std::int64_t i = 0; i < d * matrix; ++i) to.S[0][i] += gx[at.prefix + i];
  for (std::int64_t i = 0; i < d * nL; ++i) to.b[L][i] += gx[at.b + i];
  product<T>({d, nL, n0, n0}, {gx + at.WW, matrix, n0, 1}, {s.M(L, net), n0 * n0, 1, n0}, 1, to.S[0], matrix, n0);
  product<T>({d, n0, n0, nL}, {S, matrix, 1, n0}, {gx + at.WW, matrix, n0, 1}, 0, gM, n0 * n0, n0);
  product<T>({d, nL, 1, n0}, {gx + at.bW, matrix, n0, 1}, {s.m(L, net), n0, 1, 1}, 1, to.b[L], nL, 1);
  product<T>({d, 1, n0, nL}, {b, nL, nL, 1}, {gx + at.bW, matrix, n0, 1}, 0, gm, n0, n0);
  middle_vjp(s, L, net, gM, gm, to);
  for (int t = 1; t < L; ++t)
    for (std::int64_t c = 0; c < d; ++c) {
      const std::int64_t n = z.width(t);
      const T *left = s.suffix(t, net) + c * z.suffix(t), *right = s.b(t, net) + c * n;
      const T *psi = s.psi.bW_trace(t) + c * nL, *mixed = s.psi.WW_trace(t) + c * matrix;
      const T gWW = gx[at.trace_WW + c * traces + t - 1], gbW = gx[at.trace_bW + c * traces + t - 1];
      T *gS = to.S[t] + c * z.suffix(t), *gb = to.b[t] + c * n, *gS0 = to.S[0] + c * matrix;
      for (std::int64_t p = 0; p < nL; ++p) gv[p] = gx[at.Wb + c * nL + p] + gbW * psi[p];
      for (std::int64_t p = 0; p < nL; ++p)
        for (std::int64_t j = 0; j < n; ++j) {
          gS[p * n + j] += gv[p] * right[j];
          gb[j] += gv[p] * left[p * n + j];
        }
      for (std::int64_t p = 0; p < nL; ++p)
        for (std::int64_t q = 0; q < n0; ++q) gS0[p * n0 + q] += gWW * mixed[q * nL + p];
      if (T* g = to.psi.WW_trace(t))
        for (std::int64_t p = 0; p < nL; ++p)
          for (std::int64_t q = 0; q < n0; ++q) g[c * matrix + q * nL + p] += gWW * S[c * matrix + p * n0 + q];
      if (T* g = to.psi.bW_trace(t))
        for (std::int64_t p = 0; p < nL; ++p) {
          T sum = 0;
          for (std::int64_t j = 0; j < n; ++j) sum += left[p * n + j] * right[j];
          g[c * nL + p] += gbW * sum;
        }
    }
}

template <class T>
void suffixes_vjp(const SuffixState<T>& s, std::int64_t net, T* const* gS, const PerLayer<T>& gW, const T* beta) {
  const Sizes& z = s.z;
  const int L = z.L();
  const std::int64_t nL = z.nL();
  for (int t = 0; t < L - 1; ++t) {
    const std::int64_t m = z.width(t + 1), n = z.width(t);
    product<T>({z.d, nL, m, n}, {gS[t], nL * n, n, 1}, {s.W(t + 1, net), m * n, 1, n}, 1, gS[t + 1], nL * m, m);
    product<T>({z.d, m, n, nL}, {s.suffix(t + 1, net), nL * m, 1, m}, {gS[t], nL * n, n, 1}, beta ? beta[t + 1] : T(1),
               gW(t + 1, net), m * n, n);
  }
  add_to<T>({gW(L, net), beta ? beta[L] : T(1)}, gS[L - 1], z.d * z.weight(L));
}

#define WEFT_INSTANTIATE(T)                                                                                         \
  template struct OneNetwork<T>;                                                                                    \
  template void suffixes(const SuffixState<T>&, std::int64_t);                                                      \
  template void middle(const SuffixState<T>&, int, std::int64_t);                                                   \
  template void middle_vjp(const SuffixState<T>&, int, std::int64_t, const T*, const T*, const SuffixGradient<T>&); \
  template void end_vector(const SuffixState<T>&, std::int64_t);                                                    \
  template void end_vector_vjp(const SuffixState<T>&, std::int64_t, const T*, const SuffixGradient<T>&, T*);        \
  template void suffixes_vjp(const SuffixState<T>&, std::int64_t, T* const*, const PerLayer<T>&, const T*);
WEFT_INSTANTIATE(float)
WEFT_INSTANTIATE(double)
#undef WEFT_INSTANTIATE

}  // namespace weft::magep

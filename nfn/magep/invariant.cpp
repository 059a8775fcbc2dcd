#include "weft/nfn/magep/invariant.h"

#include <memory>

#include "weft/nfn/magep/cost.h"
#include "weft/nfn/magep/device_schedule.h"
#include "weft/nfn/magep/schedule.h"
#include "weft/nfn/magep/sums.h"
#include "weft/nfn/magep/tables.h"
#include "weft/nfn/magep/terms.h"
#include "weft/ops/terms.h"

namespace weft {
namespace {

using namespace magep;

constexpr const char* who = "magep_invariant";

template <class T>
struct State : SuffixState<T> {
  const T* phi[bias_terms + 1];
};

/// The piece of the vector of layer L that phi number m reads.
struct Piece {
  std::int64_t offset, size;
};
Piece piece(const EndVector& at, int m) {
  switch (m) {
    case 1:
      return {at.WW, at.bW - at.WW};
    case 2:
      return {at.prefix, at.WW - at.prefix};
    case 3:
      return {at.bW, at.Wb - at.bW};
    case 4:
      return {at.Wb, at.trace_WW - at.Wb};
    case 5:
      return {at.trace_WW, at.trace_bW - at.trace_WW};
    case 6:
      return {at.trace_bW, at.b - at.trace_bW};
    default:
      return {at.b, at.size - at.b};
  }
}

template <class T>
void forward(const State<T>& s, T* y, Arena& arena) {
  const Sizes& z = s.z;
  const EndVector at(z);
  const auto features = one_each<OneNetwork<T>>(arena, s.reading.changes() ? threads() : 0, z);
  parallel_workers(z.batch, 1, [&](std::int64_t net, std::int64_t, int worker) {
    SuffixState<T> view = s;
    if (s.reading.changes()) features[static_cast<std::size_t>(worker)].read(s, net, view);
    suffixes(view, net);
    end_vector(view, net);
    std::copy_n(s.phi[constant], z.e, y + net * z.e);
  });
  parallel_blocks(z.e, row_grain(z.e), [&](std::int64_t e0, std::int64_t e1) {
    for (int m = 1; m <= 7; ++m) {
      const auto [offset, k] = piece(at, m);
      product<T>({1, z.batch, e1 - e0, k}, {s.x + offset, 0, at.size, 1}, {s.phi[m] + e0 * k, 0, 1, k}, 1, y + e0, 0,
                 z.e);
    }
  });
}

template <class T>
void vjp(const State<T>& s, const FeatureGradients<T>& g, const Grad<T>* phi, const T* gy, Arena& arena) {
  const Sizes& z = s.z;
  const int L = z.L();
  const EndVector at(z);
  T* gx = numbers<T>(arena, z.batch * at.size);
  parallel_blocks(z.e, row_grain(z.e), [&](std::int64_t e0, std::int64_t e1) {
    for (int m = 1; m <= 7; ++m) {
      const auto [offset, k] = piece(at, m);
      product<T>({1, e1 - e0, k, z.batch}, {gy + e0, 0, 1, z.e}, {s.x + offset, 0, at.size, 1}, phi[m].beta,
                 phi[m].data + e0 * k, 0, k);
    }
    for (std::int64_t e = e0; e < e1; ++e) {
      const T sum = pairwise_sum<T>(z.batch, [=](std::int64_t net) { return gy[net * z.e + e]; });
      add_to<T>({phi[constant].data + e, phi[constant].beta}, &sum, 1);
    }
  });

  std::int64_t size = padded(end_vector_scratch(z));
  for (int i = 1; i <= L; ++i) size = std::max(size, padded(z.weight(i)));
  for (int t = 0; t < L; ++t) size += padded(z.d * z.suffix(t)) + padded(z.d * z.width(t + 1));
  PartialSums<T> sums(arena, z.batch, Psi<T>::kinds * (L + 1));
  const PsiSums<T> psi_sums(sums, g.psi, z, arena);
  sums.allocate();
  struct Worker {
    T **S, **b;
    Psi<T> psi;
    T* memory;
  };
  const int copies = s.reading.changes() ? threads() : 0;
  const auto features = one_each<OneNetwork<T>>(arena, copies, z),
             cotangents = one_each<OneNetwork<T>>(arena, copies, z);
  T* zeros = numbers<T>(arena, L + 1);
  std::fill_n(zeros, L + 1, T(0));
  auto* all = numbers<Worker>(arena, threads());
  for (int i = 0; i < threads(); ++i)
    all[i] = {numbers<T*>(arena, L), numbers<T*>(arena, L + 1), PsiSums<T>::table(arena, L), numbers<T>(arena, size)};
  sums.run([&](std::int64_t begin, std::int64_t end, int worker, T* leaf) {
    Worker& mine = all[worker];
    Carve<T> memory{mine.memory};
    for (int t = 0; t < L; ++t) mine.S[t] = memory.take(z.d * z.suffix(t));
    for (int i = 1; i <= L; ++i) mine.b[i] = memory.take(z.d * z.width(i));
    psi_sums.point(mine.psi, leaf);
    for (int m = 1; m <= 7; ++m) {
      const auto [offset, k] = piece(at, m);
      product<T>({1, end - begin, k, z.e}, {gy + begin * z.e, 0, z.e, 1}, {s.phi[m], 0, k, 1}, 0,
                 gx + begin * at.size + offset, 0, at.size);
    }
    SuffixState<T> view = s;
    FeatureGradients<T> to = g;
    if (s.reading.changes()) to.collect_in(cotangents[static_cast<std::size_t>(worker)], zeros);
    for (std::int64_t net = begin; net < end; ++net) {
      if (s.reading.changes()) features[static_cast<std::size_t>(worker)].read(s, net, view);
      for (int t = 0; t < L; ++t) std::fill_n(mine.S[t], z.d * z.suffix(t), T(0));
      for (int i = 1; i <= L; ++i) std::fill_n(mine.b[i], z.d * z.width(i), T(0));
      end_vector_vjp<T>(view, net, gx + net * at.size, {mine.S, mine.b, mine.psi}, memory.at);
      suffixes_vjp<T>(view, net, mine.S, to.W, to.W_beta);
      for (int i = 1; i <= L; ++i) add_to<T>({to.b(i, net), to.b_beta[i]}, mine.b[i], z.d * z.width(i));
      if (s.reading.changes()) g.take(s, net, cotangents[static_cast<std::size_t>(worker)], memory.at);
    }
  });
}

}  // namespace

MagepInvariant::MagepInvariant(const Module& parent, std::string_view name, const Space& space, std::int64_t d,
                               std::int64_t e, bool train_psi)
    : InvariantLayer(parent, name, who,
                     TermList(space, Space::parse("y"),
                              magep_invariant_terms(static_cast<int>(dense_widths(who, space).size()) - 1)),
                     d, e),
      tables_(std::make_shared<magep::Tables>(tables_of(who, list(), ""))) {
  declare(train_psi);
  facts().flops = [widths = tables_->widths, d, e](std::int64_t batch) {
    return magep::invariant_flops({widths, d, e, batch});
  };
}

Var MagepInvariant::run(const Features& x, std::span<const Var> learned, const LayerInput& input) const {
  Tape& tape = x.tape();
  Arena& host = tape.host();
  return with_float(x.dtype(), who, [&](auto tag) {
    using T = decltype(tag);
    const Tensor y = tape.empty({x.batch(), e()}, dtype_of<T>);
    const auto record = [&](auto vjp) { return tape.record(who, y, Type::plain(2), node_inputs(x, learned), vjp); };
    if (tape.backend()) {
      const Output made{y, Type::plain(2)};
      const auto* s = device_forward<T>(*tables_, false, d(), e(), x.vars(), learned, {&made, 1}, in(), input, tape);
      return record([s, tables = tables_.get()](Backward& back) { device_vjp(*s, *tables, back); });
    }
    auto* s = new (host.allocate(sizeof(State<T>))) State<T>{};
    lay_out_suffixes<T>(*s, *tables_, d(), e(), x.vars(), learned, tables_->L(), in(), input, host);
    const auto L = static_cast<std::size_t>(tables_->L());
    for (int m = 1; m <= bias_terms; ++m)
      s->phi[m] = learned[static_cast<std::size_t>(tables_->phi[L].b[m])].value().template data<T>();
    const Arena::Mark mark = host.mark();
    forward(*s, y.data<T>(), host);
    host.rewind(mark);
    return record([s, tables = tables_.get()](Backward& back) {
      back.require_inputs();
      const int L = tables->L(), features = 2 * L;
      const FeatureGradients<T> g = feature_gradients<T>(*tables, back);
      Grad<T> phi[bias_terms + 1];
      for (int m = 1; m <= bias_terms; ++m)
        phi[m] = gradient_of<T>(back, features + tables->phi[static_cast<std::size_t>(L)].b[m]);
      vjp(*s, g, phi, back.cotangent().data<T>(), back.arena());
    });
  });
}

}  // namespace weft

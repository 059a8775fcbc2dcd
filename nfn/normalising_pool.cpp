// The normalising pool as one node. A mean of normed entries times gain plus shift is the mean of normed entries, times
// gain plus shift: so the entries are read once, and only their norms and means are kept.

#include <algorithm>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "weft/groups/rules.h"
#include "weft/nfn/layer_kernels.h"
#include "weft/nfn/pooling.h"
#include "weft/nfn/schedule.h"
#include "weft/ops/contract.h"
#include "weft/ops/pointwise.h"
#include "weft/ops/rows.h"
#include "weft/ops/view.h"

namespace weft {
namespace {

using namespace schedule;

constexpr const char* who = "normalising_pool";

/// One feature [batch, channels, entries]; entries are `rows` runs of `run`. Without gain it is handed through.
template <class T>
struct Pooled {
  const T *x, *gain = nullptr, *shift = nullptr;
  int gain_input = -1;  ///< of the node; the shift's is the next one
  std::int64_t channels, entries, rows = 1, run = 1, kept = 1, at_y = 0;
  bool keeps_run = false;
  std::int64_t *to = nullptr, *by_target = nullptr;  ///< [rows]: see EntrySums
  T* inverse = nullptr;                              ///< 1 / norm [batch, entries]
  T* means = nullptr;                                ///< [batch, channels, kept]

  EntrySums sums() const {
    return {channels, rows, run, kept, keeps_run, to, rows * (keeps_run ? run : 1) / kept, by_target};
  }
};

/// Where the runs of a feature with moved axes go.
template <class T>
void lay_out(Pooled<T>& p, const Var& x, Arena& arena) {
  const int rank = x.shape().rank();
  auto moved = [&](int axis) { return x.type().of_dimension(axis).moves(); };
  int last = rank;  // axes [last, rank) are alike and make a run
  while (last > 2 && moved(last - 1) == moved(rank - 1)) p.run *= x.shape()[--last];
  p.keeps_run = !moved(rank - 1);
  p.rows = x.shape().sub(2, last).numel();
  p.kept = p.keeps_run ? p.run : 1;
  p.to = numbers<std::int64_t>(arena, p.rows);
  std::fill_n(p.to, p.rows, 0);
  std::int64_t inner = 1;
  for (int axis = last - 1; axis >= 2; --axis) {
    const std::int64_t n = x.shape()[axis];
    if (!moved(axis)) {
      for (std::int64_t r = 0; r < p.rows; ++r) p.to[r] += r / inner % n * p.kept;
      p.kept *= n;
    }
    inner *= n;
  }
  p.by_target = numbers<std::int64_t>(arena, p.rows);
  std::iota(p.by_target, p.by_target + p.rows, std::int64_t{0});
  std::sort(p.by_target, p.by_target + p.rows,
            [&](std::int64_t a, std::int64_t b) { return std::pair(p.to[a], a) < std::pair(p.to[b], b); });
}

template <class T>
struct State {
  std::int64_t batch, columns = 0;
  std::span<Pooled<T>> features;
  T* y;
};

template <class T>
void forward(const State<T>& s) {
  parallel_blocks(s.batch, 1, [&](std::int64_t net, std::int64_t) {
    for (const Pooled<T>& p : s.features) {
      const T* x = p.x + net * p.channels * p.entries;
      T* y = s.y + net * s.columns + p.at_y;
      if (!p.gain) {
        std::copy_n(x, p.channels * p.entries, y);
        continue;
      }
      T *inverse = p.inverse + net * p.entries, *means = p.means + net * p.channels * p.kept;
      kernels<T>().inverse_norms(x, p.channels, p.entries, inverse);
      kernels<T>().scaled_sums(p.sums(), x, inverse, means);
      const T scale = static_cast<T>(p.kept) / static_cast<T>(p.entries);
      for (std::int64_t c = 0; c < p.channels; ++c)
        for (std::int64_t i = c * p.kept; i < (c + 1) * p.kept; ++i) {
          means[i] *= scale;
          y[i] = means[i] * p.gain[c] + p.shift[c];
        }
    }
  });
}

template <class T>
void vjp(const State<T>& s, Backward& back) {
  back.require_inputs();
  const T* gy = cotangent_of<T>(back, 0);
  Arena& arena = back.arena();
  auto* gx = numbers<Grad<T>>(arena, static_cast<std::int64_t>(s.features.size()));
  std::int64_t scratch = 0;
  for (std::size_t f = 0; f < s.features.size(); ++f) {
    const Pooled<T>& p = s.features[f];
    const int input = static_cast<int>(f);
    gx[f] = back.wants(input) ? gradient_of<T>(back, input) : Grad<T>{};
    scratch = std::max(scratch, p.channels * p.kept);
    if (!p.gain) continue;
    const Grad<T> gain = gradient_of<T>(back, p.gain_input), shift = gradient_of<T>(back, p.gain_input + 1);
    for (std::int64_t c = 0; c < p.channels; ++c) {
      using Two = SideBySide<T, 2>;  // gradients of gain and shift
      const Two sum = pairwise_sum<Two>(s.batch, [&](std::int64_t net) {
        const T *g = gy + net * s.columns + p.at_y + c * p.kept, *mean = p.means + (net * p.channels + c) * p.kept;
        return pairwise_sum<Two>(p.kept, [=](std::int64_t i) { return Two{{g[i] * mean[i], g[i]}}; });
      });
      gain.data[c] = gain.beta == T(0) ? sum.x[0] : gain.data[c] + sum.x[0];
      shift.data[c] = shift.beta == T(0) ? sum.x[1] : shift.data[c] + sum.x[1];
    }
  }
  T* memory = numbers<T>(arena, padded(scratch) * threads());
  parallel_workers(s.batch, 1, [&](std::int64_t net, std::int64_t, int worker) {
    for (std::size_t f = 0; f < s.features.size(); ++f) {
      const Pooled<T>& p = s.features[f];
      if (!gx[f].data) continue;
      const std::int64_t size = p.channels * p.entries;
      const T* g = gy + net * s.columns + p.at_y;
      T* to = gx[f].data + net * size;
      if (!p.gain) {
        add_to<T>({to, gx[f].beta}, g, size);
        continue;
      }
      T* g_sums = memory + worker * padded(scratch);
      const T scale = static_cast<T>(p.kept) / static_cast<T>(p.entries);
      for (std::int64_t c = 0; c < p.channels; ++c)
        for (std::int64_t i = c * p.kept; i < (c + 1) * p.kept; ++i) g_sums[i] = g[i] * (p.gain[c] * scale);
      kernels<T>().scaled_sums_vjp(p.sums(), p.x + net * size, p.inverse + net * p.entries, g_sums, to,
                                   gx[f].beta != T(0));
    }
  });
}

}  // namespace

NormalisingPool::NormalisingPool(const Module& parent, std::string_view name, const Space& space, std::int64_t channels)
    : Module(parent, name) {
  for (int t = 0; t < static_cast<int>(space.tensors().size()); ++t) {
    const SpaceTensor& tensor = space.tensors()[static_cast<std::size_t>(t)];
    Affine& a = affine_.emplace_back();
    if (space.type(t).plain()) continue;
    a.gain = add_parameter(tensor.name + ".gain", {channels * tensor.taps()}, Init::ones());
    a.shift = add_parameter(tensor.name + ".shift", {channels * tensor.taps()}, Init::zeros());
  }
  facts() = {.text = fmt::format("normalising pool of {} channels", channels),
             .fallback = [](const Backend* backend) -> std::string_view {
               return backend ? "there is no schedule for devices" : "";
             }};
}

Var NormalisingPool::operator()(const Features& given) const {
  const std::span<const Var> features = given.vars();
  if (features.size() != affine_.size())
    throw ShapeError("[{}] {} features; allowed: {}, one per tensor of the space", who, features.size(),
                     affine_.size());
  Tape& tape = features[0].tape();
  const std::size_t count = features.size();
  const std::span<Var> all = tape.variables(3 * count);
  const std::int64_t batch = features[0].shape()[0];
  std::size_t inputs = count;
  for (std::size_t f = 0; f < count; ++f) {
    Var& x = all[f] = features[f];
    const Affine& a = affine_[f];
    const std::int64_t channels = a.gain < 0 ? -1 : parameters().value(a.gain).numel();
    if (x.shape().rank() < 2 || x.shape()[0] != batch || (channels >= 0 && x.shape()[1] != channels))
      throw ShapeError("[{}] tensor '{}' of shape {}; allowed: [{}, {}] and its axes", who, x.name(), x.shape().str(),
                       batch, channels < 0 ? "channels" : fmt::format("{}", channels));
    if (a.gain < 0) continue;
    bool signs = false;
    for (int i = 0; i < x.type().size(); ++i) signs |= x.type()[i].kind()->has_signs();
    if (signs) x = abs(x);
    require(Action::normalise, who, x.name(), x.type());
    all[inputs++] = on(tape, a.gain);
    all[inputs++] = on(tape, a.shift);
  }
  if (tape.backend()) return composed(all.first(count), all.subspan(count));
  Arena& arena = tape.arena();
  return with_float(features[0].dtype(), who, [&](auto tag) {
    using T = decltype(tag);
    auto* s = new (arena.allocate(sizeof(State<T>)))
        State<T>{batch, 0, {numbers<Pooled<T>>(arena, static_cast<std::int64_t>(count)), count}, nullptr};
    int next = static_cast<int>(count);
    for (std::size_t f = 0; f < count; ++f) {
      const Var& x = all[f];
      const std::int64_t channels = x.shape()[1], entries = x.shape().sub(2, x.shape().rank()).numel();
      Pooled<T>& p = *new (&s->features[f]) Pooled<T>{.x = x.value().template data<T>(),
                                                      .channels = channels,
                                                      .entries = entries,
                                                      .kept = entries,
                                                      .at_y = s->columns};
      if (affine_[f].gain >= 0) {
        lay_out(p, x, arena);
        p.gain_input = next;
        p.gain = all[static_cast<std::size_t>(next++)].value().template data<T>();
        p.shift = all[static_cast<std::size_t>(next++)].value().template data<T>();
        p.inverse = numbers<T>(arena, batch * entries);
        p.means = numbers<T>(arena, batch * channels * p.kept);
      }
      s->columns += channels * p.kept;
    }
    const Tensor y = tape.empty({batch, s->columns}, dtype_of<T>);
    s->y = y.template data<T>();
    forward(*s);
    return tape.record(who, y, Type::plain(2), all.first(inputs), [s](Backward& back) { vjp(*s, back); });
  });
}

Var NormalisingPool::composed(std::span<const Var> features, std::span<const Var> learned) const {
  Tape& tape = features[0].tape();
  const std::span<Var> parts = tape.variables(features.size());
  const std::int64_t batch = features[0].shape()[0];
  for (std::size_t f = 0; f < features.size(); ++f) {
    Var x = features[f];
    if (affine_[f].gain >= 0) {
      x = l2_normalise(x, 1);
      for (int axis = x.shape().rank() - 1; axis >= 2; --axis)
        if (x.type().of_dimension(axis).moves()) x = mean(x, axis);
      x = reshape(x, {batch, x.shape()[1], x.shape().sub(2, x.shape().rank()).numel()});
      x = contract("bck,c+c->bck", x, learned[0], learned[1]);
      learned = learned.subspan(2);
    }
    parts[f] = reshape(x, {batch, x.shape().sub(1, x.shape().rank()).numel()});
  }
  return concat(parts, 1);
}

}  // namespace weft

#include "weft/nfn/linear/interpolation.h"

#include <cmath>
#include <optional>

#include "weft/core/constants.h"
#include "weft/core/isa.h"
#include "weft/nfn/layer_kernels.h"

namespace weft {

WEFT_ISA_TABLE(linear::InterpolationKernels, interpolation_kernels)

namespace linear {
namespace {

/// Between nodes the highest frequency turns by at most this angle, in radians: eight points then err by less than 5e-7
/// of its amplitude, and of all amplitudes, most of them of lower frequencies, by less than float32 rounds.
constexpr double most_angle = 0.38;

constexpr std::int64_t block = 64;  ///< nodes whose features are made together
constexpr std::int64_t most_nodes = 4096;
constexpr std::int64_t weights_per_node = 4;  ///< below that products with every weight's features are as fast

}  // namespace

const InterpolationKernels& interpolation() { return WEFT_FOR_ISA(interpolation_kernels); }

namespace {

/// 0 where frequencies are not finite, or all 0.
float nodes_per_unit(const float* frequencies, std::int64_t m) {
  float highest = 0;
  for (std::int64_t k = 0; k < m; ++k) highest = std::max(highest, std::abs(frequencies[k]));
  const double wanted = two_pi<double> * static_cast<double>(highest) / most_angle;
  return wanted > 0 && wanted < 1 << 20 ? static_cast<float>(std::exp2(std::ceil(std::log2(wanted)))) : 0.f;
}

/// The nodes that n weights need; nothing when there are too many of them, or a weight is not finite.
std::optional<Nodes> nodes_for(const float* x, std::int64_t n, float per_unit) {
  float low = x[0], high = x[0], marker = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    low = std::min(low, x[i]), high = std::max(high, x[i]);
    marker += x[i] - x[i];  // NaN from the first number on that is not finite
  }
  const double below = std::floor(static_cast<double>(low) * static_cast<double>(per_unit)),
               above = std::floor(static_cast<double>(high) * static_cast<double>(per_unit));
  constexpr double exact = 1 << 20;  // places between nodes then keep some bits of a float
  if (!(marker == 0) || below < -exact || above > exact) return {};
  const auto first = static_cast<std::int64_t>(below) - points_below;
  const Nodes nodes{{per_unit, first}, static_cast<std::int64_t>(above) - points_below + points - first};
  if (nodes.count > most_nodes || nodes.count * weights_per_node > n) return {};
  return nodes;
}

/// f(first node, number of nodes) by threads.
template <class F>
void each_block(const Nodes& nodes, const F& f) {
  parallel_blocks(nodes.count, block, [&](std::int64_t begin, std::int64_t end) { f(begin, end - begin); });
}

}  // namespace

void interpolate(PiecesCall<float>& call, Arena& arena) {
  const auto& [pieces, arrangements, constants, written, wide] = *call.pieces;
  const float per_unit = nodes_per_unit(call.frequencies, call.m);
  if (per_unit == 0.f || call.batch == 0) return;
  const auto a_count = static_cast<std::int64_t>(arrangements.size()),
             p_count = static_cast<std::int64_t>(pieces.size());
  auto* all = numbers<Nodes>(arena, a_count);
  auto** values = numbers<float*>(arena, p_count);
  for (std::int64_t a = 0; a < a_count; ++a) {
    const Arrangement& arrangement = arrangements[static_cast<std::size_t>(a)];
    bool plain = arrangement.straight;
    for (const Piece& p : pieces)
      plain = plain && (p.arrangement != a || (p.phi_size == 1 && p.straight && p.first && p.columns > 0));
    const Batch<const float>& x = call.in[arrangement.feature];
    all[a] = plain ? nodes_for(x.data, call.batch * x.size, per_unit).value_or(Nodes{}) : Nodes{};
    if (all[a].count == 0) continue;
    const std::int64_t d = call.d(arrangement.feature);
    all[a].features = numbers<float>(arena, d * all[a].count);
    each_block(all[a], [&, nodes = all[a]](std::int64_t begin, std::int64_t count) {
      float places[block];
      for (std::int64_t i = 0; i < count; ++i)
        places[i] = static_cast<float>(nodes.grid.first + begin + i) / nodes.grid.per_unit;
      kernels<float>().fourier(places, count, call.frequencies, call.m, call.sines, nodes.features + begin * d);
    });
  }
  for (std::int64_t k = 0; k < p_count; ++k) {
    const Piece& p = pieces[static_cast<std::size_t>(k)];
    const Nodes& nodes = all[p.arrangement];
    if (nodes.count == 0) continue;
    const std::int64_t d = call.d(p.feature), e = call.out[p.target].channels, row = nodes.row(e);
    values[k] = numbers<float>(arena, nodes.numbers(e));
    std::fill_n(values[k], nodes.numbers(e), 0.f);
    each_block(nodes, [&](std::int64_t begin, std::int64_t count) {
      product<float>({1, count, e, d}, {nodes.features + begin * d, 0, 1, count}, {call.phi[p.parameter], 0, 1, d}, 0,
                     values[k] + begin * row, 0, row);
    });
  }
  call.nodes = all;
  call.values = values;
}

void gradient_of_phi(const Nodes& nodes, const float* gvalues, std::int64_t e, std::int64_t d, Grad<float> gphi) {
  const std::int64_t row = nodes.row(e);
  parallel_blocks(e, row_grain(e), [&](std::int64_t e0, std::int64_t e1) {
    float beta = gphi.beta;
    for (std::int64_t begin = 0; begin < nodes.count; begin += block, beta = 1) {
      const std::int64_t count = std::min(block, nodes.count - begin);
      product<float>({1, e1 - e0, d, count}, {gvalues + begin * row + e0, 0, 1, row},
                     {nodes.features + begin * d, 0, 1, count}, beta, gphi.data + e0 * d, 0, d);
    }
  });
}

}  // namespace linear
}  // namespace weft

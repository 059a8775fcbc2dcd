#pragma once
// What the populations on a device (networks/population/device_networks.h) have in common, as bodies for core/loop.h:
// their mini-batches, dropout, loss, update. nvcc reads it. Channels are padded with zeros to whole channel_lanes, as
// on the CPU, so that four neighbours move at once and a byte of dropout lies where its value does.

#include <cstdint>

#include "weft/core/hd.h"
#include "weft/core/math.h"
#include "weft/core/random_bodies.h"
#include "weft/core/team.h"
#include "weft/nn/optim_rules.h"

namespace weft {

/// The mini-batches of many networks in one epoch or evaluation.
struct DeviceBatches {
  const std::int32_t* steps;      ///< [networks] how far each of them is
  const std::int32_t* items;      ///< [steps, networks, batch], or [steps, batch] if shared; -1: none
  const std::int32_t* lengths;    ///< [steps, networks] tokens that count; null: all
  const std::uint64_t* purposes;  ///< training: [steps, networks, streams] of random numbers
  const float* shares;            ///< training: [steps] 1 / items of the mini-batch
  const std::int32_t* images;     ///< implicit networks: [networks] the image that each stores; else null
  std::uint64_t seed;
  std::int64_t networks, batch, streams;
  bool shared;
};

/// Dropout of one place in the network, by value with one random byte each (networks/population/dropout_bytes.h).
struct DropSite {
  const std::uint8_t* bytes;       ///< of the first network
  const std::int32_t* thresholds;  ///< [networks]; null: everything is kept
  std::int64_t stride;             ///< bytes of a network
};

inline namespace WEFT_ISA {

/// The remainder by `size`; `rest` becomes the quotient. In 32 bits, which hold the numbers of a group of networks: a
/// device divides 64 ten times as slowly.
WEFT_HD std::int64_t take(std::uint32_t& rest, std::int64_t size) {
  const auto by = static_cast<std::uint32_t>(size);
  const std::uint32_t quotient = rest / by, remainder = rest - quotient * by;
  rest = quotient;
  return static_cast<std::int64_t>(remainder);
}

/// Four neighbours, aligned, that move as one.
using Four = SideBySide<float, 4>;

WEFT_HD Four load_four(const float* p) {
#if defined(__CUDA_ARCH__)
  const float4 v = *reinterpret_cast<const float4*>(p);
  return {{v.x, v.y, v.z, v.w}};
#else
  return {{p[0], p[1], p[2], p[3]}};
#endif
}

WEFT_HD void store_four(float* p, const Four& v) {
#if defined(__CUDA_ARCH__)
  *reinterpret_cast<float4*>(p) = make_float4(v.x[0], v.x[1], v.x[2], v.x[3]);
#else
  for (int k = 0; k < 4; ++k) p[k] = v.x[k];
#endif
}

WEFT_HD std::int32_t item_of(const DeviceBatches& b, std::int64_t network, std::int64_t place) {
  const std::int64_t step = b.steps[network];
  return b.items[(b.shared ? step : step * b.networks + network) * b.batch + place];
}

WEFT_HD std::int64_t length_of(const DeviceBatches& b, std::int64_t network, std::int64_t all) {
  return b.lengths ? b.lengths[b.steps[network] * b.networks + network] : all;
}

WEFT_HD RandomStream stream_of(const DeviceBatches& b, std::int64_t network, std::int64_t number) {
  return {b.seed, b.purposes[(b.steps[network] * b.networks + network) * b.streams + number]};
}

/// uniform_index() of core/random.h.
WEFT_HD std::int64_t index_of(RandomStream stream, std::uint64_t i, std::int64_t n) {
  double four[4];
  uniforms(stream, i / 4, four);
  const double u = i % 4 < 2 ? (i % 4 == 0 ? four[0] : four[1]) : (i % 4 == 2 ? four[2] : four[3]);
  const auto index = static_cast<std::int64_t>(u * static_cast<double>(n));
  return index < n ? index : n - 1;
}

/// The same of one network.
struct Drop {
  const std::uint8_t* bytes;
  std::int32_t threshold;
  float scale;

  WEFT_HD bool keeps(std::int64_t at) const { return threshold == 0 || bytes[at] >= threshold; }
  WEFT_HD float operator()(std::int64_t at, float v) const { return keeps(at) ? scale * v : 0.f; }
};

WEFT_HD Drop drop_of(const DropSite& site, std::int64_t network) {
  const std::int32_t threshold = site.thresholds ? site.thresholds[network] : 0;
  return {site.bytes + network * site.stride, threshold, 256.f / static_cast<float>(256 - threshold)};
}

}  // namespace WEFT_ISA

/// Draws the bytes of up to `most` sites, a Philox block of 16 each time.
struct DrawDropout {
  static constexpr const char* name = "draw_dropout";
  static constexpr int most = 12;
  struct Site {
    std::int64_t first, rows, chunks;  ///< first block in the network's memory; rows of an item, blocks of a row
  };
  DeviceBatches batches;
  const std::int32_t* thresholds;
  std::uint8_t* bytes;
  std::int64_t stride, first_block, blocks;  ///< bytes of a network; the blocks of these sites
  int first_site, count;
  bool lengths;  ///< rows are tokens, of which not all may count
  Site sites[most];
};

/// -log softmax(z)[label] of every row; in training z becomes its gradient. A row without an item has neither.
struct CrossEntropyRows {
  static constexpr const char* name = "population_cross_entropy";
  DeviceBatches batches;
  float* z;  ///< [networks, batch, width]
  std::int64_t width, classes;
  const std::int32_t* labels;  ///< of the data set
  float* losses;               ///< [networks, batch]
  std::int32_t* hits;          ///< [networks, batch] whether the label has the largest number, of several the first
};

/// Adds the losses and hits of a mini-batch up, network by network.
struct TallyRows {
  static constexpr const char* name = "population_tally";
  static constexpr int lanes = 32;
  std::int64_t scratch_bytes() const { return 0; }

  std::int64_t batch;
  const float* losses;
  const std::int32_t* hits;
  std::int32_t* steps;
  double *loss, *hit;  ///< [networks]
};

/// What one network's step of its optimiser is.
struct NetworkUpdate {
  static constexpr int most = 8;
  std::int32_t kind;                        ///< UpdateRule::Kind
  std::int32_t step;                        ///< of all epochs, counted from 1
  float of_weights[most], of_biases[most];  ///< constants of the rule's body
};

/// Gradient, check and update of every network, each by its own rule. One whose loss or gradient is no finite number,
/// or too large, keeps its numbers from then on.
struct UpdateNetworks {
  static constexpr const char* name = "update_networks";
  static constexpr int lanes = 256;
  std::int64_t scratch_bytes() const { return 0; }

  std::int64_t networks, batch, numbers, parts;
  const NetworkUpdate* updates;  ///< [steps, networks]
  std::int32_t *steps, *diverged_at;
  const float *losses, *partial;              ///< partial: [networks, parts, numbers], whose sums are the gradients
  const std::uint8_t* decays;                 ///< [numbers] whether it is a weight
  float *gradient, *values, *first, *second;  ///< of states no more than the rules have
};

#define WEFT_POPULATION_LOOPS(X) X(DrawDropout) X(CrossEntropyRows)
#define WEFT_POPULATION_TEAM_LOOPS(X) X(TallyRows) X(UpdateNetworks)

inline namespace WEFT_ISA {

WEFT_HD void loop_at(const DrawDropout& d, std::int64_t i) {
  auto rest = static_cast<std::uint32_t>(i);
  const std::int64_t block = d.first_block + take(rest, d.blocks), n = rest;
  if (d.thresholds[n] == 0) return;
  int number = 0;
  DrawDropout::Site site = d.sites[0];
  for (int s = 1; s < DrawDropout::most; ++s)
    if (s < d.count && block >= d.sites[s].first) {
      number = s;
      site = d.sites[s];
    }
  rest = static_cast<std::uint32_t>(block - site.first);
  const std::int64_t chunk = take(rest, site.chunks), row = take(rest, site.rows), item = rest;
  const std::int64_t rows = d.lengths ? length_of(d.batches, n, site.rows) : site.rows;
  if (row >= rows) return;
  const auto counter = static_cast<std::uint64_t>((item * rows + row) * site.chunks + chunk);
  const PhiloxBlock drawn = stream_of(d.batches, n, d.first_site + number).block(counter);
  auto* to = reinterpret_cast<std::uint32_t*>(d.bytes + n * d.stride + 16 * block);
  for (int k = 0; k < 4; ++k) to[k] = drawn.x[k];
}

WEFT_HD void loop_at(const CrossEntropyRows& c, std::int64_t i) {
  auto rest = static_cast<std::uint32_t>(i);
  const std::int64_t place = take(rest, c.batches.batch), n = rest;
  const std::int32_t item = item_of(c.batches, n, place);
  float* z = c.z + i * c.width;
  if (item < 0) {
    for (std::int64_t k = 0; k < c.width; ++k) z[k] = 0;
    c.losses[i] = 0;
    c.hits[i] = 0;
    return;
  }
  const std::int64_t label = c.labels[item];
  std::int64_t best = 0;
  float largest = z[0];  // a NaN wins
  for (std::int64_t k = 1; k < c.classes; ++k) {
    best = z[best] < z[k] ? k : best;
    largest = Larger{}(largest, z[k]);
  }
  const float sum = pairwise_sum<float>(c.classes, [=](std::int64_t k) { return math::exp(z[k] - largest); });
  c.losses[i] = math::log(sum) - (z[label] - largest);
  c.hits[i] = best == label ? 1 : 0;
  if (!c.batches.shares) return;
  const float share = c.batches.shares[c.batches.steps[n]], factor = share / sum;
  for (std::int64_t k = 0; k < c.width; ++k) {
    const float one = k == label ? share : 0.f;
    z[k] = k < c.classes ? factor * math::exp(z[k] - largest) - one : 0.f;
  }
}

template <class Team>
WEFT_HD void loop_row(const TallyRows& t, const Team& team, std::int64_t n, void*) {
  const float* losses = t.losses + n * t.batch;
  const std::int32_t* hits = t.hits + n * t.batch;
  const double loss =
      team.template sum<double>(t.batch, [=](std::int64_t i) { return static_cast<double>(losses[i]); });
  const double hit = team.template sum<double>(t.batch, [=](std::int64_t i) { return static_cast<double>(hits[i]); });
  team.each(1, [=](std::int64_t) {
    t.loss[n] += loss;
    t.hit[n] += hit;
    ++t.steps[n];
  });
}

template <class Rule, class Team>
WEFT_HD void update_network(const UpdateNetworks& u, const NetworkUpdate& constants, const Team& team, std::int64_t n) {
  static_assert(sizeof(Rule) <= sizeof(float) * NetworkUpdate::most);
  const std::int64_t at = n * u.numbers;
  const float* gradient = u.gradient + at;
  float *values = u.values + at, *first = u.first ? u.first + at : nullptr,
        *second = u.second ? u.second + at : nullptr;
  const std::uint8_t* decays = u.decays;
  const float *of_weights = constants.of_weights, *of_biases = constants.of_biases;
  team.each(u.numbers, [=](std::int64_t k) {
    // Read again for every number: both rules together would not fit the registers.
    const Rule rule = *reinterpret_cast<const Rule*>(decays[k] ? of_weights : of_biases);
    update_at(rule, k, values, gradient, first, second);
  });
}

template <class Team>
WEFT_HD void loop_row(const UpdateNetworks& u, const Team& team, std::int64_t n, void*) {
  const std::int64_t step = u.steps[n];
  const NetworkUpdate& constants = u.updates[step * u.networks + n];
  float* gradient = u.gradient + n * u.numbers;
  const float *partial = u.partial + n * u.parts * u.numbers, *losses = u.losses + n * u.batch;
  const std::int64_t parts = u.parts, numbers = u.numbers;
  const bool diverged = u.diverged_at[n] != 0;
  team.each(numbers, [=](std::int64_t k) {
    gradient[k] = pairwise_sum<float>(parts, [=](std::int64_t p) { return partial[p * numbers + k]; });
  });
  const double loss =
      team.template sum<double>(u.batch, [=](std::int64_t i) { return static_cast<double>(losses[i]); });
  const float square = team.template sum<float>(numbers, [=](std::int64_t k) { return gradient[k] * gradient[k]; });
  const bool finite = loss - loss == 0. && square <= 1e30f;
  if (!diverged && finite) switch (static_cast<UpdateRule::Kind>(constants.kind)) {
#define WEFT_KIND(kind, Body)                           \
  case UpdateRule::Kind::kind:                          \
    update_network<Body<float>>(u, constants, team, n); \
    break;
      WEFT_UPDATE_RULES(WEFT_KIND)
#undef WEFT_KIND
      case UpdateRule::Kind::count:
        break;
    }
  team.each(1, [=](std::int64_t) {
    if (!diverged && !finite) u.diverged_at[n] = constants.step;
    u.steps[n] = static_cast<std::int32_t>(step + 1);
  });
}

}  // namespace WEFT_ISA
}  // namespace weft

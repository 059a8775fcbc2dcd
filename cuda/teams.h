#pragma once
// Teams of several lanes, and the order in which they add: written once for the hardware (cuda/teams.cuh) and for its
// emulation on the host, which the tests run.

#include <cstdint>

#include "weft/core/hd.h"
#include "weft/core/team.h"

namespace weft::cuda::inline WEFT_ISA {

inline constexpr int warp_size = 32;

/// Every lane's value folded with those of all lanes: after each round a lane has what it and `partner(value,
/// distance)`, the value of the lane whose number differs in that bit, had. Plus and Larger commute: all lanes end with
/// the same bits, whatever the timing.
template <int Lanes, class Value, class Partner, class Fold>
WEFT_HD Value butterfly(Value value, const Partner& partner, const Fold& fold) {
  static_assert((Lanes & (Lanes - 1)) == 0);
  for (int distance = Lanes / 2; distance > 0; distance /= 2) value = fold(value, partner(value, distance));
  return value;
}

/// How many of the numbers `lane`, `lane` + Lanes, ... are in [0, n).
template <int Lanes>
WEFT_HD std::int64_t lane_terms(int lane, std::int64_t n) {
  return lane < n ? (n - lane - 1) / Lanes + 1 : 0;
}

/// Lane `lane`'s own part of Σ f(i) over [0, n).
template <int Lanes, class T, class F>
WEFT_HD T lane_sum(int lane, std::int64_t n, const F& f) {
  return pairwise_sum<T>(lane_terms<Lanes>(lane, n), [&](std::int64_t j) { return f(lane + j * Lanes); });
}

/// The same of the largest f(i), at least `low`.
template <int Lanes, class T, class F>
WEFT_HD T lane_max(int lane, std::int64_t n, T low, const F& f) {
  for (std::int64_t i = lane; i < n; i += Lanes) low = Larger{}(low, f(i));
  return low;
}

/// A team as row bodies want it, from a Machine that runs lanes:
///   machine.each(n, f)                       f(i) for all i, lane by lane, all done when it returns
///   machine.template fold<T>(part, fold)     part(lane) of all Machine::lanes folded
template <class Machine>
struct LaneTeam {
  Machine machine;

  template <class F>
  WEFT_HD void each(std::int64_t n, const F& f) const {
    machine.each(n, f);
  }
  template <class T, class F>
  WEFT_HD T sum(std::int64_t n, const F& f) const {
    return machine.template fold<T>([&](int lane) { return lane_sum<Machine::lanes, T>(lane, n, f); }, Plus{});
  }
  template <class T, class F>
  WEFT_HD T max(std::int64_t n, T low, const F& f) const {
    return machine.template fold<T>([&](int lane) { return lane_max<Machine::lanes>(lane, n, low, f); }, Larger{});
  }
};

/// One thread. Adds in SerialTeam's lanes and trees, so with the CPU's bits, but lane after lane: neighbouring threads
/// have neighbouring rows, whatever number of theirs they read, and sixteen sums at once would not fit the registers.
struct ThreadTeam {
  static constexpr int levels = 4;
  static_assert(SerialTeam::lanes == 1 << levels);

  template <class F>
  WEFT_HD void each(std::int64_t n, const F& f) const {
    for (std::int64_t i = 0; i < n; ++i) f(i);
  }
  template <class T, class F>
  WEFT_HD T sum(std::int64_t n, const F& f) const {
    T left[levels] = {}, total = 0;  // left[l]: the finished left half of a subtree of 2^(l + 1) lanes
#if defined(__CUDA_ARCH__)
#pragma unroll 1  // sixteen copies of f would not fit the registers either
#endif
    for (int leaf = 0; leaf < SerialTeam::lanes; ++leaf) {
      // The tree's leaves from left to right are the lanes with their bits reversed.
      const int lane = (leaf & 1) << 3 | (leaf & 2) << 1 | (leaf & 4) >> 1 | (leaf & 8) >> 3;
      total = lane_sum<SerialTeam::lanes, T>(lane, n, f);
      bool right = true;
      for (int level = 0; level < levels; ++level) {  // unrolled: no index that only running code knows
        const bool ends = right && (leaf >> level & 1) != 0;
        if (right && !ends) left[level] = total;
        if (ends) total = left[level] + total;
        right = ends;
      }
    }
    return total;
  }
  template <class T, class F>
  WEFT_HD T max(std::int64_t n, T low, const F& f) const {
    return lane_max<1>(0, n, low, f);
  }
};

}  // namespace weft::cuda::inline WEFT_ISA

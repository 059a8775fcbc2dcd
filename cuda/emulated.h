#pragma once
// The launches of cuda/launch.cuh on the host, for tests on machines without a device: thread by thread, and warps in
// lock step, which add in the order of the hardware's. The kernels' sources are then compiled as C++.

#include <array>
#include <cstring>
#include <functional>
#include <vector>

#include "weft/core/error.h"
#include "weft/cuda/bodies.h"
#include "weft/cuda/loop_bodies.h"
#include "weft/cuda/rows_loop.h"
#include "weft/cuda/teams.h"

namespace weft::cuda::inline WEFT_ISA {

/// Runs a launch, or records it while the emulated device records. Whoever emulates a device defines it.
void enqueue(std::function<void()> launch);

/// One number for each lane of a warp.
template <class T>
struct OfLanes {
  std::array<T, warp_size> x;

  bool agree() const {
    for (const T& other : x)
      if (std::memcmp(&other, x.data(), sizeof(T)) != 0) return false;
    return true;
  }
};

/// What a shuffle gives every lane.
struct LockstepShuffle {
  template <class T>
  OfLanes<T> operator()(const OfLanes<T>& value, int distance) const {
    OfLanes<T> partner;
    for (int lane = 0; lane < warp_size; ++lane)
      partner.x[static_cast<std::size_t>(lane)] = value.x[static_cast<std::size_t>(lane ^ distance)];
    return partner;
  }
};

template <class Fold>
struct InEveryLane {
  Fold fold;
  template <class T>
  OfLanes<T> operator()(const OfLanes<T>& a, const OfLanes<T>& b) const {
    OfLanes<T> c;
    for (std::size_t lane = 0; lane < warp_size; ++lane) c.x[lane] = fold(a.x[lane], b.x[lane]);
    return c;
  }
};

/// `Warps` warps in lock step: 1 is Warp, more are Block. `backwards` runs the lanes of each() in the other order: a
/// body in which one lane reads what another writes would show. Throws DeviceError when lanes end a fold with different
/// numbers.
template <int Warps>
struct Emulated {
  static constexpr int lanes = Warps * warp_size;
  bool backwards = false;

  template <class F>
  void each(std::int64_t n, const F& f) const {
    for (int l = 0; l < lanes; ++l)
      for (std::int64_t i = backwards ? lanes - 1 - l : l; i < n; i += lanes) f(i);
  }
  template <class T, class Part, class Fold>
  T fold(const Part& part, const Fold& fold) const {
    OfLanes<T> of_warp;
    for (int w = 0; w < Warps; ++w) {
      OfLanes<T> parts;
      for (int l = 0; l < warp_size; ++l) parts.x[static_cast<std::size_t>(l)] = part(w * warp_size + l);
      const OfLanes<T> all = agreed(butterfly<warp_size>(parts, LockstepShuffle{}, InEveryLane<Fold>{fold}));
      for (std::size_t l = static_cast<std::size_t>(w); l < warp_size; l += Warps) of_warp.x[l] = all.x[0];
    }
    return agreed(butterfly<Warps>(of_warp, LockstepShuffle{}, InEveryLane<Fold>{fold})).x[0];
  }

 private:
  template <class T>
  static const OfLanes<T>& agreed(const OfLanes<T>& all) {
    if (!all.agree()) throw DeviceError("[emulated] the lanes of a warp ended with different numbers");
    return all;
  }
};

/// A grid of a few threads or teams.
inline constexpr std::int64_t emulated_units = 3;

template <class Body>
void launch_range(const char*, const Body& body, const PackRange& s) {
  enqueue([body, s] {
    for (std::int64_t t = 0; t < emulated_units; ++t) range_loop<Body::width>(body, s, t, emulated_units);
  });
}

template <class Op, class Work>
void launch_rows(const Work& work, RowShape s) {
  enqueue([work, s] {
    for (std::int64_t unit = 0; unit < emulated_units; ++unit) switch (row_team(s)) {
        case RowTeam::thread:
          rows_loop<Op, false>(work, ThreadTeam{}, s, unit, emulated_units);
          break;
        case RowTeam::warp:
          rows_loop<Op, true>(work, LaneTeam<Emulated<1>>{}, s, unit, emulated_units);
          break;
        case RowTeam::block:
          rows_loop<Op, true>(work, LaneTeam<Emulated<row_block_warps>>{}, s, unit, emulated_units);
          break;
      }
  });
}

template <class Body>
void launch_team_loop(const Body& body, std::int64_t n) {
  enqueue([body, n] {
    // Every lane order must do; a team's scratch holds what the last one left.
    std::vector<std::max_align_t> scratch(static_cast<std::size_t>(body.scratch_bytes()) / sizeof(std::max_align_t) +
                                          1);
    for (std::int64_t i = 0; i < n; ++i)
      loop_row(body, LaneTeam<Emulated<Body::lanes / warp_size>>{{i % 2 == 1}}, i, scratch.data());
  });
}

}  // namespace weft::cuda::inline WEFT_ISA

#pragma once
// The schedule of LinearLayer on lists of plain products, and of FourierLinear. Internal to nfn/linear.

#include <type_traits>

#include "weft/nfn/linear/pieces.h"
#include "weft/nfn/reading_schedule.h"

namespace weft::linear {

using namespace schedule;

/// One tensor of a batch: network after network, `channels` rows of `size` entries.
template <class T>
struct Batch {
  T* data = nullptr;
  std::int64_t channels = 0, size = 0;
  T* at(std::int64_t net) const { return data + net * channels * size; }
};

/// What the schedules of linear layers are given.
template <class T>
struct Call {
  std::int64_t batch = 0;
  Batch<const T>* in = nullptr;    ///< by feature; of raw weights (one channel) when there are frequencies
  Batch<T>* out = nullptr;         ///< by target
  const T* const* mask = nullptr;  ///< by feature: [batch, channels], or null
  const T* const* phi = nullptr;   ///< by parameter
  Reading<T> reading;
  int features = 0, targets = 0, parameters = 0;

  const T* mask_of(int feature, std::int64_t net) const {
    return mask[feature] ? mask[feature] + net * in[feature].channels : nullptr;
  }
};

struct Nodes;
/// Features of float32 weights are interpolated where that pays (nfn/linear/interpolation.h): double would want more
/// nodes than there are weights.
template <class T>
inline constexpr bool interpolates = std::is_same_v<T, float>;

template <class T>
struct PiecesCall : Call<T> {
  const Pieces* pieces = nullptr;
  const T* frequencies = nullptr;  ///< [m], or null: the features are `in` themselves
  std::int64_t m = 0;
  bool sines = false;
  const Nodes* nodes = nullptr;  ///< by arrangement, where features are interpolated; null: nowhere
  T* const* values = nullptr;    ///< by piece: what phi makes of the features at the nodes

  /// Channels that phi contracts.
  std::int64_t d(int feature) const { return frequencies ? (sines ? m : 2 * m) : this->in[feature].channels; }
};

template <class T>
struct CallGradients {
  Batch<const T>* y;  ///< by target
  Batch<T>* x;        ///< by feature, or null when none is wanted
  T* x_beta;
  const Grad<T>* phi;  ///< by parameter
};

template <class T>
void forward(PiecesCall<T>& call, Arena& arena);
template <class T>
void vjp(const PiecesCall<T>& call, const CallGradients<T>& g, Arena& arena);
/// The same for wide pieces on features in memory: one product per piece for the whole batch.
template <class T>
void forward_wide(PiecesCall<T>& call, Arena& arena);
template <class T>
void vjp_wide(const PiecesCall<T>& call, const CallGradients<T>& g, Arena& arena);

}  // namespace weft::linear

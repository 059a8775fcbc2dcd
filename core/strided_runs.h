#pragma once
// Arrays whose numbers do not lie one behind the other, walked in row-major order: what files of tensors hold, and
// windows of them.

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "weft/core/parallel.h"
#include "weft/core/shape.h"

namespace weft {

/// Places of an axis, each `stride` numbers behind the one before.
struct StridedAxis {
  std::int64_t size, stride;
  bool operator==(const StridedAxis&) const = default;
};

/// An array of up to Shape::max_rank axes, slowest first, as runs along its last one; axes that lie as one would are
/// taken for one. Runs are cut into pieces: what the last axis passes in great steps is walked in tiles, so that a line
/// of the cache is read for all of the rows that it has numbers of.
class StridedRuns {
 public:
  /// Of axes that have a size and a stride, as StridedAxis has.
  template <class Axes>
  explicit StridedRuns(const Axes& axes) {
    std::int64_t numel = 1;
    for (const auto& axis : axes) {
      if (axis.size == 0) {  // no runs: strides of what is empty may be any numbers
        rows_ = 0;
        return;
      }
      numel *= axis.size;
      if (axis.size == 1) continue;
      StridedAxis* last = count_ ? &axes_[count_ - 1] : nullptr;
      if (last && last->stride == axis.size * axis.stride)
        *last = {last->size * axis.size, axis.stride};
      else
        axes_[count_++] = {axis.size, axis.stride};
    }
    if (count_) run_ = axes_[--count_];
    rows_ = run_.size ? numel / run_.size : 0;
    piece_ = std::min<std::int64_t>(run_.size, run_.stride == 1 ? 1 << 16 : 256);
    pieces_ = piece_ ? (run_.size + piece_ - 1) / piece_ : 0;
    tiles_ = count_ && run_.stride > axes_[count_ - 1].stride;
  }

  /// Between one number of a run and the next.
  std::int64_t stride() const { return run_.stride; }

  /// Calls use(from, to, length) for all pieces, on threads of weft: numbers from, from + stride(), … of what lies
  /// there are numbers to, to + 1, … of the array.
  template <class Use>
  void each(const Use& use) const {
    if (rows_ == 0 || pieces_ == 0) return;
    constexpr std::int64_t block = 1 << 18;  // numbers of one thread at a time
    parallel_blocks(rows_ * pieces_, std::max<std::int64_t>(1, block / piece_),
                    [&](std::int64_t begin, std::int64_t end) { each(begin, end, use); });
  }

 private:
  template <class Use>
  void each(std::int64_t begin, std::int64_t end, const Use& use) const {
    std::int64_t row = tiles_ ? begin % rows_ : begin / pieces_, piece = tiles_ ? begin / rows_ : begin % pieces_;
    std::array<std::int64_t, Shape::max_rank> at{};
    std::int64_t from = 0, rest = row;
    for (std::size_t k = count_; k-- > 0; rest /= axes_[k].size) {
      at[k] = rest % axes_[k].size;
      from += at[k] * axes_[k].stride;
    }
    const auto next_row = [&] {
      row = row + 1 < rows_ ? row + 1 : 0;
      for (std::size_t k = count_; k-- > 0;) {
        from += axes_[k].stride;
        if (++at[k] < axes_[k].size) break;
        from -= axes_[k].size * axes_[k].stride;
        at[k] = 0;
      }
      return row == 0;
    };
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t first = piece * piece_;
      use(from + first * run_.stride, row * run_.size + first, std::min(piece_, run_.size - first));
      if (tiles_) {
        piece += next_row();
      } else if (++piece == pieces_) {
        piece = 0;
        next_row();
      }
    }
  }

  std::array<StridedAxis, Shape::max_rank> axes_{};  ///< but the last
  std::size_t count_ = 0;
  StridedAxis run_{1, 1};
  std::int64_t rows_ = 1, piece_ = 1, pieces_ = 1;
  bool tiles_ = false;  ///< all rows of a piece, then those of the next
};

}  // namespace weft

#pragma once
// Weight spaces as data (spec 1.5, text form of spec 7.1): named tensors whose axes are acted on by named group
// factors.

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weft/core/shape.h"
#include "weft/groups/factor.h"
#include "weft/groups/type.h"

namespace weft {

/// One axis of a tensor of a space: the position of its root in Space::factors(), and either a role, for `h` and `h*`,
/// or the factors that scale it, each of this root: `h^0`, `s&n*`.
struct SpaceAxis {
  int factor = 0;
  AxisRole role = AxisRole::vector;
  std::vector<FactorDegree> characters = {};
  bool operator==(const SpaceAxis&) const = default;
};

/// Of an axis by a factor.
inline constexpr int max_degree = 16;

struct SpaceTensor {
  std::string name;
  std::vector<SpaceAxis> axes;
  std::int64_t tap_rows = 1, tap_columns = 1;  ///< a convolution's kernel, folded into the channels

  std::int64_t taps() const { return tap_rows * tap_columns; }
  bool operator==(const SpaceTensor&) const = default;
};

/// An immutable value; copies share their data. Types made from it point into that, so it or a copy must outlive them:
/// what would point into a temporary does not compile.
///     in: fixed(1); out: fixed(10); h1, h2: positive_monomial(16)
///     W1[h1, in*; taps=3x3] b1[h1] W2[h2, h1*] b2[h2] W3[out, h2*] b3[out]
class Space {
 public:
  Space();
  /// Reads the text form: declarations, each before the tensors that use it. Throws ParseError, naming line, column and
  /// what was expected; also for unknown or doubly declared names, a tensor on a factor `per h` without exactly one h
  /// axis, `fixed` per anything, nested per or along, characters of two roots, a factor beyond max_factor_size, tensors
  /// of more than max_numel numbers.
  static Space parse(std::string_view text);
  /// As parse() checks it.
  Space(std::vector<Factor> factors, std::vector<SpaceTensor> tensors);

  /// One declaration per factor, then the tensors, one space apart; parse(str()) == *this.
  std::string str() const;

  const std::vector<Factor>& factors() const&;
  const std::vector<Factor>& factors() const&& = delete;
  const std::vector<SpaceTensor>& tensors() const&;
  const std::vector<SpaceTensor>& tensors() const&& = delete;
  /// Position by name, or -1.
  int find_factor(std::string_view name) const;
  int find_tensor(std::string_view name) const;
  /// Position by name; throws UsageError naming the tensors there are.
  int tensor(std::string_view name) const;

  /// The factor whose places this one has: the one that it is along, or itself.
  int root(int factor) const;
  /// How many copies of the factor there are: one for each place of the factor that it, or its root, is per.
  std::int64_t copies(int factor) const;
  /// The factor that carries them, or -1.
  int heads(int factor) const;
  /// Of one axis: factors and degrees, also where the axis is written by its role.
  std::vector<FactorDegree> characters(const SpaceAxis& axis) const;
  /// The position among the tensor's axes of the one over whose places the copies of axis `axis` run, or -1.
  int head_of(int tensor, int axis) const;
  /// "h", "h1*", "f^0", "s&n*"
  std::string str(const SpaceAxis& axis) const;

  /// Sizes of the tensor's axes, without batch and channels.
  Shape axes_shape(int tensor) const;
  /// [batch, channels * taps, axes...]
  Shape feature_shape(int tensor, std::int64_t batch, std::int64_t channels) const;
  /// Two free axes (batch, channels), then the tensor's axes.
  Type type(int tensor) const&;
  Type type(int tensor) const&& = delete;
  /// Number of values of one network: the sum over the tensors of taps times axes.
  std::int64_t parameters() const;
  /// Of the group as a Lie group, and of all copies of one factor.
  std::int64_t dimension() const;
  std::int64_t dimension(int factor) const;

  /// The same tensors under other names or other groups, for builders: a space whose factor kinds are replaced.
  Space with_kind(FactorKind from, FactorKind to) const;
  /// The same with 1x1 taps: what a layer leaves that folds kernels into channels.
  Space without_taps() const;

  bool operator==(const Space& other) const;

 private:
  void check(int tensor) const;
  void check(const SpaceTensor& tensor, const SpaceAxis& axis) const;
  void check_heads(const SpaceTensor& tensor, const SpaceAxis& axis) const;

  struct Data;
  std::shared_ptr<const Data> data_;
};

/// W1[h1, in*] b1[h1] … W{L}[out, h{L-1}*] b{L}[out] for widths n_0..n_L, L >= 2; hidden factors of kind `hidden`
/// (spec 1.1).
Space mlp_space(std::span<const std::int64_t> widths, FactorKind hidden);

/// The same with taps[i] = {rows, columns} of layer i+1 folded into the channels; 1x1 for dense layers.
Space cnn_space(std::span<const std::int64_t> widths, std::span<const std::array<std::int64_t, 2>> taps,
                FactorKind hidden);

/// Attention of spec 1.2 alone: WQ[h, m, q] WK[h, m, q*] WV[h, m, v] WO[h, v*, m], m fixed.
Space attention_space(std::int64_t D, std::int64_t h, std::int64_t Dk, std::int64_t Dv);

struct TransformerShape {
  std::int64_t D, D_A, h, Dk, Dv;
  int blocks = 1;
};

/// Blocks of spec 1.2. Without residual stream: names as in 7.1 (with one block no suffix; with several every name ends
/// in the block's number, WQ.0, h.0). With residual stream: one factor `s` shared by all blocks (spec 1.4), s* on the
/// input sides.
Space transformer_space(const TransformerShape& shape, bool residual);

/// What stands around the blocks of a network of spec 6.1.
struct TransformerEnds {
  std::int64_t patch;  ///< numbers of an image patch; 0 for a frozen word embedding, which is no tensor of the space
  std::int64_t hidden, classes;  ///< of the classifier's two dense layers
};

/// A whole network of spec 6.1, with two or more blocks: the embedding WE[e, m.0] bE[m.0] (x W convention) where there
/// is one, the blocks, the classifier W1[c, m.{L-1}*] b1[c] W2[out, c*] b2[out] with c: positive_monomial(hidden). With
/// residual stream all of m and s are one factor `s`, which is fixed: positions and word vectors lie on it, are no
/// tensors of the space and stay (spec 1.4).
Space transformer_network_space(const TransformerShape& shape, const TransformerEnds& ends, bool residual = false);

}  // namespace weft

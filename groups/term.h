#pragma once
// Typed terms (spec 7): a layer is a list of formulas that are parsed against its input and output spaces, decided, and
// proved.
//     QK[p,q] := WQ[h,p,x] WK[h,q,x]
//     WA[j,k] += phi1[p,q] QK[p,q]

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weft/groups/space.h"
#include "weft/groups/term_rule.h"

namespace weft {

/// A name with its indices as written. An index of digits only is an integer; `r:4` is an index over four numbers that
/// learned tensors alone share.
struct TermRef {
  std::string name;
  std::vector<std::string> indices;
  std::string str() const;
  bool operator==(const TermRef&) const = default;
};

struct TermProduct {
  std::vector<std::string> mean;
  std::vector<TermRef> refs;
  bool operator==(const TermProduct&) const = default;
};

/// `left += product` or `left := product + …`.
struct TermStatement {
  TermRef left;
  bool let = false;
  std::vector<TermProduct> products;
  int line = 1;
  /// As parse_terms() reads it.
  std::string str() const;
};

/// Reads statements, one a line. Throws ParseError with line and column.
std::vector<TermStatement> parse_terms(std::string_view text);

/// A dot-part of the name starts with phi or psi.
bool is_learned(std::string_view name);

enum class OperandSource : std::uint8_t { feature, let, learned };

/// One index of a product, with the factor it runs over.
struct TermIndex {
  std::string name;
  int factor = -1;  ///< position in TermList::factors()
  std::int64_t size = 0;
  /// Not none: a learned tensor multiplies two places of this index as complex numbers, one for each pair (spec 8.3).
  Mixing complex = Mixing::none;
};

/// An axis of an operand: an index of the product, or (learned tensors only) a fixed position.
struct TermAxis {
  int index = -1;            ///< position in TermResolved::indices, -1 for an integer
  std::int64_t integer = 0;  ///< the position when index == -1
};

struct TermOperand {
  OperandSource source = OperandSource::feature;
  int which = 0;  ///< tensor of the input space, let, or parameter
  std::vector<TermAxis> axes;
};

enum class ParameterKind : std::uint8_t {
  phi,       ///< [e, d, indices…]
  constant,  ///< [e, indices…]: a phi in a term without features
  psi,       ///< [d, indices…]
};

/// A learned tensor of the list: one, however many terms share it.
struct TermParameter {
  std::string name;  ///< "W2.phi3", "psi.WW.2.1"
  ParameterKind kind = ParameterKind::phi;
  std::vector<std::int64_t> index_sizes;
  std::vector<bool> selected;  ///< only integers so far: the size is the largest integer plus one
  std::vector<bool> on_left;   ///< of its first term: the index is not contracted
  std::vector<bool> shared;    ///< with another learned tensor alone: the rank of their product
  std::int64_t taps_in = 1, taps_out = 1;
  int target = -1;  ///< tensor of the output space, -1 for a let
  /// [e * taps_out, d * taps_in, indices…] and as the kind says. e, d: channels of the layer.
  Shape shape(std::int64_t e, std::int64_t d) const;
};

/// What one product may have: so that the interpreter (ops/terms.h) holds it in fixed arrays.
inline constexpr std::size_t max_term_factors = 8, max_term_indices = 29;

/// One product, resolved: value[B, channels, left indices] = scale * Π operands, summed over the indices not on the
/// left.
struct TermResolved {
  bool to_let = false;
  int target = 0;         ///< tensor of the output space, or let
  std::vector<int> left;  ///< per axis of the target: position in `indices` (a repeated one writes the diagonal)
  std::vector<TermIndex> indices;
  std::vector<TermOperand> operands;
  std::vector<int> averaged;  ///< indices of mean(…)
  std::int64_t taps = 1;      ///< of the features on the right
  std::string text;           ///< of its statement
  double scale() const;       ///< 1 / product of the averaged sizes
};

/// An axis of a let, typed by the counts of spec 7.2.
struct TermLetAxis {
  int factor = -1;
  AxisRole role = AxisRole::vector;        ///< of a root without scales
  std::vector<FactorDegree> degrees = {};  ///< sums of those on the right, of signs their parity; none is 0
  bool headed = false;                     ///< some factor of the axis has copies
  int head = -1;                           ///< the axis of the let over which they run; -1 where it was forgotten
};

/// A named intermediate.
struct TermLet {
  std::string name;
  std::vector<TermLetAxis> axes;
  Shape shape;  ///< sizes of its axes
  std::int64_t taps = 1;
};

/// A parsed and resolved list.
class TermList {
 public:
  /// Throws ParseError for what is no term (unknown name, wrong number of indices, an index over axes of two sizes, a
  /// learned index that stands nowhere else, two shapes of one parameter, spaces that define a factor differently) and,
  /// unless `decide_only`, TypeError for the first term that is not equivariant: "[terms] 'WA[j,k] += …', index p (s:
  /// permutation(32)): …".
  TermList(const Space& in, const Space& out, std::string_view text, bool decide_only = false);

  const Space& in() const { return in_; }
  const Space& out() const { return out_; }
  const std::vector<Factor>& factors() const {
    return factors_;
  }  ///< of both spaces, by name; then those of indices with a size
  const std::vector<TermResolved>& terms() const {
    return terms_;
  }  ///< in order of the text; a let's products one after another
  const std::vector<TermLet>& lets() const { return lets_; }                    ///< in order of the text
  const std::vector<TermParameter>& parameters() const { return parameters_; }  ///< in order of first use
  /// One statement a line; TermList reads it again.
  const std::string& text() const { return text_; }

  /// Where index `index` of the term stands.
  std::vector<TermPlace> places(const TermResolved& term, int index) const;
  /// One axis of a tensor of the output (left) or input space as a place; its head is a position among the axes.
  TermPlace place(bool left, int tensor, int axis) const;
  /// Whether an axis has copies: its root, or a factor that scales it by these degrees, is per another.
  bool has_copies(int root, std::span<const FactorDegree> degrees) const;
  /// The rule (spec 7.2, 8.3) on one index of a term.
  TermVerdict verdict(const TermResolved& term, int index) const;
  /// Why term i is not equivariant, or nothing.
  std::optional<std::string> refusal(int term) const;
  /// One line per index of term i: its factor, its places and the rule that allows or refuses it. What `weft verify`
  /// prints.
  std::string proof(int term) const;

  /// Of one parameter (spec 2.5): fan_in is d times its contracted indices, fan_out e times the others (taps included).
  struct Fans {
    double fan_in = 0, fan_out = 0;
  };
  Fans fans(int parameter, std::int64_t e, std::int64_t d) const;
  /// Summed over the phis that add into the same output tensor.
  Fans group_fans(int parameter, std::int64_t e, std::int64_t d) const;
  std::int64_t parameter_count(std::int64_t e, std::int64_t d) const;

 private:
  Space in_, out_;
  std::vector<Factor> factors_;
  std::vector<int> in_positions_, out_positions_;  ///< of the spaces' factors in factors_
  std::vector<TermResolved> terms_;
  std::vector<TermLet> lets_;
  std::vector<TermParameter> parameters_;
  std::string text_;

  friend class TermResolver;
};

}  // namespace weft

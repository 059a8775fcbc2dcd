#pragma once
// The heads of attention modules as factored products, and which of them are equal: what compare_attention() is made
// of.

#include <vector>

#include <Eigen/Core>

#include "weft/core/random.h"
#include "weft/symmetry/attention.h"

namespace weft::equivalence {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Vector = Eigen::VectorXd;

/// left right, never multiplied out: [D, k] [k, D].
struct Product {
  Matrix left, right;
  double norm = 0;   ///< ||left right||_F
  double noise = 0;  ///< the product of the factors' norms: what the rounding of the stored weights is relative to

  Vector times(const Vector& x) const { return left * (right * x); }
  Vector transposed_times(const Vector& x) const { return right.transpose() * (left.transpose() * x); }
};

/// The sum of sign times product, as one product of stacked factors; stacked() leaves its norm at 0.
struct Term {
  double sign;
  const Product* product;
};
Product stacked(const std::vector<Term>& terms);
Product sum(const std::vector<Term>& terms);
/// ||left right||_F, block by block: a difference of equal products comes out as what rounding leaves, not as its root.
double norm(const Matrix& left, const Matrix& right);

/// How many products [D, k] [k, D] one thread takes at a time.
std::int64_t grain(std::int64_t D, std::int64_t k);

struct Head {
  Product qk, vo;  ///< A = WQ WK^T / sqrt(Dk) and B = WV WO, projected after a norm
};

/// Throws as compare_attention() does; `name` is the module's in messages.
std::vector<Head> heads_of(const AttentionModule& module, const char* name, bool after_norm);

/// The module's function in its shortest form: heads whose A are equal to rounding are one with the sum of their B, and
/// what is zero to rounding is left out. It depends on the module alone, so that distances between such forms are those
/// of a metric.
std::vector<Head> reduced(const std::vector<Head>& heads, const AttentionEquivalenceOptions& options);

/// How far two lists of heads are apart, matched one to one so that the largest distance of a pair is the least.
struct HeadMatch {
  bool within = false;  ///< certainly no pair by more than the tolerance
  bool beyond = false;  ///< certainly some pair by more than `decision_gap` times the tolerance
  /// Whose head of a each head of b is, where `within`.
  std::vector<std::int32_t> source;
};
HeadMatch match_heads(const std::vector<Head>& a, const std::vector<Head>& b,
                      const AttentionEquivalenceOptions& options);

/// Heads whose A are hardly told apart: positions in a list of a's heads followed by b's.
struct Group {
  std::vector<std::size_t> heads;
  Product difference;  ///< a's sum of B less b's
};
/// The groups, linked at `decision_gap` times the tolerance, whose sums differ by more than that.
std::vector<Group> differing_groups(const std::vector<Head>& heads, std::size_t heads_of_a,
                                    const AttentionEquivalenceOptions& options);

/// An input on which the modules differ; `groups` of `heads`: those that differ, at least one.
std::optional<AttentionWitness> find_witness(const AttentionModule& a, const AttentionModule& b,
                                             const std::vector<Head>& heads, const std::vector<Group>& groups,
                                             bool after_norm);

/// Whether a few random inputs, with scores of about 2, move no output by more than the tolerance of its size and what
/// rounding may do to it. `heads`: all heads of both modules.
bool agree_on_inputs(const AttentionModule& a, const AttentionModule& b, const std::vector<Head>& heads,
                     const AttentionEquivalenceOptions& options);

/// The element that carries a to b, given whose head of a each head of b is; none where heads are so degenerate that
/// least squares leave more than `allowed` of a tensor.
std::optional<AttentionElement> find_element(const AttentionModule& a, const AttentionModule& b,
                                             const std::vector<std::int32_t>& source, bool after_norm, double allowed);

/// Item i of a tensor [h, rows, columns], in float64; centred: less the mean of every column.
Matrix matrix(const Tensor& t, std::int64_t i, bool centred = false);

}  // namespace weft::equivalence

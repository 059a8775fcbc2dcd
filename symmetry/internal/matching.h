#pragma once
// What match_networks() is made of: what is known of the element so far, the numbers of tensors as rows, and one file
// of symmetry/matching for each of orders, scales and matrices.

#include <vector>

#include "weft/core/parallel.h"
#include "weft/groups/element.h"
#include "weft/symmetry/internal/heads.h"

namespace weft::equivalence {

/// Two networks, the element found so far, and which parts of it are found.
class MatchState {
 public:
  MatchState(const Space& space, std::span<const Tensor> a, std::span<const Tensor> b);

  const Space& space() const { return space_; }
  int tensors() const { return static_cast<int>(space_.tensors().size()); }
  int factors() const { return static_cast<int>(space_.factors().size()); }
  const Factor& factor(int f) const { return space_.factors()[static_cast<std::size_t>(f)]; }
  const std::vector<SpaceAxis>& axes(int t) const { return space_.tensors()[static_cast<std::size_t>(t)].axes; }
  const SpaceAxis& axis(int t, int i) const { return axes(t)[static_cast<std::size_t>(i)]; }

  /// By factor. An order is that of a root; what no element moves is known from the start.
  std::vector<char> order, scale, matrix;
  /// Everything has been found once: an axis that a tensor has twice is taken as known where the other one is looked
  /// at.
  bool refining = false;

  bool complete() const;
  /// Whether some factor has a copy for each place of f.
  bool carries_copies(int f) const;
  /// The characters of an axis that change something; unknown: those among them whose scales are not found.
  std::vector<FactorDegree> acting(const SpaceAxis& axis) const;
  std::vector<FactorDegree> unknown(const SpaceAxis& axis) const;
  bool known(int t, int i) const;
  /// What is unknown of the axis keeps the norm of a vector: orders, signs, orthogonal matrices.
  bool keeps_norms(int t, int i) const;

  /// Tensor t of a, moved by what is found; and of b: float64.
  Tensor image(int t) const;
  Tensor target(int t) const;

  /// The order of a root, all that scales along it and all of its copies are unknown again.
  void forget(int root);
  /// The matrices of a factor are those of the identity again.
  void forget_matrix(int f);

  const Element& element() const { return element_; }
  void set_element(const Element& g);
  /// Parts that do nothing, to be filled in for apply(): what carries image() on to b.
  std::vector<ElementPart> nothing() const;
  void apply(std::vector<ElementPart> step) { set_element(element_.then(Element(space_, std::move(step)))); }

 private:
  void forget_one(int f);

  const Space& space_;
  std::span<const Tensor> a_, b_;
  const Element identity_;
  Element element_;
  mutable std::vector<Tensor> images_, targets_;  ///< of small networks: made once, until the element changes
};

/// Where the numbers of a feature [1, taps, axes…] stand in a matrix with a row for each place of an axis, in each copy
/// of it: row copy n + place.
class RowLayout {
 public:
  struct Axes {
    int rows, head = -1;              ///< of the tensor; head: whose places carry the copies, or -1
    std::vector<int> summed = {};     ///< over whose places columns are summed
    std::vector<int> adjoining = {};  ///< whose places stand in neighbouring columns
  };
  RowLayout(const Shape& shape, const Axes& axes);

  std::int64_t copies = 1, n = 1, columns = 1;
  std::int64_t adjoining = 1;  ///< places of the axes named so, together

  /// f(flat, row, column) for every number.
  template <class F>
  void each(const F& f) const {
    std::vector<std::int64_t> index(size_.size(), 0);
    std::int64_t row = 0, column = 0;
    const std::size_t last = size_.size() - 1;
    for (std::int64_t flat = 0; flat < numel_;) {
      for (std::int64_t k = 0; k < size_[last]; ++k)
        f(flat++, row + k * row_step_[last], column + k * column_step_[last]);
      for (std::size_t d = last; d-- > 0;) {
        row += row_step_[d];
        column += column_step_[d];
        if (++index[d] < size_[d]) break;
        row -= row_step_[d] * size_[d];
        column -= column_step_[d] * size_[d];
        index[d] = 0;
      }
    }
  }

 private:
  std::vector<std::int64_t> size_, row_step_, column_step_;
  std::int64_t numel_ = 1;
};

/// The rows themselves [copies n, columns]. More than `most` columns are summed with random signs into so many: the
/// same ones for every feature of tensor t.
Matrix rows_of(const Tensor& feature, int t, const RowLayout& layout, std::int64_t most);

/// What is made of a and what of b, each on a thread.
template <class A, class B>
void of_both(const A& of_a, const B& of_b) {
  parallel_blocks(2, 1, [&](std::int64_t begin, std::int64_t end) {
    if (begin == 0) of_a();
    if (end == 2) of_b();
  });
}

/// What one source tells of the places of a root: rows of a and of b, of length 1 or 0, and the logarithms of their
/// lengths.
struct Piece {
  Matrix from, to;
  Vector size_from, size_to;
  std::vector<FactorDegree> unknown;  ///< scales that rows of b have beyond those of a
  double weight = 1;

  bool scalar() const { return from.cols() == 1; }
};
Piece piece(Matrix from, Matrix to, std::vector<FactorDegree> unknown);

/// The order that carries rows of a to those of b for one copy of n places, whatever the unknown scales are.
std::vector<std::int32_t> matched_order(const MatchState& state, const std::vector<const Piece*>& pieces,
                                        std::int64_t copy, std::int64_t n);

/// One of the steps of the search: whether it found something.
///   direct   from tensors of which everything else is known
///   loose    from what there is: values sorted along unknown orders; scales of which some places show nothing
enum class Evidence : std::uint8_t { direct, loose };
bool match_orders(MatchState& state, Evidence evidence);
bool solve_scales(MatchState& state, Evidence evidence);
bool solve_matrices(MatchState& state, Evidence evidence);

/// Again, with all other factors held: the order of one root with its scales, one matrix factor.
void match_again(MatchState& state, int root);
void solve_again(MatchState& state, int factor);

}  // namespace weft::equivalence

// Orders of roots: which tensors tell of one, and the assignment that fits them.

#include <algorithm>
#include <cmath>
#include <set>

#include "weft/symmetry/internal/matching.h"

namespace weft::equivalence {
namespace {

constexpr std::int64_t most_columns = 256;  // longer rows are summed at random into so many
constexpr std::int64_t side = 16;           // so many of each tensor of a product
constexpr std::int64_t enough = 32;         // columns by which roots are told at once; with fewer, the best one first

/// A tensor that tells of a root on its axis `rows`.
struct Source {
  int tensor, rows;
  std::vector<int> summed = {}, sorted = {};
  int matrix = -1;     ///< an axis under a matrix of each place: only products over it tell
  bool sizes = false;  ///< unknown signs: sorted without them
};

class Sources {
 public:
  Sources(const MatchState& state, int root, Evidence evidence)
      : state_(state), root_(root), evidence_(evidence), carries_(state.carries_copies(root)) {
    for (int t = 0; t < state.tensors(); ++t) {
      const auto on_root = std::ranges::count_if(state.axes(t), [&](const SpaceAxis& a) { return a.factor == root; });
      if (on_root > 1 && evidence == Evidence::direct && !state.refining) continue;
      for (int i = 0; i < std::ssize(state.axes(t)); ++i)
        if (state.axis(t, i).factor == root) add(t, i);
    }
  }

  /// How many numbers of each place tell it. Of single numbers with unknown scales as many as there are scales do not.
  std::int64_t columns() const {
    std::int64_t out = 0, scaled = 0;
    std::set<int> scales;
    for (const Source& s : alone_) {
      const std::int64_t own = layout(s).columns;
      if (own == 1 && !varies(s.tensor)) continue;
      const std::vector<FactorDegree> unknown = state_.unknown(state_.axis(s.tensor, s.rows));
      if (own > 1 || unknown.empty()) {
        out += own;
        continue;
      }
      ++scaled;
      for (const FactorDegree& c : unknown) scales.insert(c.factor);
    }
    return out + std::max<std::int64_t>(0, scaled - std::ssize(scales)) + std::ssize(pairs_) * side;
  }

  std::vector<Piece> pieces() const {
    std::vector<Piece> out;
    for (const Source& s : alone_) {
      const RowLayout rows = layout(s);
      const std::int64_t most = s.sorted.empty() ? most_columns : rows.columns;
      Matrix from, to;
      of_both([&] { from = rows_of(state_.image(s.tensor), s.tensor, rows, most); },
              [&] { to = rows_of(state_.target(s.tensor), s.tensor, rows, most); });
      for (Matrix* m : {&from, &to}) sort(*m, s, rows.adjoining);
      out.push_back(piece(std::move(from), std::move(to), state_.unknown(state_.axis(s.tensor, s.rows))));
    }
    for (const auto& [left, right] : pairs_) {
      std::vector<FactorDegree> unknown = state_.unknown(state_.axis(left.tensor, left.rows));
      for (const FactorDegree& c : state_.unknown(state_.axis(right.tensor, right.rows))) unknown.push_back(c);
      Matrix from, to;
      of_both([&] { from = products(left, right, state_.image(left.tensor), state_.image(right.tensor)); },
              [&] { to = products(left, right, state_.target(left.tensor), state_.target(right.tensor)); });
      out.push_back(piece(std::move(from), std::move(to), std::move(unknown)));
    }
    return out;
  }

 private:
  void add(int t, int rows) {
    Source s{t, rows};
    for (int j = 0; j < std::ssize(state_.axes(t)); ++j)
      if (j != rows && !take(s, j)) return;
    if (s.matrix < 0) {
      alone_.push_back(std::move(s));
      return;
    }
    if (!varies(t)) return;
    const SpaceAxis& own = state_.axis(t, s.matrix);
    const bool alike = state_.factor(own.factor).kind->self_dual;
    with_matrix_.push_back(s);
    for (const Source& other : with_matrix_) {
      const SpaceAxis& its = state_.axis(other.tensor, other.matrix);
      if (its.factor == own.factor && (alike || its.role != own.role)) pairs_.emplace_back(other, s);
    }
  }

  /// Whether axis j of the source's tensor can be taken into account.
  bool take(Source& s, int j) {
    const SpaceAxis& own = state_.axis(s.tensor, j);
    if (carries_ && state_.space().head_of(s.tensor, j) == s.rows) return take_copies(s, j);
    if (own.factor == root_ && state_.refining) return true;
    if (state_.known(s.tensor, j)) return true;
    if (evidence_ == Evidence::direct || !state_.keeps_norms(s.tensor, j) ||
        !state_.factor(own.factor).kind->has_places())
      return false;
    s.sorted.push_back(j);
    s.sizes |= !state_.unknown(own).empty();
    return true;
  }

  /// An axis with a factor for each place of the root: nothing is known of it before the root is.
  bool take_copies(Source& s, int j) {
    const SpaceAxis& own = state_.axis(s.tensor, j);
    const Factor& f = state_.factor(own.factor);
    if (!f.kind->has_places()) {
      if (s.matrix >= 0) return false;
      s.matrix = j;
      return true;
    }
    if (!state_.acting(own).empty()) return false;
    if (f.kind->ordered) s.summed.push_back(j);
    return true;
  }

  RowLayout layout(const Source& s) const {
    const Shape shape = state_.space().feature_shape(s.tensor, 1, 1);
    if (s.matrix >= 0) return {shape, {s.matrix, s.rows, s.summed, {}}};
    return {shape, {s.rows, state_.space().head_of(s.tensor, s.rows), s.summed, s.sorted}};
  }

  /// Gains of ones and biases of zeros, as networks start, tell no place from another; nor do products with them.
  bool varies(int t) const {
    const Tensor values = state_.target(t);
    const auto all = values.span<double>();
    return std::ranges::any_of(all, [&](double x) { return x != all[0]; });
  }

  static void sort(Matrix& rows, const Source& s, std::int64_t adjoining) {
    if (s.sizes) rows = rows.cwiseAbs();
    if (s.sorted.empty()) return;
    for (Eigen::Index i = 0; i < rows.rows(); ++i)
      for (Eigen::Index c = 0; c < rows.cols(); c += adjoining)
        std::sort(rows.row(i).data() + c, rows.row(i).data() + c + adjoining);
  }

  /// A row for each place of the root: left^T right over the axis that its matrix moves.
  Matrix products(const Source& left, const Source& right, const Tensor& of_left, const Tensor& of_right) const {
    const RowLayout l = layout(left), r = layout(right);
    const Matrix x = rows_of(of_left, left.tensor, l, side), y = rows_of(of_right, right.tensor, r, side);
    Matrix out(l.copies, x.cols() * y.cols());
    for (std::int64_t k = 0; k < l.copies; ++k) {
      const Matrix product = x.middleRows(k * l.n, l.n).transpose() * y.middleRows(k * r.n, r.n);
      out.row(k) = Eigen::Map<const Eigen::RowVectorXd>(product.data(), product.size());
    }
    return out;
  }

  const MatchState& state_;
  const int root_;
  const Evidence evidence_;
  const bool carries_;
  std::vector<Source> alone_, with_matrix_;
  std::vector<std::pair<Source, Source>> pairs_;
};

/// Heads stand before what they carry.
bool ready(const MatchState& state, int root) {
  const int heads = state.space().heads(root);
  return heads < 0 || state.order[static_cast<std::size_t>(heads)];
}

void fill_order(const MatchState& state, int root, const Sources& sources, std::vector<ElementPart>& step) {
  const std::vector<Piece> pieces = sources.pieces();
  ElementPart& part = step[static_cast<std::size_t>(root)];
  for (std::int64_t copy = 0; copy < part.copies; ++copy) {
    std::vector<const Piece*> own;
    for (const Piece& p : pieces)
      if (p.to.rows() == part.copies * part.size) own.push_back(&p);
    const std::vector<std::int32_t> order = matched_order(state, own, copy, part.size);
    std::ranges::copy(order, part.order.begin() + static_cast<std::ptrdiff_t>(copy * part.size));
  }
}

}  // namespace

bool match_orders(MatchState& state, Evidence evidence) {
  std::vector<std::pair<int, Sources>> found;
  std::int64_t most = 0;
  for (int f = 0; f < state.factors(); ++f) {
    if (state.order[static_cast<std::size_t>(f)] || !ready(state, f)) continue;
    found.emplace_back(f, Sources(state, f, evidence));
    most = std::max(most, found.back().second.columns());
  }
  if (most < (evidence == Evidence::direct ? 2 : 1)) return false;
  std::vector<ElementPart> step = state.nothing();
  std::vector<int> matched;
  for (const auto& [f, sources] : found) {
    if (sources.columns() < std::min(most, enough)) continue;
    fill_order(state, f, sources, step);
    matched.push_back(f);
    if (most < enough) break;
  }
  for (const int f : matched) state.order[static_cast<std::size_t>(f)] = true;
  state.apply(std::move(step));
  return true;
}

void match_again(MatchState& state, int root) {
  // Scales were found for the order that is in question.
  const std::vector<char> scale = state.scale;
  for (int f = 0; f < state.factors(); ++f)
    if (state.space().root(f) == root && state.factor(f).kind->scales != Scales::none)
      state.scale[static_cast<std::size_t>(f)] = false;
  state.order[static_cast<std::size_t>(root)] = false;
  std::vector<ElementPart> step = state.nothing();
  const std::vector<std::int32_t> before = step[static_cast<std::size_t>(root)].order;
  fill_order(state, root, Sources(state, root, Evidence::direct), step);
  state.order[static_cast<std::size_t>(root)] = true;
  state.scale = scale;
  if (step[static_cast<std::size_t>(root)].order != before) state.apply(std::move(step));
}

}  // namespace weft::equivalence

// An input on which two attention modules differ, constructed from a group of heads whose sums of B differ.

#include <algorithm>
#include <cmath>

#include "weft/symmetry/internal/heads.h"
#include "weft/symmetry/internal/outputs.h"

namespace weft::equivalence {
namespace {

constexpr double layer_norm_epsilon = 1e-5;
constexpr int attempts = 8, enough = 2;  // after so many, any witness will do
constexpr double plain = 1e-2;           // a relative difference that needs no better one

Vector normals(Eigen::Index n, RandomKey key) {
  const Tensor t = Tensor::zeros({n}, DType::f64);
  fill_normal(t, key);
  return Eigen::Map<const Vector>(t.data<double>(), n);
}

Vector unit(const Vector& x) {
  const double n = x.norm();
  return n > 0 ? Vector(x / n) : x;
}

/// A token direction that the product maps far: its first left singular vector, nearly.
Vector strongest(const Product& p, RandomKey key) {
  Vector x = unit(normals(p.left.rows(), key));
  for (int i = 0; i < 12; ++i) {
    const Vector next = unit(p.times(p.transposed_times(x)));
    if (next.isZero(0)) break;
    x = next;
  }
  return x;
}

/// Tokens as rows. After a norm they must have mean zero and lie where a LayerNorm can put them, |x|² < D.
Matrix admissible(Matrix x, bool after_norm) {
  if (!after_norm) return x;
  x.colwise() -= Vector(x.rowwise().mean());
  const double reach = 0.9 * std::sqrt(static_cast<double>(x.cols())), longest = x.rowwise().norm().maxCoeff();
  return longest > reach ? Matrix(x * (reach / longest)) : x;
}

/// The input whose LayerNorm is x.
Matrix before_norm(Matrix x) {
  for (Eigen::Index t = 0; t < x.rows(); ++t)
    x.row(t) *= std::sqrt(layer_norm_epsilon / (1 - x.row(t).squaredNorm() / static_cast<double>(x.cols())));
  return x;
}

/// How far rounding may move the outputs of these tokens, to first order, in Euclidean norm.
double rounding(const std::vector<Head>& heads, const Matrix& tokens) {
  const double longest = tokens.rowwise().norm().maxCoeff();
  double scores = 0, outputs = 0;
  for (const Head& h : heads) {
    scores = std::max(scores, longest * longest * h.qk.noise);
    outputs += longest * h.vo.noise;
  }
  return 8 * 0x1p-53 * std::sqrt(static_cast<double>(tokens.rows())) * outputs * (4 + scores);
}

/// Tokens, and what the modules make of them.
AttentionWitness evaluate(const AttentionModule& a, const AttentionModule& b, const Matrix& x, bool after_norm) {
  const Matrix input = after_norm ? before_norm(x) : x;
  AttentionWitness w;
  w.x = Tensor::from(std::span<const double>(input.data(), static_cast<std::size_t>(input.size())),
                     {input.rows(), input.cols()});
  w.y_a = evaluate_attention(a, w.x, after_norm);
  w.y_b = evaluate_attention(b, w.x, after_norm);
  return w;
}

class Search {
 public:
  Search(const AttentionModule& a, const AttentionModule& b, const std::vector<Head>& heads,
         const std::vector<Group>& groups, bool after_norm)
      : a_(a), b_(b), heads_(heads), groups_(groups), after_norm_(after_norm) {}

  std::optional<AttentionWitness> run() {
    // One token attends to itself: MHA(x) = x (the sum of all B). It separates unless the groups' sums cancel.
    std::vector<Term> all;
    for (const Group& g : groups_) all.push_back({1, &g.difference});
    try_tokens(calmed(strongest(stacked(all), key_.at("single")).transpose()));
    for (int i = 0; i < attempts && !(best_ && (i > enough || best_->difference >= plain)); ++i)
      try_tokens(i < attempts / 2 ? tokens(i) : calmed(tokens(i)));
    return best_;
  }

 private:
  /// So short that no head's scores are beyond 1, whose rounding would hide what is looked for.
  Matrix calmed(const Matrix& x) const {
    double largest = 0;
    for (const Head& h : heads_) largest = std::max(largest, h.qk.noise);
    largest *= x.rowwise().squaredNorm().maxCoeff();
    return largest > 1 ? Matrix(x / std::sqrt(largest)) : x;
  }

  const Product& scores(const Group& g) const { return heads_[g.heads.front()].qk; }

  /// The group whose A is hardest to tell from that of group c: the nearest one along d.
  const Group* nearest(const Group& c, const Vector& d) const {
    const Vector own = scores(c).times(d);
    const Group* best = nullptr;
    double distance = 0;
    for (const Group& g : groups_) {
      if (&g == &c) continue;
      if (const double x = (scores(g).times(d) - own).norm(); !best || x < distance) {
        best = &g;
        distance = x;
      }
    }
    return best;
  }

  /// A query x and the keys x, x + d, x + e. Its output is x (sum of all B) + sum over groups of (p d + q e) B, p and q
  /// the softmax weights of x A d and x A e. d is what the group's B maps far, x what tells its A from the nearest
  /// one's along d, at scores of about 2; the third key is there because two cannot tell every sum of softmaxes apart.
  Matrix tokens(int attempt) const {
    const RandomKey key = key_.at(static_cast<std::uint64_t>(attempt));
    const Group& c = groups_[static_cast<std::size_t>(attempt) % groups_.size()];
    const Eigen::Index D = c.difference.left.rows();
    const double blur = attempt == 0 ? 0 : 0.3, reach = attempt % 2 ? 5 : 2;
    auto blurred = [&](const Vector& v, const char* purpose) {
      return Vector(unit(v) + blur * unit(normals(D, key.at(purpose))));
    };
    Matrix x(3, D);
    Vector d = blurred(strongest(c.difference, key.at("strongest")), "key"), e = unit(normals(D, key.at("third")));
    if (after_norm_)
      for (Vector* v : {&d, &e}) v->array() -= v->mean();
    const Group* other = nearest(c, d);
    Vector query = blurred(other ? Vector(scores(c).times(d) - scores(*other).times(d)) : scores(c).times(d), "query");
    double largest = 0;
    for (const Group& g : groups_)
      for (const Vector& v : {d, e}) largest = std::max(largest, std::abs(query.dot(scores(g).times(v))));
    if (largest > 0) query *= std::min(reach / largest, 1e100);
    // The same scores from tokens of one size, which no weights are too large or too small for.
    if (const double size = query.norm(); size > 0) {
      const double share = std::sqrt(size / d.norm());
      query /= share;
      d *= share;
      e *= share;
    }
    x.row(0) = query;
    x.row(1) = query + d;
    x.row(2) = query + e;
    return x;
  }

  void try_tokens(const Matrix& wanted) {
    const Matrix x = admissible(wanted, after_norm_);
    AttentionWitness w = evaluate(a_, b_, x, after_norm_);
    const OutputChange change = output_change(w.y_a, w.y_b);
    if (!change.finite() || !(change.change > rounding(heads_, x))) return;
    w.difference = change.relative();
    if (!best_ || w.difference > best_->difference) best_ = std::move(w);
  }

  const AttentionModule &a_, &b_;
  const std::vector<Head>& heads_;
  const std::vector<Group>& groups_;
  const bool after_norm_;
  const RandomKey key_{0, "equivalence witness"};
  std::optional<AttentionWitness> best_;
};

}  // namespace

std::optional<AttentionWitness> find_witness(const AttentionModule& a, const AttentionModule& b,
                                             const std::vector<Head>& heads, const std::vector<Group>& groups,
                                             bool after_norm) {
  return Search(a, b, heads, groups, after_norm).run();
}

bool agree_on_inputs(const AttentionModule& a, const AttentionModule& b, const std::vector<Head>& heads,
                     const AttentionEquivalenceOptions& options) {
  constexpr std::uint64_t inputs = 3;
  constexpr double reach = 2;
  for (std::uint64_t n = 0; n < inputs; ++n) {
    const Eigen::Index D = heads.front().qk.left.rows();
    const RandomKey key = RandomKey(0, "equivalence input").at(n);
    Matrix x(3, D);
    for (Eigen::Index t = 0; t < x.rows(); ++t) x.row(t) = normals(D, key.at(static_cast<std::uint64_t>(t)));
    double largest = 0;
    for (const Head& h : heads)
      largest = std::max(largest, (x * h.qk.left * (h.qk.right * x.transpose())).cwiseAbs().maxCoeff());
    if (largest > 0) x *= std::clamp(std::sqrt(reach / largest), 1e-100, 1e100);
    x = admissible(x, options.after_norm);
    const AttentionWitness w = evaluate(a, b, x, options.after_norm);
    const OutputChange change = output_change(w.y_a, w.y_b);
    if (!(change.change <= options.tolerance * change.size + rounding(heads, x))) return false;
  }
  return true;
}

}  // namespace weft::equivalence

// Which heads of attention modules are equal: a module in its shortest form, and the distance of two such forms.

#include <algorithm>
#include <numeric>

#include "weft/core/parallel.h"
#include "weft/symmetry/internal/heads.h"

namespace weft::equivalence {
namespace {

constexpr Eigen::Index sketch_size = 8;

/// Random projections of every A to 8 x 8: norms of differences survive to within a small factor.
std::vector<Matrix> sketches(const std::vector<Head>& heads) {
  const Eigen::Index D = heads.front().qk.left.rows();
  const Tensor draw = Tensor::zeros({2, D, sketch_size}, DType::f64);
  fill_normal(draw, RandomKey(0, "equivalence sketch"));
  const Matrix left = matrix(draw, 0), right = matrix(draw, 1);
  std::vector<Matrix> out;
  for (const Head& h : heads) out.push_back((left.transpose() * h.qk.left) * (h.qk.right * right));
  return out;
}

/// Two heads, by position in a list, and how far their A are apart.
struct Pair {
  std::size_t i, j;
  double bound, distance = 0;
};

/// The pairs i < j with wanted(i, j) whose A are at most bound(A_i, A_j) apart.
template <class Wanted, class Bound>
std::vector<Pair> near_pairs(const std::vector<Head>& heads, const Wanted& wanted, const Bound& bound) {
  if (heads.empty()) return {};
  const std::vector<Matrix> sketch = sketches(heads);
  std::vector<Pair> pairs;
  for (std::size_t j = 0; j < heads.size(); ++j)
    for (std::size_t i = 0; i < j; ++i) {
      if (!wanted(i, j)) continue;
      const double allowed = bound(heads[i].qk, heads[j].qk);
      if ((sketch[i] - sketch[j]).norm() <= 10 * static_cast<double>(sketch_size) * allowed)
        pairs.push_back({i, j, allowed});
    }
  const Matrix& left = heads.front().qk.left;
  parallel_blocks(static_cast<std::int64_t>(pairs.size()), grain(left.rows(), 2 * left.cols()),
                  [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t n = begin; n < end; ++n) {
                      Pair& p = pairs[static_cast<std::size_t>(n)];
                      p.distance = sum({{1, &heads[p.i].qk}, {-1, &heads[p.j].qk}}).norm;
                    }
                  });
  std::erase_if(pairs, [](const Pair& p) { return !(p.distance <= p.bound); });
  return pairs;
}

std::size_t root(std::vector<std::size_t>& parent, std::size_t i) {
  while (parent[i] != i) i = parent[i] = parent[parent[i]];
  return i;
}

/// Positions of `count` heads, those that pairs link together.
std::vector<std::vector<std::size_t>> linked(std::size_t count, const std::vector<Pair>& pairs) {
  std::vector<std::size_t> parent(count);
  std::iota(parent.begin(), parent.end(), 0u);
  for (const Pair& p : pairs) parent[root(parent, p.i)] = root(parent, p.j);
  std::vector<std::vector<std::size_t>> by_root(count), out;
  for (std::size_t i = 0; i < count; ++i) by_root[root(parent, i)].push_back(i);
  for (auto& group : by_root)
    if (!group.empty()) out.push_back(std::move(group));
  return out;
}

/// What the rounding of stored weights may make of a product that is 0.
double rounded(const AttentionEquivalenceOptions& o, double noise) { return 64 * o.rounding * noise; }

/// Up to this distance two products are not clearly different.
double unclear(const AttentionEquivalenceOptions& o, const Product& p, const Product& q) {
  return decision_gap * o.tolerance * std::max(p.norm, q.norm) + rounded(o, std::max(p.noise, q.noise));
}

/// Whether they are equal, at a distance computed in float64.
bool equal(const AttentionEquivalenceOptions& o, double distance, const Product& p, const Product& q) {
  return distance == 0 || distance + 8 * 0x1p-53 * std::max(p.noise, q.noise) <= o.tolerance * std::max(p.norm, q.norm);
}

}  // namespace

std::vector<Head> reduced(const std::vector<Head>& heads, const AttentionEquivalenceOptions& o) {
  std::vector<Head> out;
  const auto groups = linked(
      heads.size(), near_pairs(
                        heads, [](auto, auto) { return true; },
                        [&](const Product& p, const Product& q) { return rounded(o, std::max(p.noise, q.noise)); }));
  double largest = 0;  // of the sums that are no rounding
  for (const auto& group : groups) {
    // The A that is known best stands for all.
    const std::size_t best = *std::min_element(group.begin(), group.end(), [&](std::size_t i, std::size_t j) {
      return heads[i].qk.noise < heads[j].qk.noise;
    });
    std::vector<Term> terms;
    for (const std::size_t i : group) terms.push_back({1, &heads[i].vo});
    Head head{heads[best].qk, terms.size() == 1 ? heads[group.front()].vo : sum(terms)};
    if (head.qk.norm <= rounded(o, head.qk.noise)) {
      const Eigen::Index D = head.qk.left.rows();
      head.qk = {Matrix::Zero(D, 1), Matrix::Zero(1, D), 0, 0};
    }
    if (head.vo.norm > rounded(o, head.vo.noise)) largest = std::max(largest, head.vo.norm);
    out.push_back(std::move(head));
  }
  // What remains of heads that cancel is left out only where it is small beside what reaches the output.
  std::erase_if(out, [&](const Head& head) {
    return head.vo.norm <= rounded(o, head.vo.noise) && (largest == 0 || head.vo.norm <= o.tolerance * largest);
  });
  return out;
}

namespace {

/// One of every two lists' nodes for each of the other, along the given edges, by augmenting paths (Kuhn 1955): left of
/// every right node, or nothing where there is no such matching.
std::vector<std::int32_t> perfect_matching(const std::vector<std::vector<std::size_t>>& rights_of) {
  constexpr std::size_t none = static_cast<std::size_t>(-1);
  const std::size_t n = rights_of.size();
  std::vector<std::size_t> left_of(n, none), right_of(n, none);
  for (std::size_t start = 0; start < n; ++start) {
    std::vector<std::size_t> from(n, none),
        queue{start};  // breadth first: from which left node a right one was reached
    std::size_t end = none;
    for (std::size_t k = 0; k < queue.size() && end == none; ++k)
      for (const std::size_t right : rights_of[queue[k]]) {
        if (from[right] != none) continue;
        from[right] = queue[k];
        if (left_of[right] == none) {
          end = right;
          break;
        }
        queue.push_back(left_of[right]);
      }
    if (end == none) return {};
    for (std::size_t right = end; right != none;) {
      const std::size_t left = from[right], before = right_of[left];
      left_of[right] = left;
      right_of[left] = right;
      right = before;
    }
  }
  return {left_of.begin(), left_of.end()};
}

}  // namespace

HeadMatch match_heads(const std::vector<Head>& a, const std::vector<Head>& b, const AttentionEquivalenceOptions& o) {
  if (a.size() != b.size()) return {false, true, {}};
  if (a.empty()) return {true, false, {}};
  const std::size_t n = a.size();
  std::vector<Head> heads = a;
  heads.insert(heads.end(), b.begin(), b.end());
  const auto bound = [&](const Product& p, const Product& q) { return unclear(o, p, q); };
  const std::vector<Pair> pairs = near_pairs(
      heads, [&](auto i, auto j) { return i < n && j >= n; }, bound);
  std::vector<double> outputs(pairs.size());
  const Matrix& left = heads.front().vo.left;
  parallel_blocks(static_cast<std::int64_t>(pairs.size()), grain(left.rows(), 2 * left.cols()),
                  [&](std::int64_t begin, std::int64_t end) {
                    for (auto k = static_cast<std::size_t>(begin); k < static_cast<std::size_t>(end); ++k)
                      outputs[k] = sum({{1, &heads[pairs[k].i].vo}, {-1, &heads[pairs[k].j].vo}}).norm;
                  });
  std::vector<std::vector<std::size_t>> within(n), near(n);
  for (std::size_t k = 0; k < pairs.size(); ++k) {
    const Pair& p = pairs[k];
    const Head &one = heads[p.i], &other = heads[p.j];
    if (!(outputs[k] <= unclear(o, one.vo, other.vo))) continue;
    near[p.i].push_back(p.j - n);
    if (equal(o, p.distance, one.qk, other.qk) && equal(o, outputs[k], one.vo, other.vo))
      within[p.i].push_back(p.j - n);
  }
  HeadMatch out;
  out.source = perfect_matching(within);
  out.within = !out.source.empty();
  out.beyond = !out.within && perfect_matching(near).empty();
  return out;
}

std::vector<Group> differing_groups(const std::vector<Head>& heads, std::size_t heads_of_a,
                                    const AttentionEquivalenceOptions& o) {
  const auto groups = linked(heads.size(), near_pairs(
                                               heads, [](auto, auto) { return true; },
                                               [&](const Product& p, const Product& q) { return unclear(o, p, q); }));
  std::vector<Group> all(groups.size());
  std::vector<char> differs(groups.size());
  const Matrix& left = heads.front().vo.left;
  parallel_blocks(static_cast<std::int64_t>(groups.size()), grain(left.rows(), 2 * left.cols()),
                  [&](std::int64_t begin, std::int64_t end) {
                    for (auto n = static_cast<std::size_t>(begin); n < static_cast<std::size_t>(end); ++n) {
                      std::vector<Term> terms;
                      double largest = 0;
                      for (const std::size_t i : groups[n]) {
                        terms.push_back({i < heads_of_a ? 1. : -1., &heads[i].vo});
                        largest = std::max(largest, heads[i].vo.norm);
                      }
                      all[n] = {groups[n], sum(terms)};
                      differs[n] = all[n].difference.norm >
                                   decision_gap * o.tolerance * largest + rounded(o, all[n].difference.noise);
                    }
                  });
  std::vector<Group> out;
  for (std::size_t n = 0; n < all.size(); ++n)
    if (differs[n]) out.push_back(std::move(all[n]));
  return out;
}

}  // namespace weft::equivalence

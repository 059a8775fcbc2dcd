#include "weft/groups/element.h"

#include <cmath>
#include <numeric>

#include "weft/core/error.h"

namespace weft {
namespace {

using Matrix = std::span<double>;

/// Q of a normal matrix by Gram-Schmidt, twice for accuracy: row-major n x n, rows orthonormal.
void orthogonal_matrix(Matrix q, std::int64_t n, Key key) {
  for (std::size_t i = 0; i < q.size(); ++i) q[i] = normal(key, i);
  auto row = [&](std::int64_t i) { return q.subspan(static_cast<std::size_t>(i * n), static_cast<std::size_t>(n)); };
  for (std::int64_t i = 0; i < n; ++i)
    for (int pass = 0; pass < 2; ++pass) {
      for (std::int64_t j = 0; j < i; ++j) {
        const double dot = std::inner_product(row(i).begin(), row(i).end(), row(j).begin(), 0.0);
        for (std::size_t k = 0; k < row(i).size(); ++k) row(i)[k] -= dot * row(j)[k];
      }
      const double norm = std::sqrt(std::inner_product(row(i).begin(), row(i).end(), row(i).begin(), 0.0));
      for (double& x : row(i)) x /= norm;
    }
}

/// c = a b, n x n.
void multiply(std::span<const double> a, std::span<const double> b, Matrix c, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (std::int64_t k = 0; k < n; ++k)
        sum += a[static_cast<std::size_t>(i * n + k)] * b[static_cast<std::size_t>(k * n + j)];
      c[static_cast<std::size_t>(i * n + j)] = sum;
    }
}

/// One GL copy: Q1 diag(s) Q2 and its inverse Q2^T diag(1/s) Q1^T, with s spread over [1, condition].
void random_GL(Matrix m, Matrix inverse, std::int64_t n, Key key, double condition) {
  std::vector<double> a(m.size()), b(m.size()), s(static_cast<std::size_t>(n));
  orthogonal_matrix(a, n, key.at("left"));
  orthogonal_matrix(b, n, key.at("right"));
  for (std::int64_t i = 0; i < n; ++i) {
    // A single direction may not keep its length either; two or more cover the whole range.
    const double share = n == 1 ? 0.5 : static_cast<double>(i) / static_cast<double>(n - 1);
    s[static_cast<std::size_t>(i)] = std::pow(condition, share);
  }
  auto entry = [n](std::vector<double>& x, std::int64_t i, std::int64_t j) -> double& {
    return x[static_cast<std::size_t>(i * n + j)];
  };
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      double forward = 0, backward = 0;
      for (std::int64_t k = 0; k < n; ++k) {
        forward += entry(a, k, i) * s[static_cast<std::size_t>(k)] * entry(b, k, j);
        backward += entry(b, k, i) / s[static_cast<std::size_t>(k)] * entry(a, k, j);
      }
      m[static_cast<std::size_t>(i * n + j)] = forward;
      inverse[static_cast<std::size_t>(i * n + j)] = backward;
    }
}

bool has_order(Kind kind) {
  return kind == Kind::permutation || kind == Kind::positive_monomial || kind == Kind::sign_monomial;
}
bool has_scale(Kind kind) { return kind == Kind::positive_monomial || kind == Kind::sign_monomial; }

ElementPart identity_part(const Space& space, const Factor& f) {
  ElementPart part;
  part.kind = f.kind;
  part.size = f.size;
  part.copies = f.per.empty() ? 1 : space.factors()[static_cast<std::size_t>(space.find_factor(f.per))].size;
  const auto of_one = f.kind == Kind::GL ? product_of_sizes(f.size, f.size) : f.size;
  if (!of_one || !product_of_sizes(*of_one, part.copies))
    throw ShapeError("[element] factor '{}' ({}): its element has 2^60 numbers or more; take a smaller factor", f.name,
                     f.str());
  const auto n = static_cast<std::size_t>(part.size), copies = static_cast<std::size_t>(part.copies);
  if (has_order(f.kind)) {
    part.order.resize(n * copies);
    for (std::size_t i = 0; i < part.order.size(); ++i) part.order[i] = static_cast<std::int32_t>(i % n);
  }
  if (has_scale(f.kind)) part.scale.assign(n * copies, 1.0);
  if (f.kind == Kind::GL) {
    part.matrix.assign(n * n * copies, 0.0);
    for (std::size_t c = 0; c < copies; ++c)
      for (std::size_t i = 0; i < n; ++i) part.matrix[(c * n + i) * n + i] = 1;
    part.inverse = part.matrix;
  }
  return part;
}

void randomise(ElementPart& part, Key key, const ElementRange& range) {
  const auto n = static_cast<std::size_t>(part.size);
  for (std::int64_t c = 0; c < part.copies; ++c) {
    const Key own = key.at(static_cast<std::uint64_t>(c));
    const auto begin = static_cast<std::size_t>(c) * n;
    if (has_order(part.kind)) {
      const auto order = permutation(part.size, own.at("order"));
      bool same = true;
      for (std::size_t i = 0; i < n; ++i) same &= order[i] == static_cast<std::int32_t>(i);
      for (std::size_t i = 0; i < n; ++i) part.order[begin + i] = order[same && range.avoid_identity ? (i + 1) % n : i];
    }
    if (part.kind == Kind::positive_monomial)
      for (std::size_t i = 0; i < n; ++i)
        part.scale[begin + i] = uniform(own.at("scale"), i, range.scale_low, range.scale_high);
    if (part.kind == Kind::sign_monomial && range.signs) {
      for (std::size_t i = 0; i < n; ++i) part.scale[begin + i] = uniform(own.at("sign"), i) < 0.5 ? -1 : 1;
      if (range.avoid_identity) part.scale[begin] = n > 1 ? -part.scale[begin + n - 1] : -1;
    }
    if (part.kind == Kind::GL)
      random_GL(Matrix(part.matrix).subspan(begin * n, n * n), Matrix(part.inverse).subspan(begin * n, n * n),
                part.size, own.at("GL"), range.condition);
  }
}

void check(const Factor& f, const ElementPart& expected, const ElementPart& part) {
  if (part.kind != f.kind || part.size != f.size || part.copies != expected.copies ||
      part.order.size() != expected.order.size() || part.scale.size() != expected.scale.size() ||
      part.matrix.size() != expected.matrix.size() || part.inverse.size() != expected.inverse.size())
    throw ShapeError("[element] factor '{}' ({}): the part has another kind, size or number of copies", f.name,
                     f.str());
  const auto n = static_cast<std::size_t>(f.size);
  for (std::size_t begin = 0; begin < part.order.size(); begin += n) {
    std::vector<bool> seen(n, false);
    for (std::size_t i = 0; i < n; ++i) {
      const std::int32_t to = part.order[begin + i];
      if (to < 0 || to >= f.size || seen[static_cast<std::size_t>(to)])
        throw UsageError("[element] factor '{}' ({}): the order is no permutation", f.name, f.str());
      seen[static_cast<std::size_t>(to)] = true;
    }
  }
  for (double s : part.scale)
    if (!(f.kind == Kind::sign_monomial ? s == 1 || s == -1 : s > 0 && std::isfinite(s)))
      throw UsageError("[element] factor '{}' ({}): scale {}; allowed: {}", f.name, f.str(), s,
                       f.kind == Kind::sign_monomial ? "1 and -1" : "positive numbers");
  std::vector<double> product(n * n);
  for (std::size_t begin = 0; begin < part.matrix.size(); begin += n * n) {
    multiply(std::span(part.matrix).subspan(begin, n * n), std::span(part.inverse).subspan(begin, n * n), product,
             f.size);
    for (std::size_t i = 0; i < n * n; ++i)
      if (!(std::abs(product[i] - (i / n == i % n ? 1 : 0)) < 1e-8))
        throw UsageError("[element] factor '{}' ({}): matrix times inverse is not the identity", f.name, f.str());
  }
}

}  // namespace

Element Element::identity(const Space& space) {
  std::vector<ElementPart> parts;
  for (const Factor& f : space.factors()) parts.push_back(identity_part(space, f));
  return Element(space, std::move(parts));
}

Element Element::random(const Space& space, Key key, const ElementRange& range) {
  std::vector<ElementPart> parts;
  for (const Factor& f : space.factors()) {
    parts.push_back(identity_part(space, f));
    randomise(parts.back(), key.at(f.name), range);
  }
  return Element(space, std::move(parts));
}

Element::Element(const Space& space, std::vector<ElementPart> parts) : space_(space) {
  if (parts.size() != space.factors().size())
    throw ShapeError("[element] {} parts for {} factors", parts.size(), space.factors().size());
  for (std::size_t i = 0; i < parts.size(); ++i)
    check(space.factors()[i], identity_part(space, space.factors()[i]), parts[i]);
  parts_ = std::make_shared<const std::vector<ElementPart>>(std::move(parts));
}

Element Element::then(const Element& next) const {
  if (!(next.space_ == space_)) throw UsageError("[element] composed with an element of another space");
  std::vector<ElementPart> parts;
  for (std::size_t i = 0; i < parts_->size(); ++i) {
    const ElementPart& a = (*parts_)[i];
    const Factor& f = space_.factors()[i];
    const ElementPart* heads =
        f.per.empty() ? nullptr : &(*parts_)[static_cast<std::size_t>(space_.find_factor(f.per))];
    ElementPart out = a;
    const auto n = static_cast<std::size_t>(a.size);
    for (std::size_t k = 0; k < static_cast<std::size_t>(a.copies); ++k) {
      // (g2 g1) on what stands at head tau1[k] before stands at k after the first move: copy tau1[k] of the product
      // uses copy k of g2.
      const std::size_t j = heads ? static_cast<std::size_t>(heads->order[k]) : 0;
      const ElementPart& b = (*next.parts_)[i];
      for (std::size_t r = 0; r < n && !a.order.empty(); ++r) {
        const auto middle = static_cast<std::size_t>(b.order[k * n + r]);
        out.order[j * n + r] = a.order[j * n + middle];
        if (!a.scale.empty()) out.scale[j * n + r] = b.scale[k * n + r] * a.scale[j * n + middle];
      }
      if (a.kind == Kind::GL) {
        const auto block = [&](std::vector<double>& v, std::size_t c) { return Matrix(v).subspan(c * n * n, n * n); };
        const auto constant = [&](const std::vector<double>& v, std::size_t c) {
          return std::span(v).subspan(c * n * n, n * n);
        };
        multiply(constant(b.matrix, k), constant(a.matrix, j), block(out.matrix, j), a.size);
        multiply(constant(a.inverse, j), constant(b.inverse, k), block(out.inverse, j), a.size);
      }
    }
    parts.push_back(std::move(out));
  }
  return Element(space_, std::move(parts));
}

Element Element::inverse() const {
  std::vector<ElementPart> parts;
  for (std::size_t i = 0; i < parts_->size(); ++i) {
    const ElementPart& a = (*parts_)[i];
    const Factor& f = space_.factors()[i];
    const ElementPart* heads =
        f.per.empty() ? nullptr : &(*parts_)[static_cast<std::size_t>(space_.find_factor(f.per))];
    ElementPart out = a;
    const auto n = static_cast<std::size_t>(a.size);
    for (std::size_t k = 0; k < static_cast<std::size_t>(a.copies); ++k) {
      const std::size_t j = heads ? static_cast<std::size_t>(heads->order[k]) : 0;  // g'_k = (g_{tau(k)})^{-1}
      for (std::size_t r = 0; r < n && !a.order.empty(); ++r) {
        const auto to = static_cast<std::size_t>(a.order[j * n + r]);
        out.order[k * n + to] = static_cast<std::int32_t>(r);
        if (!a.scale.empty()) out.scale[k * n + to] = 1 / a.scale[j * n + r];
      }
      for (std::size_t e = 0; e < n * n && a.kind == Kind::GL; ++e) {
        out.matrix[k * n * n + e] = a.inverse[j * n * n + e];
        out.inverse[k * n * n + e] = a.matrix[j * n * n + e];
      }
    }
    parts.push_back(std::move(out));
  }
  return Element(space_, std::move(parts));
}

Element Element::dual() const {
  std::vector<ElementPart> parts = *parts_;
  for (ElementPart& part : parts) {
    for (double& s : part.scale) s = 1 / s;
    const auto n = static_cast<std::size_t>(part.size);
    const std::vector<double> matrix = part.matrix, inverse = part.inverse;
    for (std::size_t e = 0; e < matrix.size(); ++e) {
      const std::size_t transposed = e / (n * n) * n * n + e % n * n + e / n % n;
      part.matrix[e] = inverse[transposed];
      part.inverse[e] = matrix[transposed];
    }
  }
  return Element(space_, std::move(parts));
}

}  // namespace weft

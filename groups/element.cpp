#include "weft/groups/element.h"

#include <cmath>
#include <complex>

#include "weft/core/error.h"
#include "weft/groups/kinds/matrices.h"

namespace weft {
namespace {

ElementPart identity_part(const Space& space, int factor) {
  const Factor& f = space.factors()[static_cast<std::size_t>(factor)];
  ElementPart part{.kind = f.kind, .size = f.size, .copies = space.copies(factor)};
  const bool matrices = f.kind->mixing == Mixing::matrix;
  const auto of_one = matrices ? product_of_sizes(f.size, f.size) : f.size;
  if (!of_one || !product_of_sizes(*of_one, part.copies))
    throw ShapeError("[element] factor '{}' ({}): its element has 2^60 numbers or more; take a smaller factor", f.name,
                     f.str());
  const auto n = static_cast<std::size_t>(part.size), copies = static_cast<std::size_t>(part.copies);
  if (f.kind->ordered && f.along.empty()) {
    part.order.resize(n * copies);
    for (std::size_t i = 0; i < part.order.size(); ++i) part.order[i] = static_cast<std::int32_t>(i % n);
  }
  if (f.kind->scales != Scales::none) part.scale.assign(n * copies, 1.0);
  if (matrices) {
    part.matrix.assign(n * n * copies, 0.0);
    for (std::size_t c = 0; c < copies; ++c)
      for (std::size_t i = 0; i < n; ++i) part.matrix[(c * n + i) * n + i] = 1;
    part.inverse = part.matrix;
  }
  if (f.kind->has_pairs()) {
    part.re.assign(n / 2 * copies, 1.0);
    part.im.assign(n / 2 * copies, 0.0);
  }
  return part;
}

bool allowed(Scales scales, double s) {
  return std::isfinite(s) && (scales == Scales::sign ? s == 1 || s == -1 : scales == Scales::positive ? s > 0 : s != 0);
}

const char* in_words(Scales scales) {
  return scales == Scales::sign ? "1 and -1" : scales == Scales::positive ? "positive numbers" : "numbers other than 0";
}

void check(const Factor& f, const ElementPart& expected, const ElementPart& part) {
  if (part.kind != f.kind || part.size != f.size || part.copies != expected.copies ||
      part.order.size() != expected.order.size() || part.scale.size() != expected.scale.size() ||
      part.matrix.size() != expected.matrix.size() || part.inverse.size() != expected.inverse.size() ||
      part.re.size() != expected.re.size() || part.im.size() != expected.im.size())
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
    if (!allowed(f.kind->scales, s))
      throw UsageError("[element] factor '{}' ({}): scale {}; allowed: {}", f.name, f.str(), s,
                       in_words(f.kind->scales));
  std::vector<double> product(part.matrix.empty() ? 0 : n * n);
  for (std::size_t begin = 0; begin < part.matrix.size(); begin += n * n) {
    kind_tables::multiply(std::span(part.matrix).subspan(begin, n * n), std::span(part.inverse).subspan(begin, n * n),
                          product, f.size);
    for (std::size_t i = 0; i < n * n; ++i)
      if (!(std::abs(product[i] - (i / n == i % n ? 1 : 0)) < 1e-8))
        throw UsageError("[element] factor '{}' ({}): matrix times inverse is not the identity", f.name, f.str());
  }
  for (std::size_t p = 0; p < part.re.size(); ++p)
    if (const double size = std::hypot(part.re[p], part.im[p]); !(size > 0 && std::isfinite(size)))
      throw UsageError("[element] factor '{}' ({}): {} + {} i; allowed: complex numbers other than 0", f.name, f.str(),
                       part.re[p], part.im[p]);
  if (const char* why = f.kind->complaint ? f.kind->complaint(part) : nullptr)
    throw UsageError("[element] factor '{}' ({}): {}", f.name, f.str(), why);
}

/// One copy of a part, with its root's order, which is its own or that of the factor along which it scales.
struct Copy {
  const ElementPart& part;
  std::size_t number, n, begin;
  const std::int32_t* order;  ///< null: no place moves

  Copy(const Element& g, int factor, std::size_t copy)
      : part(g.part(factor)),
        number(copy),
        n(static_cast<std::size_t>(part.size)),
        begin(copy * n),
        order(g.root_part(factor).order.data()) {
    const ElementPart& root = g.root_part(factor);
    if (root.order.empty())
      order = nullptr;
    else if (root.copies > 1)
      order += begin;
  }
  std::size_t from(std::size_t place) const { return order ? static_cast<std::size_t>(order[place]) : place; }
  std::size_t pairs() const { return part.re.empty() ? 0 : n / 2; }
  std::complex<double> pair(std::size_t p) const {
    return {part.re[number * pairs() + p], part.im[number * pairs() + p]};
  }
  std::span<const double> matrix() const { return std::span(part.matrix).subspan(begin * n, n * n); }
  std::span<const double> inverse() const { return std::span(part.inverse).subspan(begin * n, n * n); }
};

void set_pair(ElementPart& part, std::size_t at, std::complex<double> z) {
  part.re[at] = z.real();
  part.im[at] = z.imag();
}

/// Copy j of the product b a.
void compose(const Copy& a, const Copy& b, std::size_t j, ElementPart& out) {
  const std::size_t begin = j * a.n;
  for (std::size_t r = 0; r < a.n && !out.order.empty(); ++r)
    out.order[begin + r] = a.order[static_cast<std::size_t>(b.order[r])];
  for (std::size_t r = 0; r < a.n && !out.scale.empty(); ++r)
    out.scale[begin + r] = b.part.scale[b.begin + r] * a.part.scale[a.begin + b.from(r)];
  for (std::size_t p = 0; p < a.pairs(); ++p) set_pair(out, j * a.pairs() + p, b.pair(p) * a.pair(p));
  if (out.matrix.empty()) return;
  kind_tables::multiply(b.matrix(), a.matrix(), std::span(out.matrix).subspan(begin * a.n, a.n * a.n), out.size);
  kind_tables::multiply(a.inverse(), b.inverse(), std::span(out.inverse).subspan(begin * a.n, a.n * a.n), out.size);
}

/// The inverse of `a` as copy k.
void invert(const Copy& a, std::size_t k, ElementPart& out) {
  const std::size_t begin = k * a.n;
  for (std::size_t r = 0; r < a.n && !out.order.empty(); ++r)
    out.order[begin + a.from(r)] = static_cast<std::int32_t>(r);
  for (std::size_t r = 0; r < a.n && !out.scale.empty(); ++r)
    out.scale[begin + a.from(r)] = 1 / a.part.scale[a.begin + r];
  for (std::size_t p = 0; p < a.pairs(); ++p) set_pair(out, k * a.pairs() + p, 1. / a.pair(p));
  if (out.matrix.empty()) return;
  std::copy(a.inverse().begin(), a.inverse().end(), out.matrix.begin() + static_cast<std::ptrdiff_t>(begin * a.n));
  std::copy(a.matrix().begin(), a.matrix().end(), out.inverse.begin() + static_cast<std::ptrdiff_t>(begin * a.n));
}

/// Where head k of a moved network stood before: the order of the factor that carries the copies.
std::size_t head_before(const Element& g, int factor, std::size_t k) {
  const int heads = g.space().heads(factor);
  if (heads < 0 || g.part(heads).order.empty()) return k;
  return static_cast<std::size_t>(g.part(heads).order[k]);
}

}  // namespace

Element Element::identity(const Space& space) {
  std::vector<ElementPart> parts;
  for (int f = 0; f < std::ssize(space.factors()); ++f) parts.push_back(identity_part(space, f));
  return Element(space, std::move(parts));
}

Element Element::random(const Space& space, RandomKey key, const ElementRange& range) {
  std::vector<ElementPart> parts;
  for (int f = 0; f < std::ssize(space.factors()); ++f) {
    parts.push_back(identity_part(space, f));
    const Factor& factor = space.factors()[static_cast<std::size_t>(f)];
    for (std::int64_t c = 0; c < parts.back().copies && factor.kind->moves(); ++c)
      factor.kind->randomise(parts.back(), c, key.at(factor.name).at(static_cast<std::uint64_t>(c)), range);
  }
  return Element(space, std::move(parts));
}

Element::Element(const Space& space, std::vector<ElementPart> parts) : space_(space) {
  if (parts.size() != space.factors().size())
    throw ShapeError("[element] {} parts for {} factors", parts.size(), space.factors().size());
  for (std::size_t i = 0; i < parts.size(); ++i)
    check(space.factors()[i], identity_part(space, static_cast<int>(i)), parts[i]);
  parts_ = std::make_shared<const std::vector<ElementPart>>(std::move(parts));
}

Element Element::then(const Element& next) const {
  if (!(next.space_ == space_)) throw UsageError("[element] composed with an element of another space");
  std::vector<ElementPart> parts = *parts_;
  for (int f = 0; f < std::ssize(parts); ++f) {
    ElementPart& out = parts[static_cast<std::size_t>(f)];
    for (std::size_t k = 0; k < static_cast<std::size_t>(out.copies); ++k) {
      // (g2 g1) on what stands at head tau1[k] before stands at k after the first move: copy tau1[k] of the product
      // uses copy k of g2.
      const std::size_t j = head_before(*this, f, k);
      compose(Copy(*this, f, j), Copy(next, f, k), j, out);
    }
  }
  return Element(space_, std::move(parts));
}

Element Element::inverse() const {
  std::vector<ElementPart> parts = *parts_;
  for (int f = 0; f < std::ssize(parts); ++f) {
    ElementPart& out = parts[static_cast<std::size_t>(f)];
    for (std::size_t k = 0; k < static_cast<std::size_t>(out.copies); ++k)
      invert(Copy(*this, f, head_before(*this, f, k)), k, out);  // g'_k = (g_{tau(k)})^{-1}
  }
  return Element(space_, std::move(parts));
}

Element Element::dual() const {
  std::vector<ElementPart> parts = *parts_;
  for (ElementPart& part : parts) {
    for (double& s : part.scale) s = 1 / s;
    for (std::size_t p = 0; p < part.re.size(); ++p)
      set_pair(part, p, 1. / std::conj(std::complex(part.re[p], part.im[p])));
    const auto n = static_cast<std::size_t>(part.size);
    const std::vector<double> matrix = part.matrix, inverse = part.inverse;
    for (std::size_t e = 0; e < matrix.size(); ++e) {
      const std::size_t at = kind_tables::transposed(e, n);
      part.matrix[e] = inverse[at];
      part.inverse[e] = matrix[at];
    }
  }
  return Element(space_, std::move(parts));
}

}  // namespace weft

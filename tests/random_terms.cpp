#include "weft/tests/random_terms.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace weft::testing {
namespace {

/// What a term may read or write: a tensor of the space or a let.
struct Operand {
  std::string name;
  std::vector<TermLetAxis> axes;  ///< a tensor's as a let's
  std::int64_t taps = 1;
};

/// An axis of an operand in one product.
struct Place {
  int operand;  ///< 0: on the left
  TermLetAxis axis;
  int head;  ///< place of its head's axis, or -1
};

class Writer {
 public:
  Writer(const Space& space, RandomKey key) : space_(space), draw_(key) {
    const TermList none(space, space, "");
    for (int t = 0; t < std::ssize(space.tensors()); ++t) {
      const SpaceTensor& tensor = space.tensors()[static_cast<std::size_t>(t)];
      Operand operand{tensor.name, {}, tensor.taps()};
      for (int a = 0; a < std::ssize(tensor.axes); ++a) {
        const TermPlace place = none.place(false, t, a);
        operand.axes.push_back({place.factor, place.role, place.degrees, place.headed, place.head});
      }
      operands_.push_back(std::move(operand));
    }
  }

  RandomTerms run() {
    if (draw_.chance(0.3)) add_let("X1");
    if (draw_.chance(0.1)) add_let("X2.0");
    term();
    return out_;
  }

 private:
  const Factor& factor(int i) const { return space_.factors()[static_cast<std::size_t>(i)]; }
  bool moves(const TermLetAxis& axis) const { return factor(axis.factor).kind->moves() || !axis.degrees.empty(); }

  int root(int place) const {
    while (parent_[static_cast<std::size_t>(place)] != place) place = parent_[static_cast<std::size_t>(place)];
    return place;
  }
  void unite(int a, int b) { parent_[static_cast<std::size_t>(root(a))] = root(b); }

  void append(const Operand& operand, int number) {
    const int begin = static_cast<int>(places_.size());
    for (const TermLetAxis& axis : operand.axes) {
      places_.push_back({number, axis, axis.head < 0 ? -1 : begin + axis.head});
      parent_.push_back(static_cast<int>(parent_.size()));
    }
  }

  /// Whether the rule could want places a and b to share an index.
  bool fits(const Place& a, const Place& b) const {
    if (a.axis.factor != b.axis.factor) return false;
    std::vector<TermPlace> both;
    for (const Place* p : {&a, &b})
      both.push_back({p->operand == 0, "", p->axis.factor, p->axis.role, p->axis.degrees});
    return term_verdict(space_.factors(), both).allowed;
  }

  /// Pairs places of moved factors, heads along with what they carry.
  void pair() {
    std::vector<bool> done(places_.size(), false);
    for (int a = 0; a < static_cast<int>(places_.size()); ++a) {
      const auto ia = static_cast<std::size_t>(a);
      if (done[ia] || !moves(places_[ia].axis)) continue;
      std::vector<int> partners;
      for (int b = a + 1; b < static_cast<int>(places_.size()); ++b)
        if (!done[static_cast<std::size_t>(b)] && fits(places_[ia], places_[static_cast<std::size_t>(b)]))
          partners.push_back(b);
      if (partners.empty() ||
          (places_[ia].axis.degrees.empty() && factor(places_[ia].axis.factor).kind->has_places() && draw_.chance(0.4)))
        continue;
      const int b = draw_.of(partners);
      unite(a, b);
      done[ia] = done[static_cast<std::size_t>(b)] = true;
      if (places_[ia].head >= 0 && places_[static_cast<std::size_t>(b)].head >= 0)
        unite(places_[ia].head, places_[static_cast<std::size_t>(b)].head);
    }
  }

  /// Unites anything over one factor, now and then over two of one size.
  void mingle() {
    for (int a = 0; a < static_cast<int>(places_.size()); ++a)
      for (int b = 0; b < a; ++b) {
        const Factor &fa = factor(places_[static_cast<std::size_t>(a)].axis.factor),
                     &fb = factor(places_[static_cast<std::size_t>(b)].axis.factor);
        if (&fa == &fb ? draw_.chance(0.3) : fa.size == fb.size && draw_.chance(0.01)) unite(a, b);
      }
  }

  std::string index_of(int place) {
    static constexpr const char* letters[] = {"j", "k", "l", "m", "n", "p", "q", "r", "s", "t", "u", "v", "w"};
    const int r = root(place);
    const auto known = std::find(roots_.begin(), roots_.end(), r);
    const auto i = static_cast<std::size_t>(known - roots_.begin());
    if (known == roots_.end()) roots_.push_back(r);
    return i < std::size(letters) ? letters[i] : fmt::format("i{}", i);
  }

  static std::string with(const std::string& name, const std::vector<std::string>& indices) {
    return indices.empty() ? name : fmt::format("{}[{}]", name, fmt::join(indices, ","));
  }

  /// Draws operands with equal taps and gives every place an index.
  void product(const Operand* left, int degree) {
    places_.clear();
    parent_.clear();
    roots_.clear();
    refs_.clear();
    on_left_.clear();
    on_right_.clear();
    if (left) append(*left, 0);
    std::vector<const Operand*> chosen;
    while (static_cast<int>(chosen.size()) < degree) {
      const Operand& operand = draw_.of(operands_);
      if (!chosen.empty() && operand.taps != chosen[0]->taps) continue;
      chosen.push_back(&operand);
      append(operand, static_cast<int>(chosen.size()));
    }
    if (draw_.chance(0.5))
      pair();
    else
      mingle();
    std::vector<std::vector<std::string>> indices(chosen.size() + 1);
    for (int p = 0; p < static_cast<int>(places_.size()); ++p)
      indices[static_cast<std::size_t>(places_[static_cast<std::size_t>(p)].operand)].push_back(index_of(p));
    on_left_ = indices[0];
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      refs_.push_back(with(chosen[i]->name, indices[i + 1]));
      on_right_.insert(indices[i + 1].begin(), indices[i + 1].end());
      reads_let_ |= static_cast<std::size_t>(chosen[i] - operands_.data()) >= space_.tensors().size();
    }
  }

  /// Indices of the product's classes for which `wanted` holds, each with probability p.
  template <class Wanted>
  std::vector<std::string> some(double p, const Wanted& wanted) {
    std::vector<std::string> out;
    for (int r : std::vector<int>(roots_))
      if (wanted(r) && draw_.chance(p)) out.push_back(index_of(r));
    return out;
  }

  void learned(const std::string& name, double p) {
    // One learned tensor alone may have an index of pairs.
    auto wanted = [&](int r) {
      const FactorKind kind = factor(places_[static_cast<std::size_t>(r)].axis.factor).kind;
      return kind->has_pairs() ? !name.starts_with("psi1") : !kind->moves() || draw_.chance(0.01);
    };
    std::vector<std::string> indices = some(p, wanted);
    indices.resize(std::min<std::size_t>(indices.size(), 5));
    if (draw_.chance(0.1)) indices.push_back(fmt::format("{}", draw_.below(3)));
    refs_.insert(refs_.begin() + draw_.below(static_cast<std::int64_t>(refs_.size()) + 1), with(name, indices));
  }

  std::string mean() {
    std::vector<std::string> over;
    if (draw_.chance(0.3))
      for (const std::string& i : on_right_)
        if (std::find(on_left_.begin(), on_left_.end(), i) == on_left_.end() && draw_.chance(0.5)) over.push_back(i);
    return over.empty() ? "" : fmt::format("mean({}) ", fmt::join(over, ","));
  }

  /// A let of legal type, if one of twenty is.
  void add_let(const std::string& name) {
    for (int trial = 0; trial < 20; ++trial) {
      product(nullptr, 1 + static_cast<int>(draw_.below(2)));
      const std::vector<std::string> left = some(0.5, [](int) { return true; });
      if (left.size() > 4) continue;
      on_left_ = left;
      std::string text = fmt::format("{} := {}{}", with(name, left), mean(), fmt::join(refs_, " "));
      if (draw_.chance(0.3)) {
        learned("psi." + name, 0.5);
        text += fmt::format(" + {}{}", mean(), fmt::join(refs_, " "));
      }
      const TermList list(space_, space_, out_.text + text, true);
      bool legal = true;
      for (int i = 0; i < static_cast<int>(list.terms().size()); ++i) legal &= !list.refusal(i);
      if (!legal) continue;
      const TermLet& let = list.lets().back();
      operands_.push_back({name, let.axes, let.taps});
      out_.text += text + "\n";
      return;
    }
  }

  void term() {
    const Operand left =
        operands_[static_cast<std::size_t>(draw_.below(static_cast<std::int64_t>(space_.tensors().size())))];
    reads_let_ = false;
    out_.degree = static_cast<int>(draw_.below(4));
    product(&left, out_.degree);
    out_.lets = reads_let_;
    out_.diagonal = std::set<std::string>(on_left_.begin(), on_left_.end()).size() < on_left_.size();
    for (int a = 0; a < static_cast<int>(places_.size()); ++a) {
      const int fa = places_[static_cast<std::size_t>(a)].axis.factor,
                fb = places_[static_cast<std::size_t>(root(a))].axis.factor;
      out_.two_fixed |= fa != fb && !factor(fa).kind->moves() && !factor(fb).kind->moves();
    }
    const std::string averaged = mean();
    out_.mean = !averaged.empty();
    learned("phi1", 0.6);
    if (out_.degree > 0 && draw_.chance(0.1)) learned("psi1", 0.4);
    out_.text += fmt::format("{} += {}{}\n", with(left.name, on_left_), averaged, fmt::join(refs_, " "));
  }

  const Space& space_;
  Draw draw_;
  RandomTerms out_;
  std::vector<Operand> operands_;

  // Of the product being written.
  std::vector<Place> places_;
  std::vector<int> parent_;  ///< union-find: places with one root share an index
  std::vector<int> roots_;   ///< in order of their letters
  std::vector<std::string> refs_, on_left_;
  std::set<std::string> on_right_;
  bool reads_let_ = false;
};

}  // namespace

std::vector<Space> spaces_for_terms() {
  // Moved factors over which an index could run by mistake have at least four places, so that two random elements
  // hardly ever agree on them.
  std::vector<Space> spaces;
  for (const char* text :
       {"in: fixed(2); out: fixed(2); h1, h2: positive_monomial(4) W1[h1, in*] b1[h1] W2[h2, h1*] b2[h2] W3[out, h2*] "
        "b3[out]",
        "in: fixed(2); out: fixed(3); h1, h2: sign_monomial(4) W1[h1, in*] b1[h1] W2[h2, h1*] b2[h2] W3[out, h2*] "
        "b3[out]",
        "in: fixed(2); out: fixed(3); h1: permutation(4); h2: permutation(4) W1[h1, in*] b1[h1] W2[h2, h1*] b2[h2] "
        "W3[out, h2*] b3[out]",
        "in: permutation(4); h: permutation(5); out: permutation(4) W1[h, in*] b1[h] W2[out, h*] b2[out]",
        "h: permutation(2); q: GL(2) per h; v: GL(3) per h; m: fixed(3); s: permutation(4); a: permutation(4) "
        "WQ[h, m, q] WK[h, m, q*] WV[h, m, v] WO[h, v*, s] WA[s*, a] bA[a] WB[a*, m] bB[m]",
        "s: permutation(3); h: permutation(2); q, v: GL(2) per h; a: permutation(3) WQ[h, s*, q] WK[h, s*, q*] "
        "WV[h, s*, v] WO[h, v*, s] WA[s*, a] bA[a] WB[a*, s] bB[s]",
        "e: permutation(3); n: permutation(3) per e; c: fixed(2) U[e, n, c] V[e, c, n*] g[e] P[e, n, n]",
        "e: permutation(2); n: positive_monomial(3) per e; c: fixed(2) U[e, n, c] b[e, n] V[e, c, n*] g[e] R[n, e, n*]",
        "e: permutation(2); n: sign_monomial(3) per e; m: positive_monomial(2); c: fixed(2) U[e, n, c] b[n, e] "
        "V[e, c, n*] g[e] M[m*, n, e]",
        "G, K: GL(3); c: fixed(3) L[G, G*] x[G] y[G*] M[K, G*] z[K, c] t[G, G] C",
        "h: positive_monomial(4); s: sign_monomial(4); c: fixed(2) R[h, h*] b[h] U[h, c*] S[s, h*] V[c, s] t[s]",
        "in: fixed(2); h1, h2: positive_monomial(3); out: fixed(2) W1[h1, in*; taps=2x1] b1[h1] W2[h2, h1*; taps=1x2] "
        "b2[h2] W3[out, h2*] b3[out]",
        "f: fixed(2); h: permutation(2); p: permutation(4) per h; m: positive_monomial(4); s: sign_monomial(4); G: "
        "GL(2) "
        "per h A[h, p, f] B[m, G, h] C[h, G*, m*] D[s, s] E[f, f] F[p*, h, s]",
        // Spec 8: degrees, characters, every kind.
        "m: monomial(4); c: fixed(2) A[m, c] B[m*, c] C[m^2] D[m^0, m^-2] E[m^-1, m^3] s",
        "h: positive_monomial(4); in: fixed(2) W[h, in*] V[h^-2, in^2] M[h*, in] g[h^0] b[h]",
        "s: sign_monomial(4); n: monomial(4) along s; f: monomial(4) g[n] U[f, s&n*] W[s, f*] V[f^0, s&n*] x[s^0] "
        "y[n^2]",
        "s: permutation(4); n: monomial(4) along s; t: positive_monomial(4) along s A[s, n*] B[n&t] C[n^-1&t^2, s] "
        "D[t*]",
        "O: orthogonal(3); h: permutation(2); Q: orthogonal(2) per h; c: fixed(2) A[O, c] B[O*, O] C[h, Q, O] D[h, Q*, "
        "c] x[O]",
        "k: permutation(2); r: rotary(4) per k; c: fixed(2) Q[k, r, c] K[k, r*, c] b[k, r] d[k, r*] s",
        "r: rotary_adjacent(4); q: rotary(4); c: fixed(2) A[r, c] B[r*, q] C[q*, c] D[q, q*] E[r, r]",
        "p: fixed(3); k: permutation(2); z: sign_monomial(3) per k along p; t: monomial(3) along p A[k, p, z] B[k, "
        "z&t] "
        "g[t] y[t*] w[k, t^2]",
        "b: fixed(2); q: GL(2) per b; n: positive_monomial(3) per b A[b, q] B[b, q*, n] C[b, n*] D[n^2, b] s",
        "e: permutation(2); f: monomial(3) per e; g: positive_monomial(3) along f A[e, f, g*] B[e, f&g] C[e, f*] D[e, "
        "g^-2]"})
    spaces.push_back(Space::parse(text));
  for (const FactorKind kind : all_kinds)
    if (kind->moves())
      spaces.push_back(
          Space::parse(fmt::format("h: {}; c: fixed(2) A[h, c] B[h*] C[h, h*] D[h, h] E[h*, c] s", kind->example)));
  return spaces;
}

RandomTerms random_terms(const Space& space, RandomKey key) { return Writer(space, key).run(); }

}  // namespace weft::testing

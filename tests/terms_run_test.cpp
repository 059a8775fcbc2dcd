// The interpreter of typed terms (spec 7.3): values against loops over all indices, vjps against finite differences.

#include <algorithm>
#include <map>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "weft/autograd/gradcheck.h"
#include "weft/core/difference.h"
#include "weft/ops/terms.h"
#include "weft/tests/random_terms.h"

using namespace weft;
using namespace weft::testing;

namespace {

using Named = std::map<std::string, Tensor>;

constexpr std::int64_t batch = 2, d = 2, e = 3;

/// A list with random features and parameters.
struct Case {
  TermList list;
  std::vector<Tensor> features, parameters;

  Case(const TermList& terms, RandomKey key) : list(terms) {
    for (int i = 0; i < static_cast<int>(list.in().tensors().size()); ++i)
      features.push_back(
          normals(list.in().feature_shape(i, batch, d), key.at("feature").at(static_cast<std::uint64_t>(i))));
    for (const TermParameter& p : list.parameters()) parameters.push_back(normals(p.shape(e, d), key.at(p.name)));
  }
  static Tensor normals(const Shape& shape, RandomKey key) {
    const Tensor t = Tensor::zeros(shape, DType::f64);
    fill_normal(t, key);
    return t;
  }
  std::vector<Var> run(std::span<const Var> x, std::span<const Var> p) const {
    std::vector<Var> y(list.out().tensors().size());
    run_terms(list, x, p, e, y);
    return y;
  }
  /// The outputs that a term adds into: the others depend on nothing.
  std::vector<Var> written(std::span<const Var> x, std::span<const Var> p) const {
    const std::vector<Var> all = run(x, p);
    std::vector<Var> out;
    for (std::size_t i = 0; i < all.size(); ++i)
      if (std::any_of(list.terms().begin(), list.terms().end(), [&](const TermResolved& term) {
            return !term.to_let && static_cast<std::size_t>(term.target) == i;
          }))
        out.push_back(all[i]);
    return out;
  }
  std::vector<Var> run(Tape& tape, DType dtype = DType::f64) const {
    std::vector<Var> x, p;
    for (std::size_t i = 0; i < features.size(); ++i)
      x.push_back(tape.constant(features[i].to(dtype), list.in().type(static_cast<int>(i))));
    for (const Tensor& t : parameters) p.push_back(tape.constant(t.to(dtype)));
    return run(x, p);
  }
};

/// The value of one product, straight from its text: a loop over all indices, with b, d and e among them.
class Naive {
 public:
  explicit Naive(const Case& c) : space_(c.list.out()) {
    for (std::size_t i = 0; i < c.features.size(); ++i) values_[c.list.in().tensors()[i].name] = c.features[i];
    for (std::size_t i = 0; i < c.parameters.size(); ++i) values_[c.list.parameters()[i].name] = c.parameters[i];
    for (int i = 0; i < static_cast<int>(space_.tensors().size()); ++i)
      outputs_[space_.tensors()[static_cast<std::size_t>(i)].name] =
          Tensor::zeros(space_.feature_shape(i, batch, e), DType::f64);
    std::size_t term = 0;
    for (const TermStatement& s : parse_terms(c.list.text()))
      for (const TermProduct& p : s.products) {
        const auto [statement, product] = with_complex_apart(c.list.terms()[term++], s, p);
        add(statement, product);
      }
  }

  const Tensor& output(const std::string& name) const { return outputs_.at(name); }

 private:
  struct Factor {
    Tensor value;
    std::vector<std::size_t> slots;  ///< of each axis
    std::int64_t at(const std::vector<std::int64_t>& index) const {
      std::int64_t flat = 0;
      for (std::size_t i = 0; i < slots.size(); ++i) flat = flat * value.dim(static_cast<int>(i)) + index[slots[i]];
      return flat;
    }
  };

  /// A complex index stands at three places: l in the learned tensor, a and b. Each becomes an index of its own, and a
  /// tensor beside them says which three numbers are multiplied: Re(l a conj(b)).
  std::pair<TermStatement, TermProduct> with_complex_apart(const TermResolved& term, TermStatement s, TermProduct p) {
    for (const TermIndex& index : term.indices) {
      if (index.complex == Mixing::none) continue;
      bool first = true;
      const auto rename = [&](TermRef& ref) {
        for (std::string& i : ref.indices) {
          if (i != index.name) continue;
          i += is_learned(ref.name) ? "_l" : first ? "_a" : "_b";
          first &= is_learned(ref.name);
        }
      };
      for (TermRef& ref : p.refs) rename(ref);
      rename(s.left);
      std::replace(p.mean.begin(), p.mean.end(), index.name, index.name + "_a");
      const std::int64_t n = index.size;
      const Tensor structure = Tensor::zeros({n, n, n}, DType::f64);
      for (std::int64_t pair = 0; pair < n / 2; ++pair)
        for (int half = 0; half < 8; ++half) {
          const int l = half / 4, a = half / 2 % 2, b = half % 2;
          const auto at = [&](int h) { return index.complex == Mixing::adjacent ? 2 * pair + h : pair + h * (n / 2); };
          if ((l + a + b) % 2 == 0)
            structure.data<double>()[((pair + l * (n / 2)) * n + at(a)) * n + at(b)] = l && a ? -1 : 1;
        }
      const std::string name = "structure_" + index.name;
      values_[name] = structure;
      structures_.push_back({name, {index.name + "_l", index.name + "_a", index.name + "_b"}});
    }
    return {s, p};
  }

  std::size_t slot(const std::string& index, std::int64_t size) {
    const auto [at, added] = slots_.try_emplace(index, slots_.size());
    if (added) sizes_.push_back(size);
    return at->second;
  }

  Factor factor(const TermRef& ref, const Tensor& value, std::vector<std::string> channels) {
    Factor f{value, {}};
    for (const std::string& i : ref.indices) channels.push_back(i.substr(0, i.find(':')));
    for (std::size_t i = 0; i < channels.size(); ++i)
      f.slots.push_back(slot(channels[i], value.dim(static_cast<int>(i))));
    // An integer is an index that stays where it is.
    for (const std::string& i : ref.indices)
      if (std::isdigit(static_cast<unsigned char>(i[0]))) fixed_[slots_[i]] = std::stoll(i);
    return f;
  }

  void add(const TermStatement& s, const TermProduct& p) {
    slots_.clear();
    sizes_.clear();
    fixed_.clear();
    std::vector<Factor> factors;
    const bool features =
        std::any_of(p.refs.begin(), p.refs.end(), [](const TermRef& r) { return !is_learned(r.name); });
    for (const TermRef& ref : p.refs) {
      if (!is_learned(ref.name)) {
        factors.push_back(factor(ref, values_.at(ref.name), {"batch", "in"}));
        continue;
      }
      const bool psi = ref.name.starts_with("psi");
      const bool as_written = ref.name.find('.') != std::string::npos || s.left.name == "y";
      const std::string name = as_written ? ref.name : s.left.name + "." + ref.name;
      factors.push_back(factor(ref, values_.at(name),
                               psi        ? std::vector<std::string>{"in"}
                               : features ? std::vector<std::string>{"out", "in"}
                                          : std::vector<std::string>{"out"}));
    }
    for (const TermRef& structure : std::exchange(structures_, {}))
      factors.push_back(factor(structure, values_.at(structure.name), {}));
    double scale = 1;
    for (const std::string& i : p.mean) scale /= static_cast<double>(sizes_[slots_.at(i)]);
    if (s.let && !values_.contains(s.left.name)) {
      Shape shape{batch, sizes_[slots_.at("in")]};
      for (const std::string& i : s.left.indices) shape.push_back(sizes_[slots_.at(i)]);
      values_[s.left.name] = Tensor::zeros(shape, DType::f64);
    }
    const Tensor target = s.let ? values_[s.left.name] : outputs_.at(s.left.name);
    const Factor left = factor(s.left, target, {"batch", s.let ? "in" : "out"});
    std::vector<std::int64_t> index(sizes_.size(), 0);
    for (const auto& [slot, at] : fixed_) index[slot] = at;
    for (bool more = true; more;) {
      double product = scale;
      for (const Factor& f : factors) product *= f.value.data<double>()[f.at(index)];
      target.data<double>()[left.at(index)] += product;
      more = false;
      for (std::size_t i = 0; i < index.size() && !more; ++i) {
        if (fixed_.contains(i)) continue;
        more = ++index[i] < sizes_[i];
        if (!more) index[i] = 0;
      }
    }
  }

  const Space& space_;
  Named values_, outputs_;
  std::map<std::string, std::size_t> slots_;
  std::vector<std::int64_t> sizes_;
  std::map<std::size_t, std::int64_t> fixed_;
  std::vector<TermRef> structures_;  ///< of the product to be added
};

/// How often the naive loop's body runs.
double naive_cost(const TermList& list) {
  double sum = 0;
  for (const TermResolved& term : list.terms()) {
    double cost = batch * d * e;
    for (const TermIndex& i : term.indices)
      cost *= std::pow(static_cast<double>(i.size), i.complex == Mixing::none ? 1 : 3);
    sum += cost;
  }
  return sum;
}

std::string wrong_value(const Case& c) {
  Arena arena, narrow_arena;
  Tape tape(arena), narrow(narrow_arena);
  const Naive expected(c);
  const auto y = c.run(tape), y32 = c.run(narrow, DType::f32);
  for (std::size_t i = 0; i < y.size(); ++i) {
    const std::string& name = c.list.out().tensors()[i].name;
    const Tensor wanted = expected.output(name);
    if (const double error = relative_error(y[i].value(), wanted); !(error < 1e-12))
      return fmt::format("{} is off by {:.3g}", name, error);
    if (const double error = relative_error_of_blocks(y32[i].value(), wanted, 1); !(error < 1e-4))
      return fmt::format("{} is off by {:.3g} in float32", name, error);
  }
  return {};
}

std::string wrong_vjp(const Case& c, RandomKey key, bool jacobian = false) {
  std::vector<GradcheckInput> inputs;
  for (std::size_t i = 0; i < c.features.size(); ++i)
    inputs.push_back({c.features[i], c.list.in().type(static_cast<int>(i))});
  for (const Tensor& p : c.parameters) inputs.push_back({p, Type::plain(p.rank())});
  const auto report = gradcheck(
      [&](Tape&, std::span<const Var> x) {
        return c.written(x.first(c.features.size()), x.subspan(c.features.size()));
      },
      inputs, key);
  if (!(report.direction_error < 1e-8)) return fmt::format("the vjp is off by {:.3g}", report.direction_error);
  if (jacobian && !report.jacobian) return "no Jacobian was taken";
  if (!(report.jacobian_error < 1e-8))
    return fmt::format("the vjp is off by {:.3g} in the Jacobian", report.jacobian_error);
  return {};
}

/// Legal random lists of several terms, cheap enough for the naive loop.
Case random_case(std::uint64_t seed, double cost) {
  static const std::vector<Space> spaces = spaces_for_terms();
  const Space& space = spaces[seed % spaces.size()];
  for (std::uint64_t trial = 0;; ++trial) {
    const RandomTerms terms = random_terms(space, RandomKey(seed, "run").at(trial));
    const TermList list(space, space, terms.text, true);
    // Every other list has a term of some depth.
    if (list.refusal(static_cast<int>(list.terms().size()) - 1) || naive_cost(list) > cost ||
        terms.degree < static_cast<int>(seed % 3))
      continue;
    return Case(TermList(space, space, terms.text), RandomKey(seed, "values"));
  }
}

}  // namespace

TEST_CASE("values of 1000 random lists are those of a loop over all indices") {
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    const Case c = random_case(seed, 3e5);
    const std::string wrong = wrong_value(c);
    CHECK_MESSAGE(wrong.empty(), c.list.in().str(), "\n", c.list.text(), wrong);
  }
}

TEST_CASE("vjps of 500 random lists are those of finite differences, for features and parameters") {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    const Case c = random_case(seed, 1e5);
    const std::string wrong = wrong_vjp(c, RandomKey(seed, "gradcheck"));
    CHECK_MESSAGE(wrong.empty(), c.list.in().str(), "\n", c.list.text(), wrong);
  }
}

TEST_CASE("values and Jacobians of what a list can hold") {
  const Space space = Space::parse("m: fixed(2); p: permutation(3) A[p] B[p, m] s");
  for (const char* text : {
           "A[j] += phi1 A[j]",
           "A[j] += phi1 A[j]\nA[j] += phi1 A[k]",                       // one parameter in two terms
           "s += phi1[0]\ns += phi1[2]",                                 // integers: position 1 has gradient 0
           "s += phi1[0] A[p]\ns += phi1[1] s\nA[j] += s.phi1[0] A[j]",  // shared between targets
           "s += phi1[m] B[p,m]\ns += phi1[1] s",                        // an integer beside an index
           "A[j] += mean(k) phi1 A[k] A[j]",                             // one feature twice
           "s += mean(k,m) phi1[m] B[k,m]\ns += phi2 A[k]",              // a mean over a learned index
           "L := A[k] A[k]\nA[j] += phi1 L L\ns += phi1 L",              // a let twice in a term, and in two
           "L[k] := A[k] + mean(m) B[k,m]\nM[k] := L[k] L[k] + psi.M[m] B[k,m]\nA[j] += phi1 M[j] L[j]",  // lets of
                                                                                                          // lets
           "A[j] += phi1 psi1[m] B[j,m]\nA[j] += phi2 psi1[0] A[j]",                                      // psi, shared
           "A[j] += phi1",  // broadcast constant
           "B[j,k] += phi1[k] A[j]\nB[j,k] += phi2[1,k]",
           "s += phi1 s s s",
           // Indices that learned tensors alone share, with a size at either place.
           "B[j,k] += phi1[rank:3,k] psi1[rank,m] B[j,m]\nB[j,k] += phi2[r,k] psi2[m,r:1] B[j,m]",
           "A[j] += phi1[i:2,k:3] psi1[i,m] psi2[k,i] B[j,m]",
       }) {
    const Case c(TermList(space, space, text), RandomKey(1, text));
    CHECK_MESSAGE(wrong_value(c).empty(), text);
    const std::string wrong = wrong_vjp(c, RandomKey(2, text));
    CHECK_MESSAGE(wrong.empty(), text, "\n", wrong);
  }
  // Small enough for the full Jacobian: diagonals on the left, with other terms on the same tensor before and after.
  const Space square = Space::parse("p: permutation(2) C[p, p] s");
  for (const char* text : {"C[j,j] += phi1 C[j,k]", "C[j,k] += phi1 C[k,j]\nC[j,j] += phi2 C[k,j]\nC[j,k] += phi3 s",
                           "C[j,j] += phi1\nC[j,k] += phi2", "L[j] := C[j,j]\nC[j,j] += phi1 L[j] L[k]"}) {
    const Case c(TermList(square, square, text), RandomKey(3, text));
    CHECK_MESSAGE(wrong_value(c).empty(), text);
    const std::string wrong = wrong_vjp(c, RandomKey(4, text), true);
    CHECK_MESSAGE(wrong.empty(), text, "\n", wrong);
  }
}

TEST_CASE("a list with taps, and a tensor without a term") {
  const Space in = Space::parse("h: sign_monomial(3); m: fixed(2) W[h, m; taps=2x1] V[h; taps=1x2] b[h]"),
              out = Space::parse("h: sign_monomial(3); m: fixed(2) X[h, m; taps=3x1] y z[h]");
  const Case c(
      TermList(in, out,
               "L[m] := W[h,m] V[h]\nX[h,j] += phi1[p,j] W[h,p]\nX[h,j] += phi2[j] b[h]\nX[h,j] += phi3 L[j] V[h]\n"
               "y += phi1[p] L[p]\ny += phi2"),
      RandomKey(5, "taps"));
  CHECK(c.parameters[0].shape() == Shape{9, 4, 2, 2});
  CHECK(wrong_value(c).empty());
  CHECK(wrong_vjp(c, RandomKey(6, "taps")).empty());
  Arena arena;
  Tape tape(arena);
  const auto y = c.run(tape);
  CHECK(y[2].shape() == Shape{2, 3, 3});
  for (double x : y[2].value().span<double>()) CHECK(x == 0);
  for (std::size_t i = 0; i < 3; ++i) CHECK(y[i].type() == out.type(static_cast<int>(i)));
}

TEST_CASE("an empty batch and no channels give empty tensors, and gradients of zero") {
  const Space space = Space::parse("m: fixed(2); p: permutation(3) A[p] B[p, m] s");
  const TermList list(space, space, "L[m] := B[p,m]\nA[j] += phi1 A[j]\nA[j] += phi2\ns += phi1[m] L[m]");
  for (const auto& [items, channels] : {std::pair<std::int64_t, std::int64_t>{0, 2}, {2, 0}}) {
    Arena arena;
    Tape tape(arena);
    std::vector<Var> x, p, y(3);
    for (int i = 0; i < 3; ++i)
      x.push_back(tape.leaf(Tensor::zeros(space.feature_shape(i, items, channels), DType::f64), space.type(i)));
    for (const TermParameter& q : list.parameters()) {
      p.push_back(tape.leaf(Tensor::zeros(q.shape(e, channels), DType::f64)));
      p.back().value().fill(1);
    }
    run_terms(list, x, p, e, y);
    for (double v : y[0].value().span<double>()) CHECK(v == 1);  // without channels the constant is left
    const Tensor cotangent = Tensor::zeros(y[0].shape(), DType::f64);
    cotangent.fill(1);
    tape.backward({&y[0], 1}, {&cotangent, 1});
    for (double v : tape.grad(p[0]).value().span<double>()) CHECK(v == 0);
    for (double v : tape.grad(p[1]).value().span<double>()) CHECK(v == static_cast<double>(3 * items));
  }
}

TEST_CASE("what does not fit is refused, word for word") {
  const Space space = Space::parse("h: positive_monomial(3) b[h] s");
  const TermList list(space, space, "b[h] += phi1 b[h]\ns += phi1 s");
  Arena arena;
  Tape tape(arena);
  auto zeros = [](const Shape& shape, DType dtype = DType::f64) { return Tensor::zeros(shape, dtype); };
  const Var b = tape.constant(zeros({2, 2, 3}), space.type(0)), s = tape.constant(zeros({2, 2}), space.type(1)),
            p = tape.constant(zeros({e, 2}));
  std::vector<Var> y(2);
  auto run = [&](std::vector<Var> x, std::vector<Var> q, std::size_t outputs = 2) {
    y.resize(outputs);
    run_terms(list, x, q, e, y);
  };
  CHECK_NOTHROW(run({b, s}, {p, p}));
  CHECK_THROWS_WITH_AS(run({}, {p, p}),
                       "[terms] 0 features for 2 tensors of the input space; allowed: one each, one or more",
                       ShapeError);
  CHECK_THROWS_WITH_AS(run({b}, {p, p}),
                       "[terms] 1 features for 2 tensors of the input space; allowed: one each, one or more",
                       ShapeError);
  CHECK_THROWS_WITH_AS(run({b, s}, {p, p}, 1), "[terms] 1 outputs for 2 tensors of the output space", ShapeError);
  CHECK_THROWS_WITH_AS(run({b, s}, {p}), "[terms] 1 parameters; the list has 2", ShapeError);
  CHECK_THROWS_WITH_AS(run({b, s}, {p, tape.constant(zeros({e, 3}))}),
                       "[terms] parameter 's.phi1' has shape [3, 3]; allowed: [3, 2]", ShapeError);
  CHECK_THROWS_WITH_AS(run({b, tape.constant(zeros({2, 3}), space.type(1))}, {p, p}),
                       "[terms] tensor 's' has shape [2, 3]; allowed: [2, 2]", ShapeError);
  CHECK_THROWS_WITH_AS(run({b, tape.constant(zeros({2, 2}, DType::f32), space.type(1))}, {p, p}),
                       "[terms] tensor 's' is float32, 'b' is float64", DtypeError);
  CHECK_THROWS_WITH_AS(run({b, s}, {p, tape.constant(zeros({e, 2}, DType::f32))}),
                       "[terms] parameter 's.phi1' is float32, the features are float64", DtypeError);
  CHECK_THROWS_WITH_AS(run({tape.constant(zeros({2, 2, 3})), s}, {p, p}),
                       "[terms] tensor 'b' has type [., ., .]; the list was built for [., ., h]", TypeError);
  CHECK_THROWS_WITH_AS(run({tape.constant(zeros({2, 2, 3}), space.type(0).dual()), s}, {p, p}),
                       "[terms] tensor 'b' has type [., ., h*]; the list was built for [., ., h]", TypeError);
  // A list without input tensors has no batch to run on.
  const TermList nothing(Space(), space, "s += phi1");
  CHECK_THROWS_WITH_AS(run_terms(nothing, std::vector{s}, std::vector{p}, e, y),
                       "[terms] 1 features for 0 tensors of the input space; allowed: one each, one or more",
                       ShapeError);
}

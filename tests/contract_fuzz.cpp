#include "weft/tests/contract_fuzz.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "weft/core/difference.h"
#include "weft/ops/contract.h"
#include "weft/ops/pointwise.h"

namespace weft::testing {
namespace {

/// Draws one after another.
class Draws {
 public:
  explicit Draws(RandomKey key) : key_(key) {}
  std::int64_t below(std::int64_t n) { return uniform_index(key_, count_++, n); }
  bool chance(double p) { return uniform(key_, count_++) < p; }
  template <class T>
  void shuffle(std::vector<T>& items) {
    for (std::size_t i = items.size(); i > 1; --i)
      std::swap(items[i - 1], items[static_cast<std::size_t>(below(static_cast<std::int64_t>(i)))]);
  }

 private:
  RandomKey key_;
  std::uint64_t count_ = 0;
};

enum Part { a_part, b_part, bias_part, y_part, parts };

struct Equation {
  std::vector<int> letters[parts];
  std::vector<std::int64_t> size;  ///< by letter
  bool bias = false, twice = false;
  bool wanted[3] = {true, true, true};
  std::optional<UnaryOp> activation;

  std::string text() const {
    auto part = [&](int p) {
      std::string s;
      for (int l : letters[p]) s += static_cast<char>('a' + l);
      return s;
    };
    return part(a_part) + "," + part(b_part) + (bias ? "+" + part(bias_part) : "") + "->" + part(y_part);
  }
  Shape shape(int p) const {
    Shape s;
    for (int l : letters[p]) s.push_back(size[static_cast<std::size_t>(l)]);
    return s;
  }
  std::string str() const {
    std::string sizes;
    for (std::size_t l = 0; l < size.size(); ++l)
      sizes += fmt::format(" {}={}", static_cast<char>('a' + static_cast<char>(l)), size[l]);
    return fmt::format("contract '{}',{}{}{}", text(), sizes, activation ? ", " : "",
                       activation ? traits(*activation).name : "");
  }
};

Equation draw_equation(Draws& draw, bool large) {
  static constexpr std::int64_t small_sizes[] = {0, 1, 1, 2, 2, 3, 3, 4, 5}, large_sizes[] = {1, 2, 5, 8, 17, 33};
  Equation e;
  const int count = static_cast<int>(large ? 2 + draw.below(3) : draw.below(6));
  for (int l = 0; l < count; ++l) {
    e.size.push_back(large ? large_sizes[draw.below(std::size(large_sizes))]
                           : small_sizes[draw.below(std::size(small_sizes))]);
    const std::int64_t where = draw.below(5);  // both factors twice as often as one of them
    if (where != 0) e.letters[a_part].push_back(l);
    if (where != 1) e.letters[b_part].push_back(l);
    if (draw.chance(0.6)) e.letters[y_part].push_back(l);
  }
  e.bias = !e.letters[y_part].empty() && draw.chance(0.6);
  if (e.bias) {
    for (int l : e.letters[y_part])
      if (draw.chance(0.6)) e.letters[bias_part].push_back(l);
    if (e.letters[bias_part].empty()) e.letters[bias_part].push_back(e.letters[y_part][0]);
  }
  // As often as not in the order of layers, which matrix products take; else in any.
  if (draw.chance(0.5))
    for (auto& letters : e.letters) draw.shuffle(letters);
  static constexpr UnaryOp ends[] = {UnaryOp::Tanh, UnaryOp::Sigmoid, UnaryOp::Relu};
  if (draw.chance(0.5)) e.activation = ends[draw.below(std::size(ends))];
  e.twice = draw.chance(0.2);
  for (bool& wanted : e.wanted) wanted = draw.chance(0.8);
  return e;
}

double activated(const Equation& e, double x) {
  if (!e.activation) return x;
  if (*e.activation == UnaryOp::Tanh) return std::tanh(x);
  return *e.activation == UnaryOp::Sigmoid ? 1 / (1 + std::exp(-x)) : std::max(x, 0.);
}
double slope(const Equation& e, double x, double y) {
  if (!e.activation) return 1;
  if (*e.activation == UnaryOp::Tanh) return 1 - y * y;
  return *e.activation == UnaryOp::Sigmoid ? y * (1 - y) : x > 0 ? 1. : 0.;
}

/// Calls f(offset in each part) for every value of `letters`, which hold those of the parts it asks for.
template <class F>
void for_all(const Equation& e, std::vector<int> letters, const F& f) {
  std::sort(letters.begin(), letters.end());
  letters.erase(std::unique(letters.begin(), letters.end()), letters.end());
  std::vector<std::int64_t> at(e.size.size(), 0);
  std::int64_t all = 1;
  for (int l : letters) all *= e.size[static_cast<std::size_t>(l)];
  for (std::int64_t i = 0; i < all; ++i) {
    std::int64_t rest = i;
    for (int l : letters) {
      at[static_cast<std::size_t>(l)] = rest % e.size[static_cast<std::size_t>(l)];
      rest /= e.size[static_cast<std::size_t>(l)];
    }
    std::size_t offset[parts];
    for (int p = 0; p < parts; ++p) {
      std::int64_t o = 0;
      for (int l : e.letters[p]) o = o * e.size[static_cast<std::size_t>(l)] + at[static_cast<std::size_t>(l)];
      offset[p] = static_cast<std::size_t>(o);
    }
    f(offset);
  }
}

using Numbers = std::vector<double>;

struct Result {
  Numbers y, gradient[3];
};

Result naive(const Equation& e, const Tensor (&x)[3], const Tensor& cotangent) {
  const auto zeros = [&](int p) { return Numbers(static_cast<std::size_t>(e.shape(p).numel()), 0.); };
  const auto in = [&](int p) { return x[p].span<double>(); };
  std::vector<int> letters = e.letters[a_part];
  letters.insert(letters.end(), e.letters[b_part].begin(), e.letters[b_part].end());
  Numbers sum = zeros(y_part), slopes = sum;
  if (e.bias) for_all(e, e.letters[y_part], [&](const auto& at) { sum[at[y_part]] = in(bias_part)[at[bias_part]]; });
  for_all(e, letters, [&](const auto& at) { sum[at[y_part]] += in(a_part)[at[a_part]] * in(b_part)[at[b_part]]; });
  Result r{sum, {zeros(a_part), zeros(b_part), zeros(bias_part)}};
  const double uses = e.twice ? 2 : 1;
  for (std::size_t i = 0; i < sum.size(); ++i) {
    r.y[i] = activated(e, sum[i]);
    slopes[i] = uses * cotangent.span<double>()[i] * slope(e, sum[i], r.y[i]);
  }
  for_all(e, letters, [&](const auto& at) {
    r.gradient[a_part][at[a_part]] += slopes[at[y_part]] * in(b_part)[at[b_part]];
    r.gradient[b_part][at[b_part]] += slopes[at[y_part]] * in(a_part)[at[a_part]];
  });
  if (e.bias)
    for_all(e, e.letters[y_part], [&](const auto& at) { r.gradient[bias_part][at[bias_part]] += slopes[at[y_part]]; });
  return r;
}

/// Of the first number that is off, or nothing. A NaN is off.
std::string compare(const Numbers& got, const Numbers& expected, double tolerance) {
  if (got.size() != expected.size()) return fmt::format("{} numbers, expected {}", got.size(), expected.size());
  double scale = 1;
  for (double x : expected) scale = worse(scale, std::abs(x));
  for (std::size_t i = 0; i < got.size(); ++i)
    if (!(std::abs(got[i] - expected[i]) <= tolerance * scale))
      return fmt::format("number {} is {}, expected {}", i, got[i], expected[i]);
  return {};
}

Numbers numbers(const Tensor& t) {
  const Tensor here = t.on(nullptr).to(DType::f64);
  return {here.span<double>().begin(), here.span<double>().end()};
}

void fill_with_NaN(Arena& arena) {
  const Arena::Mark mark = arena.mark();
  Tensor::empty(arena, {1 << 15}, DType::f64).fill(std::numeric_limits<double>::quiet_NaN());
  arena.rewind(mark);
}

}  // namespace

std::string check_contraction(RandomKey key, bool large, Backend* backend) {
  Draws draw(key.at("equation"));
  const Equation e = draw_equation(draw, large);
  Tensor x[3], cotangent = Tensor::zeros(e.shape(y_part), DType::f64);
  fill_uniform(cotangent, key.at("cotangent"), -1, 1);
  for (int p = 0; p < (e.bias ? 3 : 2); ++p) {
    x[p] = Tensor::zeros(e.shape(p), DType::f64);
    fill_uniform(x[p], key.at(static_cast<std::uint64_t>(p)), -1, 1);
  }
  const Result expected = naive(e, x, cotangent);
  for (const DType dtype : {DType::f64, DType::f32}) {
    Arena arena(memory_of(backend));
    fill_with_NaN(arena);
    Tape tape(arena);
    Var in[3];
    bool any = false;
    for (int p = 0; p < (e.bias ? 3 : 2); ++p) {
      const Tensor value = x[p].to(dtype).on(backend);
      in[p] = e.wanted[p] ? tape.leaf(value) : tape.constant(value);
      any |= e.wanted[p];
    }
    const auto run = [&] {
      return e.bias ? contract(e.text(), in[0], in[1], in[2], {.activation = e.activation})
                    : contract(e.text(), in[0], in[1], {.activation = e.activation});
    };
    const Var y[] = {run(), e.twice ? run() : Var{}};
    for (int use = 0; use < (e.twice ? 2 : 1); ++use)
      if (std::string wrong = compare(numbers(y[use].value()), expected.y, dtype == DType::f64 ? 1e-13 : 1e-5);
          !wrong.empty())
        return fmt::format("{} ({}): {}", e.str(), name(dtype), wrong);
    if (!any || dtype == DType::f32) continue;
    const Tensor placed = cotangent.on(backend), cotangents[] = {placed, placed};
    tape.backward(std::span(y, e.twice ? 2 : 1), std::span(cotangents, e.twice ? 2 : 1));
    for (int p = 0; p < (e.bias ? 3 : 2); ++p)
      if (e.wanted[p])
        if (std::string wrong = compare(numbers(tape.grad(in[p]).value()), expected.gradient[p], 1e-13); !wrong.empty())
          return fmt::format("{}, gradient of input {}: {}", e.str(), p, wrong);
  }
  return {};
}

}  // namespace weft::testing

// How implicit networks are moved where models are judged, and what verification says of their readers.

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>

#include <doctest/doctest.h>

#include "weft/core/difference.h"
#include "weft/nfn/models/rendering.h"
#include "weft/ops/view.h"
#include "weft/tasks/moves.h"
#include "weft/tasks/verify.h"
#include "weft/tests/model_settings.h"

using namespace weft;

namespace {

Space sines() { return mlp_space(std::vector<std::int64_t>{2, 6, 5, 1}, FactorKind::sign_monomial); }
const std::string names[] = {"permutations", "flips", "shifts", "all three"};

std::vector<Tensor> networks(std::int64_t n, DType dtype) {
  const Space space = sines();
  std::vector<Tensor> all;
  for (const SpaceTensor& tensor : space.tensors()) {
    all.push_back(Tensor::zeros(space.feature_shape(static_cast<int>(all.size()), n, 1), dtype));
    fill_normal(all.back(), RandomKey(1, "sine_moves_test").at(tensor.name), 0, 0.1);
  }
  return all;
}

std::vector<Tensor> only(const std::vector<Tensor>& all, std::int64_t n) {
  std::vector<Tensor> one;
  for (const Tensor& t : all) one.push_back(t.slice(n, n + 1));
  return one;
}

bool same_bits(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  for (std::size_t t = 0; t < a.size(); ++t)
    if (!std::ranges::equal(a[t].span<double>(), b[t].span<double>())) return false;
  return true;
}

/// Numbers of a tensor, sorted, each made comparable by f.
template <class F>
std::vector<double> numbers(const Tensor& t, const F& f) {
  std::vector<double> all;
  for (const double x : t.span<double>()) all.push_back(f(x));
  std::ranges::sort(all);
  return all;
}

}  // namespace

TEST_CASE("moves of implicit networks: by each part of their group, whatever the strength; others go by k") {
  const std::vector<Move> moves = moves_of(sines(), "siren", 7);
  REQUIRE(moves.size() == std::size(names));
  for (std::size_t i = 0; i < moves.size(); ++i) CHECK(moves[i].name == names[i]);
  const std::vector<Move> others = moves_of(sines(), "mlp", 2);
  REQUIRE(others.size() == 3);
  CHECK(others[2].name == "k = 2");
}

TEST_CASE("moves of implicit networks keep what they show, in either precision, and change all of them") {
  const std::int64_t ids[] = {4, 0, 17};
  for (const DType dtype : {DType::f64, DType::f32}) {
    const auto weights = networks(3, dtype);
    const Tensor before = rendered_images(weights, 5, 6);
    for (const Move& move : moves_of(sines(), "siren", 0)) {
      CAPTURE(move.name);
      const auto moved = move.apply(weights, ids, 3);
      CHECK(moved[0].dtype() == dtype);
      CHECK(relative_error(rendered_images(moved, 5, 6), before) < (dtype == DType::f64 ? 1e-12 : 1e-4));
      for (std::int64_t n = 0; n < 3; ++n) {
        double change = 0;
        for (std::size_t t = 0; t < moved.size(); ++t)
          change = worse(change, relative_error(moved[t][n], weights[t][n]));
        CHECK(change > 0.1);
      }
    }
  }
}

TEST_CASE("moves of implicit networks: each part moves what it is named for and nothing else") {
  const std::int64_t ids[] = {0, 1, 2, 3};
  const auto weights = networks(4, DType::f64);
  std::map<std::string, std::vector<Tensor>> moved;
  for (const Move& move : moves_of(sines(), "siren", 0)) moved[move.name] = move.apply(weights, ids, 3);
  const auto same = [](double x) { return x; };
  const auto size = [](double x) { return std::abs(x); };
  for (std::size_t t = 0; t < weights.size(); ++t) {
    CHECK(numbers(moved["permutations"][t], same) == numbers(weights[t], same));
    CHECK((relative_error(moved["flips"][t], weights[t]) > 0.1) == (t != 5));  // b3 is an end
    for (std::int64_t i = 0; i < weights[t].numel(); ++i)
      CHECK(size(moved["flips"][t].data<double>()[i]) == size(weights[t].data<double>()[i]));
    // Shifts are whole steps of π/ω on biases, signs on what goes out.
    for (std::int64_t i = 0; i < weights[t].numel(); ++i) {
      const double a = moved["shifts"][t].data<double>()[i], b = weights[t].data<double>()[i];
      if (t % 2 == 0) {
        CHECK((t == 0 ? a == b : size(a) == size(b)));
      } else {
        const double steps = (a - b) * siren_omega / std::numbers::pi;
        CHECK(std::abs(steps - std::round(steps)) < 1e-12);
        CHECK(std::abs(steps) < (t == 5 ? 1e-12 : 3.5));
      }
    }
  }
}

TEST_CASE("moves of implicit networks: each by its own element, keyed by its number and the seed") {
  const auto weights = networks(4, DType::f64);
  const std::int64_t ids[] = {8, 2, 30, 2}, last[] = {30}, other[] = {31};
  for (const Move& move : moves_of(sines(), "siren", 0)) {
    CAPTURE(move.name);
    const auto all = move.apply(weights, ids, 5), one = only(weights, 2);
    CHECK(same_bits(move.apply(weights, ids, 5), all));
    CHECK(same_bits(move.apply(one, last, 5), only(all, 2)));
    CHECK(!same_bits(move.apply(one, other, 5), only(all, 2)));
    CHECK(!same_bits(move.apply(one, last, 6), only(all, 2)));
    // Views of an image, of one number each.
    std::vector<Tensor> twice = networks(4, DType::f64);
    for (Tensor& t : twice) t.slice(3, 4).copy_from(t.slice(1, 2));
    const auto views = move.apply(twice, ids, 5);
    CHECK(same_bits(only(views, 1), only(views, 3)));
  }
  // The parts draw apart from each other.
  const std::vector<Move> moves = moves_of(sines(), "siren", 0);
  CHECK(!same_bits(moves[3].apply(moves[0].apply(weights, ids, 5), ids, 5), moves[3].apply(weights, ids, 5)));
}

namespace {

/// A reader of sine networks that says `of` of them, and that it respects what it is told to say.
struct Claims final : Reader {
  using Of = double (*)(const std::vector<Tensor>& network);
  SineMoves claims;
  Of of;

  Claims(const SineMoves& claims, Of of) : Reader("claims", {}, sines(), 1), claims(claims), of(of) {
    add_parameter("nothing", {1}, Init::zeros());
    init(RandomKey(1, "claims"), DType::f64);
  }
  std::vector<Tensor> prepare(std::span<const Tensor> weights) const override {
    return {weights.begin(), weights.end()};
  }
  std::optional<SineMoves> sine_moves() const override { return claims; }
  Var forward(Tape& tape, std::span<const Tensor> prepared, const std::optional<RandomKey>&) const override {
    const Tensor y = Tensor::zeros({prepared[0].dim(0), 1}, DType::f64);
    for (std::int64_t n = 0; n < y.dim(0); ++n) y.data<double>()[n] = of(only({prepared.begin(), prepared.end()}, n));
    return tape.constant(y);
  }
};

/// What verification says: the checks that passed.
std::map<std::string, bool> passed(const Reader& model) {
  std::map<std::string, bool> all;
  for (const VerifyRow& row : verify_invariance(model, 3)) {
    CHECK(row.passed == (row.control ? row.error > row.bound : row.error < row.bound));
    all[row.check] = row.passed;
  }
  return all;
}

constexpr SineMoves everything{.permute = true, .flip = true, .shift = true};
const std::string half = "shifts by half a step", alone = "flips of incoming weights alone";

}  // namespace

TEST_CASE("verify: every reader of implicit networks is invariant under what it claims, and under no more") {
  const Space space = sines();
  int readers = 0;
  for (const ModelKind* kind : model_kinds())
    for (const DType dtype : {DType::f64, DType::f32}) {
      if (!kind->reads(space)) continue;
      const auto model = make_reader(
          kind->name,
          testing::of_kind(kind->name, {{"channels", 4}, {"hidden", 8}, {"frequencies", 4}, {"equivariant_layers", 1}}),
          space, dtype, RandomKey(2, "sine_moves_test"), nullptr, kind->edits ? 9 : 4);
      const auto respects = model->sine_moves();
      if (!respects) continue;
      ++readers;
      CAPTURE(kind->name);
      CAPTURE(name(dtype));
      const bool parts[] = {respects->permute, respects->flip, respects->shift,
                            respects->permute && respects->flip && respects->shift};
      const std::vector<VerifyRow> rows = verify_invariance(*model, 4);
      REQUIRE(rows.size() == 6);
      for (std::size_t i = 0; i < rows.size(); ++i) {
        CAPTURE(rows[i].check);
        CAPTURE(rows[i].error);
        CHECK(rows[i].passed);
        CHECK(rows[i].check == (i < 4 ? names[i] : i == 4 ? half : alone));
        const bool respected = i < 4 && parts[i];
        CHECK(rows[i].control == !respected);
        CHECK(rows[i].group == (respected ? "of sine networks" : i < 4 ? "not respected" : "negative control"));
        CHECK(rows[i].bound == (dtype == DType::f64 ? 1e-9 : 1e-4));
      }
    }
  CHECK(readers >= 2 * 14);
}

TEST_CASE("verify: each network is moved by its own element, so that controls move some of few neurons, too") {
  const std::int64_t widths[] = {2, 1, 1, 1};
  const auto model = make_reader("unedited", {}, mlp_space(widths, FactorKind::sign_monomial), DType::f64,
                                 RandomKey(5, "sine_moves_test"), nullptr, 16);
  for (std::uint64_t seed = 0; seed < 20; ++seed)
    for (const VerifyRow& row : verify_invariance(*model, seed)) CHECK_MESSAGE(row.passed, row.check);
}

TEST_CASE("verify: readers of implicit networks that claim too much, too little, or say no number do not pass") {
  const auto biases = [](const std::vector<Tensor>& network) {
    double sum = 0;
    for (const double b : network[1].span<double>()) sum += b;
    return sum;
  };
  CHECK(passed(Claims(everything, biases)) == std::map<std::string, bool>{{"permutations", true},
                                                                          {"flips", false},
                                                                          {"shifts", false},
                                                                          {"all three", false},
                                                                          {half, true},
                                                                          {alone, false}});
  // What a network shows at the origin, without b3: every move keeps it.
  const auto origin = [](const std::vector<Tensor>& network) {
    std::vector<double> first;
    for (const double b : network[1].span<double>()) first.push_back(std::sin(siren_omega * b));
    double y = 0;
    for (std::int64_t i = 0; i < network[3].numel(); ++i) {
      double sum = network[3].data<double>()[i];
      for (std::size_t j = 0; j < first.size(); ++j)
        sum += network[2].data<double>()[i * std::ssize(first) + static_cast<std::int64_t>(j)] * first[j];
      y += network[4].data<double>()[i] * std::sin(siren_omega * sum);
    }
    return y;
  };
  for (const auto& [check, fine] : passed(Claims(everything, origin))) CHECK_MESSAGE(fine, check);
  const auto modest = passed(Claims({.permute = true}, origin));
  for (const char* check : {"flips", "shifts", "all three"}) CHECK(!modest.at(check));
  CHECK(modest.at("permutations"));
  // What changes by little, but by more than rounding, is not respected.
  const auto faint = passed(Claims({.permute = true}, [](const std::vector<Tensor>& network) {
    double sum = 0;
    for (const double b : network[1].span<double>()) sum += b;
    return 1e6 + sum;
  }));
  for (const auto& [check, fine] : faint) CHECK_MESSAGE(fine == (check != alone), check);
  const auto constant = passed(Claims(everything, [](const std::vector<Tensor>&) { return 1.; }));
  for (const std::string& check : names) CHECK(constant.at(check));
  CHECK((!constant.at(half) && !constant.at(alone)));
  const Claims broken(everything, [](const std::vector<Tensor>&) {
    static int seen = 0;  // after the networks as they are, those moved
    return ++seen <= 8 ? 1. : std::numeric_limits<double>::quiet_NaN();
  });
  for (const auto& [check, fine] : passed(broken)) CHECK_MESSAGE(!fine, check);
}

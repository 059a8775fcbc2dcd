// The cases of ops/view.h for the op runner.

#include <vector>

#include "weft/ops/cases.h"
#include "weft/ops/pointwise.h"
#include "weft/ops/view.h"

namespace weft {
namespace {

/// y[o] = x[from(o)] for a plain tensor, or 0 where from is negative.
OpCase moved_case(std::string name, std::vector<Shape> shapes, std::function<Var(std::span<const Var>)> run,
                  std::vector<std::int64_t> from) {
  OpCase c;
  c.name = std::move(name);
  c.shapes = std::move(shapes);
  c.run = [run](Tape&, std::span<const Var> x) { return run(x); };
  c.reference = [from](std::span<const Tensor> x) {
    std::vector<double> all, y;
    for (const Tensor& t : x) all.insert(all.end(), t.span<double>().begin(), t.span<double>().end());
    for (std::int64_t i : from) y.push_back(i < 0 ? 0 : all[static_cast<std::size_t>(i)]);
    return y;
  };
  return c;
}

OpCase refused_case(std::string name, std::string tensor, std::function<Var(std::span<const Var>)> run,
                    std::string refusal, std::string result = {}) {
  OpCase c;
  c.name = std::move(name);
  c.space =
      "c: fixed(2); p: permutation(4); m: positive_monomial(4); s: sign_monomial(4); G: GL(3) P[p, c] M[m, c] S[s, c*] "
      "L[c, G] C[c]";
  c.tensors = {std::move(tensor)};
  c.run = [run](Tape&, std::span<const Var> x) { return run(x); };
  c.refusal = std::move(refusal);
  c.result = std::move(result);
  return c;
}

Tensor indices(std::vector<std::int32_t> values) {
  return Tensor::from<std::int32_t>(values, {static_cast<std::int64_t>(values.size())});
}

/// On the device where x lies.
Tensor mask(std::vector<std::uint8_t> values, const Var& x) {
  return Tensor::from<std::uint8_t>(values, x.shape()).on(x.value().backend());
}

}  // namespace

std::vector<OpCase> view_cases() {
  const PatchShape padded{2, 2, 2, 1};
  return {
      moved_case("slice", {{2, 5}}, [](auto x) { return slice(x[0], 1, 1, 4); }, {1, 2, 3, 6, 7, 8}),
      moved_case("slice of rows", {{3, 2}}, [](auto x) { return slice(x[0], 0, 1, 3); }, {2, 3, 4, 5}),
      moved_case("slice of nothing", {{3, 2}}, [](auto x) { return slice(x[0], -1, 1, 1); }, {}),
      moved_case("concat", {{2, 2}, {2, 1}}, [](auto x) { return concat(x, 1); }, {0, 1, 4, 2, 3, 5}),
      moved_case("concat with itself", {{2, 2}},
                 [](auto x) {
                   const Var both[] = {x[0], x[0]};
                   return concat(both, 0);
                 },
                 {0, 1, 2, 3, 0, 1, 2, 3}),
      moved_case("where", {{2, 3}, {2, 3}},
                 [](auto x) {
                   return where(mask({1, 0, 0, 1, 1, 0}, x[0]), x[0], x[1]);
                 },
                 {0, 7, 8, 3, 4, 11}),
      moved_case("where of one with itself", {{2}},
                 [](auto x) {
                   return where(mask({1, 0}, x[0]), x[0], x[0]);
                 },
                 {0, 1}),
      refused_case(
          "where on p", "P",
          [](auto x) {
            std::vector<std::uint8_t> first(static_cast<std::size_t>(x[0].value().numel()), 0);
            first[0] = 1;
            return where(mask(first, x[0]), x[0], scale(x[0], 2));
          },
          "[where] tensor 'P', axis 0 'p' (permutation(4)): where along an axis that moves; only a fixed axis keeps "
          "its "
          "places",
          "P"),
      moved_case("gather", {{2, 3}},
                 [](auto x) {
                   return gather(x[0], 1, indices({2, 0, 2, 1}).on(x[0].value().backend()));
                 },
                 {2, 0, 2, 1, 5, 3, 5, 4}),
      moved_case("reshape", {{2, 3}},
                 [](auto x) {
                   return reshape(x[0], {3, 2});
                 },
                 {0, 1, 2, 3, 4, 5}),
      moved_case("patches", {{1, 2, 2, 3}},
                 [](auto x) {
                   return patches(x[0], {2, 2});
                 },
                 {0, 1, 3, 4, 6, 7, 9, 10, 1, 2, 4, 5, 7, 8, 10, 11}),
      moved_case("patches, stride and padding", {{1, 1, 2, 2}}, [padded](auto x) { return patches(x[0], padded); },
                 {-1, -1, -1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, -1}),
      refused_case(
          "slice on p", "P", [](auto x) { return slice(x[0], 2, 0, 2); },
          "[slice] tensor 'P', axis 0 'p' (permutation(4)): slice along an axis that moves; only a fixed axis keeps "
          "its places"),
      refused_case(
          "gather on m", "M",
          [](auto x) {
            return gather(x[0], 2, indices({1, 0}));
          },
          "[gather] tensor 'M', axis 0 'm' (positive_monomial(4)): gather along an axis that moves; only a fixed axis "
          "keeps its places"),
      refused_case(
          "concat on s", "S",
          [](auto x) {
            const Var both[] = {x[0], x[0]};
            return concat(both, 2);
          },
          "[concat] tensor 'S', axis 0 's' (sign_monomial(4)): concat along an axis that moves; only a fixed axis "
          "keeps its places"),
      refused_case(
          "reshape on G", "L",
          [](auto x) {
            return reshape(x[0], {2, 30});
          },
          "[reshape] tensor 'L', axis 1 'G' (GL(3)): reshape along an axis that moves; only a fixed axis keeps its "
          "places"),
  };
}

}  // namespace weft

// The interpreter of typed terms on the device against the CPU: values and all gradients.

#include "weft/nfn/magep/terms.h"

#include <array>

#include <fmt/format.h>

#include "weft/nfn/transformer/terms.h"
#include "weft/ops/terms.h"
#include "weft/tests/device/device_under_test.h"
#include "weft/tests/random_terms.h"

using namespace weft;
using namespace weft::testing;

namespace {

constexpr std::int64_t batch = 2, d = 2, e = 3;

/// Values of a step, then the gradients of all features and parameters, each as doubles.
using Numbers = std::vector<std::vector<double>>;

Tensor normals(const Shape& shape, DType dtype, RandomKey key) {
  const Tensor t = Tensor::zeros(shape, DType::f64);
  fill_normal(t, key);
  return t.to(dtype);
}

Numbers step(const TermList& list, DType dtype, Tape& tape, RandomKey key) {
  std::vector<Var> features, parameters, outputs(list.out().tensors().size()), reached;
  const auto leaf = [&](const Shape& shape, const Type& type, RandomKey of) {
    return tape.leaf(normals(shape, dtype, of).on(tape.backend()), type);
  };
  for (int i = 0; i < static_cast<int>(list.in().tensors().size()); ++i)
    features.push_back(leaf(list.in().feature_shape(i, batch, d), list.in().type(i),
                            key.at("feature").at(static_cast<std::uint64_t>(i))));
  for (const TermParameter& p : list.parameters()) {
    const Shape shape = p.shape(e, d);
    parameters.push_back(leaf(shape, Type::plain(shape.rank()), key.at(p.name)));
  }
  run_terms(list, features, parameters, e, outputs);
  std::vector<Tensor> cotangents;
  Numbers numbers;
  const auto keep = [&](const Tensor& t) {
    const Tensor wide = t.on(nullptr).to(DType::f64);
    numbers.emplace_back(wide.span<double>().begin(), wide.span<double>().end());
  };
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    keep(outputs[i].value());
    if (!outputs[i].requires_grad()) continue;  // a tensor without a term
    reached.push_back(outputs[i]);
    cotangents.push_back(normals(outputs[i].shape(), dtype, key.at("cotangent").at(i)));
  }
  tape.backward(reached, cotangents);
  for (const auto* vars : {&features, &parameters})
    for (const Var& x : *vars) keep(tape.grad(x).value());
  return numbers;
}

/// What is wrong on the device, or an empty string.
std::string wrong(const TermList& list, RandomKey key) try {
  for (const DType dtype : {DType::f64, DType::f32}) {
    Arena host, memory(device().memory());
    Tape here(host), there(memory);
    const Numbers expected = step(list, dtype, here, key), got = step(list, dtype, there, key);
    for (std::size_t i = 0; i < expected.size(); ++i)
      if (const double by = relative_error(got[i], expected[i]); !(by < (dtype == DType::f64 ? 1e-12 : 1e-4)))
        return fmt::format("tensor {} differs by {:.3g} in {}", i, by, name(dtype));
    there.reset();
    const std::size_t reserved = memory.reserved();
    if (step(list, dtype, there, key) != got) return "a second step has other bits";
    if (memory.reserved() != reserved) return "a second step takes more memory";
  }
  return {};
} catch (const Error& error) {
  return error.what();
}

void check(const TermList& list, RandomKey key) {
  const std::string complaint = wrong(list, key);
  CHECK_MESSAGE(complaint.empty(), list.in().str(), "\n", list.text(), complaint);
}

}  // namespace

TEST_CASE("random lists of typed terms on the device") {
  const std::vector<Space> spaces = spaces_for_terms();
  int run = 0;
  for (std::uint64_t seed = 0; run < 200; ++seed) {
    const Space& space = spaces[seed % spaces.size()];
    const RandomTerms terms = random_terms(space, RandomKey(seed, "terms on a device"));
    const TermList list(space, space, terms.text, true);
    // Every other list has a term of some depth.
    if (list.refusal(static_cast<int>(list.terms().size()) - 1) || terms.degree < static_cast<int>(seed % 3)) continue;
    check(TermList(space, space, terms.text), RandomKey(seed, "values"));
    ++run;
  }
}

TEST_CASE("lists that hold diagonals, integers, lets and constants on the device") {
  const Space space = Space::parse("m: fixed(2); p: permutation(3) A[p] B[p, m] C[p, p] s");
  for (const char* text :
       {"s += phi1[0] A[p]\ns += phi1[1] s\nA[j] += s.phi1[0] A[j]", "L := A[k] A[k]\nA[j] += phi1 L L\ns += phi1 L",
        "B[j,k] += phi1[k] A[j]\nB[j,k] += phi2[1,k]\ns += phi1 s s s", "C[j,j] += phi1 C[j,k]",
        "C[j,k] += phi1 C[k,j]\nC[j,j] += phi2 C[k,j]\nC[j,k] += phi3 s", "C[j,j] += phi1\nC[j,k] += phi2",
        "L[j] := C[j,j]\nC[j,j] += phi1 L[j] L[k]", "A[j] += phi1 psi1[m] B[j,m]\nA[j] += phi2 psi1[0] A[j]"})
    check(TermList(space, space, text), RandomKey(1, text));
}

TEST_CASE("MAGEP's and Transformer-NFN's lists on the device") {
  const std::array<std::int64_t, 4> widths{3, 40, 5, 2};  // sums of more than one warp's numbers
  const Space dense = mlp_space(widths, FactorKind::positive_monomial),
              block = transformer_space({4, 5, 2, 3, 2}, false), y = Space::parse("y");
  check(TermList(dense, dense, magep_equivariant_terms(3)), RandomKey(2, "magep"));
  check(TermList(dense, y, magep_invariant_terms(3)), RandomKey(3, "magep"));
  check(TermList(block, block, transformer_equivariant_terms()), RandomKey(4, "transformer"));
  check(TermList(block, y, transformer_invariant_terms()), RandomKey(5, "transformer"));
}

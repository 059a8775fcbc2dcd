#pragma once
// Runs one OpCase in every mode. Returns what is wrong, or an empty string: so that the self-test can demand that
// something is.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "weft/autograd/op_case.h"
#include "weft/core/random.h"

namespace weft::testing {

/// Value against the naive reference in float64 (1e-12), float32 against float64 (1e-5), an empty batch, views as
/// inputs.
std::string check_value(const OpCase& c, RandomKey key);
/// Hand-written vjp against finite differences: a random direction and cotangent, the full Jacobian when small (1e-8).
std::string check_vjp(const OpCase& c, RandomKey key);
/// An input, or the result, is changed in place before the backward pass, through another view of its memory on the
/// tape or by its owner: the pass refuses, or the gradients have the bits that they would have had.
std::string check_changes(const OpCase& c, RandomKey key);
/// op(g x) = g op(x), and the vjp commutes with the dual action, to 1e-9; the result has the type that the case says.
std::string check_equivariance(const OpCase& c, RandomKey key);
/// Refused with the exact message, and a random element shows by a difference above 1e-4 that the op would break
/// equivariance.
std::string check_refusal(const OpCase& c, RandomKey key);

/// Values and gradients on a device against the CPU's, in float64 (1e-12) and float32 (1e-5), without and with types;
/// a second step sees the same bits and takes no more memory. Refusals need no device.
std::string check_device(const OpCase& c, RandomKey key, Backend& backend);

/// All modes that apply to the case on the CPU.
std::string check_all(const OpCase& c, RandomKey key);

/// What `check(case, key)` finds wrong in any of the cases, each under a key of its own: that of its name, and of how
/// many had the name before, so that new cases leave the numbers of others as they are.
template <class Check>
std::vector<std::string> failures(const std::vector<OpCase>& cases, std::uint64_t seed, const Check& check) {
  std::vector<std::string> found;
  std::map<std::string, std::uint64_t> of_name;
  for (const OpCase& c : cases)
    if (std::string wrong = check(c, RandomKey(seed, c.name).at(of_name[c.name]++)); !wrong.empty())
      found.push_back(std::move(wrong));
  return found;
}

}  // namespace weft::testing

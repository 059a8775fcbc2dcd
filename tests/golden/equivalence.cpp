// Kinds that are decisions: do two networks compute the same function?

#include <fmt/format.h>

#include "weft/symmetry/attention.h"
#include "weft/tests/golden/golden.h"

namespace weft::golden {
namespace {

AttentionModule module(const File& file, const std::string& name) {
  auto tensor = [&](const char* weight) { return file.data.tensor("in." + name + "." + weight); };
  return {tensor("WQ"), tensor("WK"), tensor("WV"), tensor("WO")};
}

/// At the tolerance that spec 5 asks for, which float32 does not have.
std::string attention(const File& file, Run& run) {
  if (run.dtype() != DType::f64) return {};
  const bool expected = file.config.at("same");
  AttentionEquivalenceOptions options;
  options.tolerance = 1e-8;
  options.after_norm = file.config.value("after_norm", false);
  const AttentionModule a = module(file, "a"), b = module(file, "b");
  const AttentionEquivalence found = compare_attention(a, b, options);
  const std::string text = file.config.at("case");
  if (found.decision != (expected ? Decision::same : Decision::different))
    return fmt::format("'{}': decided {}", text, name(found.decision));
  if (!expected && !found.witness) return fmt::format("'{}': no witness", text);
  return {};
}

}  // namespace

std::map<std::string, Check> equivalence_kinds() { return {{"attention.equivalence", attention}}; }

}  // namespace weft::golden

// *.jsonl: typed terms with the answer (spec 7.2). The decision and the numbers must agree with it.

#include <fstream>

#include <fmt/format.h>

#include "weft/tests/golden/golden.h"
#include "weft/tests/term_checks.h"

namespace weft::golden {

std::string check_terms(const std::filesystem::path& path) {
  std::ifstream in(path);
  if (!in) throw DiskError("[golden] cannot read {}", path.string());
  std::string text;
  std::uint64_t n = 0;
  while (std::getline(in, text)) {
    if (text.empty()) continue;
    ++n;
    const auto line = nlohmann::json::parse(text);
    const Space space = Space::parse(line.at("space").get<std::string>());
    const TermList list(space, space, line.at("term").get<std::string>(), true);
    const bool expected = line.at("equivariant");
    const auto refusal = list.refusal(0);
    if (refusal.has_value() == expected)
      return fmt::format("line {}: '{}' was {}", n, line.at("term").get<std::string>(),
                         refusal ? "refused: " + *refusal : "accepted");
    const double error = testing::equivariance_error(list, RandomKey(0, "golden").at(n));
    if (!(expected ? error < 1e-9 : error > 1e-4))
      return fmt::format("line {}: '{}' breaks equivariance by {:.3g}; expected {}", n,
                         line.at("term").get<std::string>(), error, expected ? "below 1e-9" : "above 1e-4");
  }
  return n ? "" : "no terms";
}

}  // namespace weft::golden

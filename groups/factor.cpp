#include "weft/groups/factor.h"

#include <algorithm>

#include <fmt/format.h>

namespace weft {

std::string Factor::str() const {
  std::string text = fmt::format("{}({})", kind->name, size);
  if (!per.empty()) text += " per " + per;
  if (!along.empty()) text += " along " + along;
  return text;
}

int position_of(const std::vector<Factor>& factors, std::string_view name) {
  const auto f = std::find_if(factors.begin(), factors.end(), [&](const Factor& x) { return x.name == name; });
  return f == factors.end() ? -1 : static_cast<int>(f - factors.begin());
}

int take_up(std::vector<Factor>& factors, const Factor& factor) {
  const int known = position_of(factors, factor.name);
  if (known >= 0) return factors[static_cast<std::size_t>(known)] == factor ? known : -1;
  factors.push_back(factor);
  return static_cast<int>(factors.size()) - 1;
}

Factor fixed_places(std::int64_t size) { return {fmt::format("fixed.{}", size), FactorKind::fixed, size}; }

std::string with_degree(const std::string& name, int degree) {
  return degree == 1 ? name : degree == -1 ? name + "*" : fmt::format("{}^{}", name, degree);
}

}  // namespace weft

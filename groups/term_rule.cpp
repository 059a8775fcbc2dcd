#include "weft/groups/term_rule.h"

#include <algorithm>

#include <fmt/format.h>

namespace weft {
namespace {

TermVerdict refused(std::string reason) { return {false, std::move(reason)}; }

/// Every factor that scales at some place, once, and the root if it is of such a kind.
std::vector<int> scaling_factors(const std::vector<Factor>& factors, std::span<const TermPlace> places) {
  std::vector<int> out;
  if (factors[static_cast<std::size_t>(places[0].factor)].kind->scales != Scales::none) out.push_back(places[0].factor);
  for (const TermPlace& p : places)
    for (const FactorDegree& d : p.degrees)
      if (std::find(out.begin(), out.end(), d.factor) == out.end()) out.push_back(d.factor);
  return out;
}

int degree_of(const TermPlace& place, int factor) {
  for (const FactorDegree& d : place.degrees)
    if (d.factor == factor) return d.degree;
  return 0;
}

/// One factor's degrees: those on the right must add up to those on the left; signs modulo 2.
TermVerdict balance(const Factor& factor, bool is_root, std::span<const TermPlace> places, int position) {
  int right = 0, left = 0;
  for (const TermPlace& p : places) (p.left ? left : right) += degree_of(p, position);
  const std::string who = is_root ? "" : factor.name + " ";
  if (factor.kind->scales == Scales::sign) {
    if ((right - left) % 2 == 0)
      return {true, is_root ? "an even number of signs" : who + "with an even number of signs"};
    return refused(is_root ? "an odd number of signs" : who + "with an odd number of signs");
  }
  if (right == left) return {true, fmt::format("{}scales by power {} on both sides", who, left)};
  return refused(fmt::format("{}scales by power {} on the right, {} on the left", who, right, left));
}

TermVerdict balanced(const std::vector<Factor>& factors, std::span<const TermPlace> places) {
  const int root = places[0].factor;
  std::string reasons;
  for (const int f : scaling_factors(factors, places)) {
    const TermVerdict v = balance(factors[static_cast<std::size_t>(f)], f == root, places, f);
    if (!v.allowed) return v;
    reasons += (reasons.empty() ? "" : ", ") + v.reason;
  }
  if (!reasons.empty()) return {true, reasons};
  if (!factors[static_cast<std::size_t>(root)].kind->moves()) return {true, "does not move: everything is allowed"};
  const auto left = std::count_if(places.begin(), places.end(), [](const TermPlace& p) { return p.left; });
  return {true, left == 0 ? "summed over all" : left == std::ssize(places) ? "the same value at all" : "kept"};
}

}  // namespace

TermVerdict term_verdict(const std::vector<Factor>& factors, std::span<const TermPlace> places,
                         std::string_view learned) {
  const Factor& root = factors[static_cast<std::size_t>(places[0].factor)];
  const TermPlace* headed = nullptr;
  for (const TermPlace& p : places) {
    if (p.factor != places[0].factor)
      return refused(fmt::format("runs over {} and {}; allowed: one factor", root.name,
                                 factors[static_cast<std::size_t>(p.factor)].name));
    if (p.headed && !headed) headed = &p;
  }
  for (const TermPlace& p : places)
    if (p.headed && p.head != headed->head)
      return refused(fmt::format("its places carry different heads; allowed: one index over {} at all of them",
                                 root.per.empty() ? "the heads" : root.per));
  if (!learned.empty() && root.kind->moves() && !root.kind->has_pairs())
    return refused(
        fmt::format("stands in '{}', but {} moves; allowed there: indices over fixed factors", learned, root.name));
  return root.kind->verdict ? root.kind->verdict(places) : balanced(factors, places);
}

std::string in_words(const std::vector<Factor>& factors, const TermPlace& place) {
  const Factor& root = factors[static_cast<std::size_t>(place.factor)];
  const bool own = place.degrees.size() == 1 && place.degrees[0].factor == place.factor;
  if (place.degrees.empty() && root.kind->scales == Scales::none)
    return place.role == AxisRole::covector ? "covector" : "vector";
  if (place.degrees.empty()) return root.kind->scales == Scales::sign ? "even" : "power 0";
  if (own && place.degrees[0].degree == 1) return "vector";
  if (own && place.degrees[0].degree == -1) return "covector";
  if (own) return fmt::format("power {}", place.degrees[0].degree);
  std::string text;
  for (const FactorDegree& d : place.degrees)
    text += (text.empty() ? "" : "&") + with_degree(factors[static_cast<std::size_t>(d.factor)].name, d.degree);
  return text;
}

}  // namespace weft

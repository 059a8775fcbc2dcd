#include "weft/groups/derive.h"

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weft/core/error.h"
#include "weft/core/stop.h"
#include "weft/groups/pairing.h"

namespace weft {
namespace {

using Names = std::vector<std::string>;

bool has(const Names& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

void add(Names& names, const std::string& name) {
  if (!has(names, name)) names.push_back(name);
}

std::string list(const Names& indices) { return indices.empty() ? "" : fmt::format("[{}]", fmt::join(indices, ",")); }

std::string letter(char first, char last, int n) {
  return first + n <= last ? std::string(1, static_cast<char>(first + n)) : fmt::format("{}{}", first, n);
}

/// A legal term, without the number of its phi.
struct Candidate {
  int target = 0;  ///< tensor of the output space
  std::string left, mean, features;
  Names phi, psi;        ///< indices; a psi is there for a low rank alone
  bool strict = true;    ///< balanced even when vectors and covectors are told apart
  int distance = 0;      ///< of input and output in their space
  double cost = 0;       ///< multiplications of a loop over all indices
  bool product = false;  ///< of an invariant and a feature

  std::string text(int number) const {
    const std::string low_rank = psi.empty() ? "" : fmt::format(" psi{}{}", number, list(psi));
    return fmt::format("{} += {}phi{}{}{}{}\n", left, mean, number, list(phi), low_rank, features);
  }
};

class Deriver {
 public:
  Deriver(const Space& in, const Space& out, const DeriveOptions& options) : list_(in, out, ""), options_(options) {
    for (const auto& [name, along] : options.fixed) {
      const int position = position_of(list_.factors(), name);
      const Factor* f = position < 0 ? nullptr : &list_.factors()[static_cast<std::size_t>(position)];
      if (!f || f->kind->moves())
        throw UsageError("[derive] option for '{}', which is {}; allowed: fixed factors of the spaces", name,
                         f ? f->str() : "no factor");
      if (along.way == AlongFixed::Way::low_rank && (along.rank < 1 || along.rank > f->size))
        throw UsageError("[derive] rank {} along '{}' ({}); allowed: 1 to {}", along.rank, name, f->str(), f->size);
    }
  }

  int targets() const { return static_cast<int>(list_.out().tensors().size()); }
  int sources() const { return static_cast<int>(list_.in().tensors().size()); }

  void collect(int target, std::vector<int> sources, std::vector<Candidate>& terms) const {
    stop_point();
    Pairing pairing(list_, options_, target, sources);
    for (const Blocks& blocks : pairing.run())
      if (sources.size() < 2 || sources[0] != sources[1] || !exchanged_before(pairing, blocks))
        terms.push_back(candidate(target, sources, pairing, blocks));
  }

 private:
  /// One feature twice: exchanging them gives the same term, of which the first in order is kept.
  static bool exchanged_before(const Pairing& pairing, const Blocks& blocks) {
    std::size_t first = 0, second = 0;
    while (first < pairing.size() && pairing.operand(first) < 1) ++first;
    for (second = first; second < pairing.size() && pairing.operand(second) < 2;) ++second;
    Blocks other = blocks;
    std::rotate(other.begin() + static_cast<std::ptrdiff_t>(first), other.begin() + static_cast<std::ptrdiff_t>(second),
                other.end());
    return renumbered(other) < blocks;
  }

  /// No index of feature `which` stands anywhere else.
  static bool stands_apart(const Pairing& pairing, const Blocks& blocks, int which) {
    for (std::size_t i = 0; i < blocks.size(); ++i)
      for (std::size_t j = 0; j < blocks.size(); ++j)
        if (blocks[i] == blocks[j] && pairing.operand(i) == which && pairing.operand(j) != which) return false;
    return true;
  }

  /// Indices of phi, the inputs' before the output's; along axes of a low rank psi has the inputs' instead, and both
  /// share one index more.
  static void put_learned(const Pairing& pairing, const Blocks& blocks, const Names& names, Candidate& c) {
    std::int64_t rank = 0;
    const auto name = [&](std::size_t i) { return names[static_cast<std::size_t>(blocks[i])]; };
    Names on_left;
    for (std::size_t i = 0; i < blocks.size(); ++i)
      if (pairing.left(i)) on_left.push_back(name(i));
    const auto low_rank = [&](std::size_t i) { return pairing.along(i).way == AlongFixed::Way::low_rank; };
    // A rank is between places of the input and others of the output.
    bool reads = false, writes = false;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      if (!low_rank(i)) continue;
      (pairing.left(i) ? writes : reads) |= pairing.left(i) || !has(on_left, name(i));
      rank = std::max(rank, pairing.along(i).rank);
    }
    const bool split = reads && writes;
    if (split) {
      c.phi.push_back(fmt::format("rank:{}", rank));
      c.psi.push_back("rank");
    }
    for (const bool of_left : {false, true})
      for (std::size_t i = 0; i < blocks.size(); ++i)
        if (pairing.left(i) == of_left && pairing.learned(i))
          add(split && low_rank(i) && !of_left && !has(on_left, name(i)) ? c.psi : c.phi, name(i));
  }

  Candidate candidate(int target, const std::vector<int>& sources, const Pairing& pairing, const Blocks& blocks) const {
    // Output indices j k l …, the others p q r …, as the papers write them.
    Names names;
    int of_out = 0, of_in = 0;
    Candidate c;
    c.target = target;
    c.cost = 1;
    for (std::size_t i = 0; i < blocks.size(); ++i)
      if (static_cast<std::size_t>(blocks[i]) == names.size()) {
        names.push_back(pairing.left(i) ? letter('j', 'o', of_out++) : letter('p', 'z', of_in++));
        c.cost *= static_cast<double>(pairing.places(i));
      }
    std::vector<Names> of_operand(1 + sources.size());
    for (std::size_t i = 0; i < blocks.size(); ++i)
      of_operand[static_cast<std::size_t>(pairing.operand(i))].push_back(names[static_cast<std::size_t>(blocks[i])]);
    put_learned(pairing, blocks, names, c);
    Names summed;
    for (std::size_t o = 1; o < of_operand.size(); ++o)
      for (const std::string& name : of_operand[o])
        if (!has(of_operand[0], name) && !has(c.phi, name) && !has(c.psi, name)) add(summed, name);
    if (options_.means && !summed.empty()) c.mean = fmt::format("mean({}) ", fmt::join(summed, ","));
    c.left = list_.out().tensors()[static_cast<std::size_t>(target)].name + list(of_operand[0]);
    for (std::size_t o = 0; o < sources.size(); ++o)
      c.features += " " + list_.in().tensors()[static_cast<std::size_t>(sources[o])].name + list(of_operand[o + 1]);
    c.strict = pairing.strict(blocks);
    if (sources.size() == 1) c.distance = std::abs(target - sources[0]);
    for (int o = 1; o <= static_cast<int>(sources.size()); ++o)
      c.product |= sources.size() > 1 && stands_apart(pairing, blocks, o);
    return c;
  }

  TermList list_;
  const DeriveOptions& options_;
};

}  // namespace

std::string derive_linear(const Space& in, const Space& out, const DeriveOptions& options) {
  const Deriver deriver(in, out, options);
  std::string text;
  for (int t = 0; t < deriver.targets(); ++t) {
    std::vector<Candidate> terms;
    for (int s = 0; s < deriver.sources(); ++s) deriver.collect(t, {s}, terms);
    std::stable_sort(terms.begin(), terms.end(), [](const Candidate& a, const Candidate& b) {
      return a.strict != b.strict ? a.strict : !a.strict && a.distance < b.distance;
    });
    if (options.constant) deriver.collect(t, {}, terms);
    int number = 0;
    for (const Candidate& c : terms) text += c.text(++number);
  }
  return text;
}

DerivedQuadratic derive_quadratic(const Space& in, const Space& out, const DeriveOptions& options, std::int64_t limit) {
  const Deriver deriver(in, out, options);
  std::vector<Candidate> terms;
  for (int t = 0; t < deriver.targets(); ++t)
    for (int a = 0; a < deriver.sources(); ++a)
      for (int b = a; b < deriver.sources(); ++b) deriver.collect(t, {a, b}, terms);
  std::stable_sort(terms.begin(), terms.end(), [](const Candidate& a, const Candidate& b) {
    return a.product != b.product ? b.product : a.cost < b.cost;
  });
  DerivedQuadratic derived;
  std::vector<int> number(static_cast<std::size_t>(deriver.targets()), 0);
  for (const Candidate& c : terms) {
    if (limit-- <= 0)
      ++derived.left_out;
    else
      (c.product ? derived.products : derived.terms) += c.text(++number[static_cast<std::size_t>(c.target)]);
  }
  return derived;
}

}  // namespace weft

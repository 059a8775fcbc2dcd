#include "weft/groups/derive.h"

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weft/groups/term.h"

namespace weft {
namespace {

/// An axis of the output or of the input of a term to be built.
struct Place {
  bool out;
  std::size_t axis;
  std::string factor;
  bool fixed;
};

/// Which index every place has: places with one number share it.
using Blocks = std::vector<int>;

/// All ways to give the places indices: fixed ones each its own, moved ones any partition within their factor.
void assignments(const std::vector<Place>& places, Blocks& blocks, int used, std::vector<Blocks>& all) {
  const std::size_t i = blocks.size();
  if (i == places.size()) {
    all.push_back(blocks);
    return;
  }
  if (!places[i].fixed)
    for (int b = 0; b < used; ++b) {
      const auto of_block = static_cast<std::size_t>(std::find(blocks.begin(), blocks.end(), b) - blocks.begin());
      if (places[of_block].fixed || places[of_block].factor != places[i].factor) continue;
      blocks.push_back(b);
      assignments(places, blocks, used, all);
      blocks.pop_back();
    }
  blocks.push_back(used);
  assignments(places, blocks, used + 1, all);
  blocks.pop_back();
}

/// A legal term, without the name of its phi.
struct Candidate {
  std::string left, phi_indices, mean, right;
  bool strict;   ///< balanced even when vectors and covectors are told apart
  int distance;  ///< of input and output in their space
};

class Deriver {
 public:
  Deriver(const Space& in, const Space& out, const DeriveOptions& options) : in_(in), out_(out), options_(options) {}

  std::string run() {
    std::string text;
    for (std::size_t t = 0; t < out_.tensors().size(); ++t) {
      std::vector<Candidate> terms;
      for (std::size_t s = 0; s < in_.tensors().size(); ++s) collect(static_cast<int>(t), static_cast<int>(s), terms);
      std::stable_sort(terms.begin(), terms.end(), [](const Candidate& a, const Candidate& b) {
        return a.strict != b.strict ? a.strict : !a.strict && a.distance < b.distance;
      });
      if (options_.constant) collect(static_cast<int>(t), -1, terms);
      int number = 0;
      for (const Candidate& c : terms)
        text += fmt::format("{} += {}phi{}{}{}\n", c.left, c.mean, ++number, c.phi_indices, c.right);
    }
    return text;
  }

 private:
  void collect(int target, int source, std::vector<Candidate>& terms) const {
    std::vector<Place> places;
    append(out_, target, true, places);
    if (source >= 0) append(in_, source, false, places);
    Blocks blocks;
    std::vector<Blocks> all;
    assignments(places, blocks, 0, all);
    for (const Blocks& b : all) {
      Candidate c = candidate(target, source, places, b);
      const TermList list(in_, out_, fmt::format("{} += phi1{}{}", c.left, c.phi_indices, c.right), true);
      if (list.refusal(0)) continue;
      c.strict = strict(list);
      c.distance = std::abs(target - source);
      terms.push_back(std::move(c));
    }
  }

  static void append(const Space& space, int tensor, bool out, std::vector<Place>& places) {
    const auto& axes = space.tensors()[static_cast<std::size_t>(tensor)].axes;
    for (std::size_t i = 0; i < axes.size(); ++i) {
      const Factor& f = space.factors()[static_cast<std::size_t>(axes[i].factor)];
      places.push_back({out, i, f.name, f.kind == Kind::fixed});
    }
  }

  static std::string list(const std::vector<std::string>& indices) {
    return indices.empty() ? "" : fmt::format("[{}]", fmt::join(indices, ","));
  }

  Candidate candidate(int target, int source, const std::vector<Place>& places, const Blocks& blocks) const {
    // Output indices j k l …, the others p q r …, as the papers write them.
    std::vector<std::string> names;
    int of_out = 0, of_in = 0;
    for (std::size_t i = 0; i < places.size(); ++i)
      if (static_cast<std::size_t>(blocks[i]) == names.size())
        names.push_back(places[i].out ? letter('j', 'o', of_out++) : letter('p', 'z', of_in++));
    std::vector<std::string> left, right, fixed_out, fixed_in, mean;
    for (std::size_t i = 0; i < places.size(); ++i) {
      const std::string& name = names[static_cast<std::size_t>(blocks[i])];
      (places[i].out ? left : right).push_back(name);
      if (places[i].fixed) (places[i].out ? fixed_out : fixed_in).push_back(name);
    }
    for (const std::string& name : right)
      if (std::find(left.begin(), left.end(), name) == left.end() &&
          std::find(fixed_in.begin(), fixed_in.end(), name) == fixed_in.end() &&
          std::find(mean.begin(), mean.end(), name) == mean.end())
        mean.push_back(name);
    fixed_in.insert(fixed_in.end(), fixed_out.begin(), fixed_out.end());
    const bool means = options_.means && !mean.empty();
    return {out_.tensors()[static_cast<std::size_t>(target)].name + list(left),
            list(fixed_in),
            means ? fmt::format("mean({}) ", fmt::join(mean, ",")) : "",
            source < 0 ? "" : " " + in_.tensors()[static_cast<std::size_t>(source)].name + list(right),
            true,
            0};
  }

  static std::string letter(char first, char last, int n) {
    return first + n <= last ? std::string(1, static_cast<char>(first + n)) : fmt::format("{}{}", first, n);
  }

  static bool strict(const TermList& list) {
    const TermResolved& term = list.terms()[0];
    for (int i = 0; i < static_cast<int>(term.indices.size()); ++i) {
      if (list.factors()[static_cast<std::size_t>(term.indices[static_cast<std::size_t>(i)].factor)].kind ==
          Kind::fixed)
        continue;
      int balance = 0;
      for (const TermPlace& p : list.places(term, i)) balance += p.left ? -p.weight : p.weight;
      if (balance != 0) return false;
    }
    return true;
  }

  const Space &in_, &out_;
  const DeriveOptions& options_;
};

}  // namespace

std::string derive_linear(const Space& in, const Space& out, const DeriveOptions& options) {
  return Deriver(in, out, options).run();
}

}  // namespace weft

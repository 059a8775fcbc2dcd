#pragma once
// What tests of folds have in common: networks as numbers by the names of their files' tensors.

#include <optional>
#include <span>
#include <vector>

#include <doctest/doctest.h>

#include "weft/networks/files/fold.h"
#include "weft/tests/reference_forward.h"

namespace weft::testing {

inline void append(std::vector<double>& out, const Rows& rows) {
  for (const auto& row : rows) out.insert(out.end(), row.begin(), row.end());
}

inline double error(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  Difference difference;
  difference.add(a, b);
  return difference.relative();
}

inline FoundArchitecture found_of(const Numbers& numbers, const Json& config,
                                  const std::optional<ArchitectureText>& text = {}) {
  std::vector<StoredTensor> tensors;
  for (const auto& [name, t] : numbers) tensors.push_back({name, t.shape()});
  return text ? found_architecture({tensors, config}, std::span(&*text, 1)) : found_architecture({tensors, config});
}

inline Numbers file_of(const FileSpace& files, const std::vector<Tensor>& weights) {
  Numbers out;
  for (const FileEntry& file : files.files)
    for (const std::string& name : file.names) out.emplace(name, Tensor::zeros(file.shape, weights[0].dtype()));
  write_windows(files, weights, of(out));
  return out;
}

/// By a random element of `space`, which acts on the folded network.
inline Numbers moved(const FileSpace& files, const std::vector<Tensor>& weights, const Space& space,
                     std::uint64_t seed) {
  const Element g = Element::random(space, RandomKey(seed, "folded"));
  return file_of(files, act(Element(files.space, {g.parts().begin(), g.parts().end()}), weights));
}

}  // namespace weft::testing

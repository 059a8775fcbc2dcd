#pragma once
// What is said of a file that no text fits (spec 8.8).

#include <optional>

#include "weft/networks/files/find.h"

namespace weft {

/// Of texts that do not fit: the one whose names are most like the file's, and of several the one that differs least.
class NearestText {
 public:
  explicit NearestText(const StoredNetwork& network) : network_(network) {}

  /// `unlike`: how many names are, as far as the text tells; else the difference does.
  void add(const ArchitectureText& text, std::optional<std::size_t> unlike, ArchitectureDifference difference);

  /// Throws FormatError: which text is nearest, and what differs; where the config alone is wrong, which of its sizes.
  /// Throws UsageError where there was no text.
  [[noreturn]] void fail() const;

 private:
  const StoredNetwork& network_;
  const ArchitectureText* text_ = nullptr;
  ArchitectureDifference difference_;
  std::size_t unlike_ = 0, texts_ = 0;
};

}  // namespace weft

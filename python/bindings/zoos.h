#pragma once
// Zoos as objects of Python.

#include "bindings.h"

#include "weft/zoo/store.h"

namespace weft::python {

/// A zoo that knows where it was opened, by which it is pickled.
struct OpenZoo : Zoo {
  std::filesystem::path folder;
  explicit OpenZoo(const std::filesystem::path& at) : Zoo(Zoo::open(at)), folder(std::filesystem::absolute(at)) {}
};

}  // namespace weft::python

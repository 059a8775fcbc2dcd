#pragma once
// Golden files (spec 5): expected values and gradients, checked by kind.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "weft/autograd/tape.h"
#include "weft/io/safetensors.h"

namespace weft::golden {

struct File {
  SafeTensors data;
  nlohmann::json config;
};

/// One evaluation of a file in one dtype.
class Run {
 public:
  Run(const File& file, DType dtype) : file_(file), dtype_(dtype), tape_(arena_) {}

  Tape& tape() { return tape_; }
  DType dtype() const { return dtype_; }
  /// A leaf with the values of tensor `name` ("in.W1", "param.W1.phi1"), under `shape` when the model wants another
  /// view of them.
  Var leaf(const std::string& name, const Shape& shape, const Type& type);
  Var leaf(const std::string& name, const Shape& shape) { return leaf(name, shape, Type::plain(shape.rank())); }
  /// Compares the outputs with out.*, puts cot.* on them, and compares the gradients of all leaves with grad.*, each
  /// channel by its own size. Every tensor of the file must have been used. Empty when all agree.
  std::string compare(const std::map<std::string, Var>& outputs);

 private:
  std::string difference(const std::string& name, const Tensor& got) const;

  const File& file_;
  DType dtype_;
  Arena arena_;
  Tape tape_;
  std::map<std::string, Var> leaves_;
};

/// Builds the model that the config describes, runs it and returns what differs.
using Check = std::string (*)(const File& file, Run& run);

/// Terms with the answer, one a line: what is wrong, or empty.
std::string check_terms(const std::filesystem::path& path);

}  // namespace weft::golden

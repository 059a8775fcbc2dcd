#pragma once
// Golden files (spec 5): expected values and gradients, checked by kind.

#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "weft/autograd/tape.h"
#include "weft/io/safetensors.h"
#include "weft/nn/module.h"

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
  /// Tensor `name` of the file, for what is no variable. With a shape: in this dtype, viewed as the model wants it.
  Tensor given(const std::string& name);
  Tensor given(const std::string& name, const Shape& shape);
  /// A leaf with the values of tensor `name` ("in.W1", "param.W1.phi1") under such a shape.
  Var leaf(const std::string& name, const Shape& shape, const Type& type);
  Var leaf(const std::string& name, const Shape& shape) { return leaf(name, shape, Type::plain(shape.rank())); }
  /// Gives a model memory, and its parameters the numbers of param.*; their names lack the prefix there.
  void fill(const Module& model, std::string_view prefix = {});
  /// Compares the outputs with out.*, puts cot.* on them, and compares the gradients of all leaves and of the model
  /// with grad.*, each channel by its own size. Every tensor of the file must have been used. Empty when all agree.
  std::string compare(const std::map<std::string, Var>& outputs);
  /// The same of kinds without gradients.
  std::string compare_values(const std::map<std::string, Tensor>& outputs);
  /// Compares one tensor of the file.
  std::string difference(const std::string& name, const Tensor& got);

 private:
  std::string unused() const;

  const File& file_;
  DType dtype_;
  Arena arena_;
  Tape tape_;
  std::map<std::string, Var> leaves_;
  std::optional<Module> model_;
  std::set<std::string> used_;
};

/// Builds the model that the config describes, runs it and returns what differs.
using Check = std::string (*)(const File& file, Run& run);

/// Terms with the answer, one a line: what is wrong, or empty.
std::string check_terms(const std::filesystem::path& path);

}  // namespace weft::golden

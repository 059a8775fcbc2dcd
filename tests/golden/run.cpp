#include <cmath>
#include <set>

#include <fmt/format.h>

#include "weft/core/difference.h"
#include "weft/tests/golden/golden.h"

namespace weft::golden {

Var Run::leaf(const std::string& name, const Shape& shape, const Type& type) {
  if (!file_.data.contains(name)) throw FormatError("[golden] tensor '{}' is missing", name);
  const Tensor value = file_.data.tensor(name);
  if (value.numel() != shape.numel())
    throw FormatError("[golden] tensor '{}' has shape {}, expected as many numbers as {}", name, value.shape().str(),
                      shape.str());
  return leaves_[name] = tape_.leaf(value.to(dtype_).reshape(shape), type);
}

std::string Run::difference(const std::string& name, const Tensor& got) const {
  if (!file_.data.contains(name)) return fmt::format("tensor '{}' is missing", name);
  const double tolerance = dtype_ == DType::f64 ? 1e-10 : 2e-4,
               error = relative_error_of_blocks(got, file_.data.tensor(name).reshape(got.shape()),
                                                name.find("param.") == std::string::npos ? 1 : 0);
  return error <= tolerance
             ? ""
             : fmt::format("{} of {} differs by {:.3g}; allowed: {:.0e}", name, weft::name(dtype_), error, tolerance);
}

std::string Run::compare(const std::map<std::string, Var>& outputs) {
  std::vector<Var> ys;
  std::vector<Tensor> cotangents;
  std::set<std::string> used;
  for (const auto& [name, y] : outputs) {
    if (std::string wrong = difference("out." + name, y.value()); !wrong.empty()) return wrong;
    if (!file_.data.contains("cot." + name)) return fmt::format("tensor 'cot.{}' is missing", name);
    ys.push_back(y);
    cotangents.push_back(file_.data.tensor("cot." + name).to(dtype_).reshape(y.shape()));
    used.insert({"out." + name, "cot." + name});
  }
  tape_.backward(ys, cotangents);
  for (const auto& [name, x] : leaves_) {
    if (std::string wrong = difference("grad." + name, tape_.grad(x).value()); !wrong.empty()) return wrong;
    used.insert({name, "grad." + name});
  }
  for (const std::string& name : file_.data.names())
    if (!used.contains(name)) return fmt::format("tensor '{}' was not used", name);
  return {};
}

}  // namespace weft::golden

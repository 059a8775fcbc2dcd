#include <cmath>

#include <fmt/format.h>

#include "weft/core/difference.h"
#include "weft/tests/golden/golden.h"

namespace weft::golden {

Tensor Run::given(const std::string& name) {
  if (!file_.data.contains(name)) throw FormatError("[golden] tensor '{}' is missing", name);
  used_.insert(name);
  return file_.data.tensor(name);
}

Tensor Run::given(const std::string& name, const Shape& shape) {
  const Tensor value = given(name);
  if (value.numel() != shape.numel())
    throw FormatError("[golden] tensor '{}' has shape {}, expected as many numbers as {}", name, value.shape().str(),
                      shape.str());
  return value.to(dtype_).reshape(shape);
}

Var Run::leaf(const std::string& name, const Shape& shape, const Type& type) {
  return leaves_[name] = tape_.leaf(given(name, shape), type);
}

void Run::fill(const Module& model, std::string_view prefix) {
  model.init(RandomKey(0, "golden"), dtype_);
  Parameters& all = model.parameters();
  for (int i = 0; i < all.count(); ++i)
    all.value(i).copy_from(given("param." + all.name(i).substr(prefix.size()), all.shape(i)));
  all.changed();
  model_ = model;
}

std::string Run::difference(const std::string& name, const Tensor& got) {
  if (!file_.data.contains(name)) return fmt::format("tensor '{}' is missing", name);
  const double tolerance = dtype_ == DType::f64 ? 1e-10 : 2e-4,
               error = relative_error_of_blocks(got, given(name).reshape(got.shape()),
                                                name.find("param.") == std::string::npos ? 1 : 0);
  return error <= tolerance
             ? ""
             : fmt::format("{} of {} differs by {:.3g}; allowed: {:.0e}", name, weft::name(dtype_), error, tolerance);
}

std::string Run::unused() const {
  for (const std::string& name : file_.data.names())
    if (!used_.contains(name)) return fmt::format("tensor '{}' was not used", name);
  return {};
}

std::string Run::compare(const std::map<std::string, Var>& outputs) {
  std::vector<Var> ys;
  std::vector<Tensor> cotangents;
  for (const auto& [name, y] : outputs) {
    if (std::string wrong = difference("out." + name, y.value()); !wrong.empty()) return wrong;
    ys.push_back(y);
    cotangents.push_back(given("cot." + name, y.shape()));
  }
  tape_.backward(ys, cotangents);
  for (const auto& [name, x] : leaves_)
    if (std::string wrong = difference("grad." + name, tape_.grad(x).value()); !wrong.empty()) return wrong;
  for (int i = 0; model_ && i < model_->parameters().count(); ++i)
    if (std::string wrong = difference("grad.param." + model_->parameters().name(i), model_->parameters().grad(i));
        !wrong.empty())
      return wrong;
  return unused();
}

std::string Run::compare_values(const std::map<std::string, Tensor>& outputs) {
  for (const auto& [name, y] : outputs)
    if (std::string wrong = difference("out." + name, y); !wrong.empty()) return wrong;
  return unused();
}

}  // namespace weft::golden

#pragma once
// Models and their parts. A part registers itself, and what it learns, under a name in its parent.
//     struct Predictor : Module {
//       explicit Predictor(const Space& space)
//           : lift(*this, "lift", space, space, derive_linear(space, space), 1, 8),
//             readout(*this, "readout", {8, 32, 1}) {}
//       LinearLayer lift;
//       Mlp readout;
//     };

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "weft/groups/term.h"
#include "weft/nn/parameters.h"

namespace weft {

class Checkpoint;

/// A model, or a part of one. A handle, as Tensor is: copies and parts share the model's parameters, and keep them.
class Module {
 public:
  /// A model of its own; `kind` stands in its printed form and in its files.
  explicit Module(std::string kind = "model");
  /// The part `name` of `parent`. Throws UsageError for a name that the parent has.
  Module(const Module& parent, std::string_view name);
  // With a table of its own it lies where a part with virtual functions does: Python takes one for the other as it is.
  virtual ~Module() = default;
  Module(const Module&) = default;
  Module(Module&&) = default;
  Module& operator=(const Module&) = default;
  Module& operator=(Module&&) = default;

  /// Declares a learned tensor of this part: its name in the model is "part.name". Returns its number, for on(). Throws
  /// what Parameters::add throws.
  int add_parameter(std::string_view name, const Shape& shape, Init init, bool trainable = true,
                    GradientForm form = GradientForm::whole) const;
  /// As a variable of this step.
  Var on(Tape& tape, int parameter) const { return parameters().on(tape, parameter); }

  /// Of the whole model.
  Parameters& parameters() const;
  const std::string& kind() const;
  /// Takes the model's memory and draws its start values, each parameter from its own stream (key, name).
  void init(RandomKey key, DType dtype = DType::f32, Backend* backend = nullptr) const {
    parameters().allocate(dtype, key, backend);
  }

  // Of this part and its parts:
  /// Multiplications and additions of a forward pass of `batch` networks or rows, as far as the parts say.
  double flops(std::int64_t batch) const;
  /// What each part is, its numbers, its flops for one network, and its tensors' shapes.
  std::string str() const;
  /// The term lists behind them with their proofs; equal ones once. Empty where there are none.
  std::string proof() const;
  /// Each part that runs without a fast schedule where the model lies, and why.
  std::vector<std::string> fallbacks() const;

  /// Writes every parameter by its name as a checkpoint (io/checkpoint.h), complete or not at all. config: a JSON
  /// object, for who builds the model again from it. Throws what Checkpoint::save throws.
  void save(const std::filesystem::path& path, std::string_view config = "{}",
            std::map<std::string, std::string> metadata = {}) const;
  /// Reads them into a model of the same parts, converted to its dtype; one without memory yet gets it, as given here.
  /// Throws what Checkpoint::open and check throw; nothing is changed then.
  void load(const std::filesystem::path& path, DType dtype = DType::f32, Backend* backend = nullptr) const;
  void load(const Checkpoint& file, DType dtype = DType::f32, Backend* backend = nullptr) const;

 protected:
  /// What a part says of itself.
  struct Facts {
    std::string text;  ///< "linear 8 -> 4"
    std::function<double(std::int64_t batch)> flops = {};
    std::shared_ptr<const TermList> list = {};
    std::function<std::string_view(const Backend*)> fallback = {};  ///< why it is slow there; empty where it is not
  };
  Facts& facts() const;

 private:
  struct Part {
    std::string path;
    Facts facts;
  };
  struct Model {
    std::string kind;
    Parameters parameters;
    std::vector<Part> parts;
  };
  std::string full(std::string_view name) const;
  /// This part and those below it.
  std::vector<const Part*> parts() const;

  std::shared_ptr<Model> model_;
  std::size_t part_ = 0;
};

}  // namespace weft

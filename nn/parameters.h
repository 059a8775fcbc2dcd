#pragma once
// The learned tensors of a model, in one flat buffer per purpose: values, gradients and optimiser state are each read
// and written once.

#include <string>
#include <string_view>
#include <vector>

#include "weft/autograd/tape.h"
#include "weft/core/random.h"

namespace weft {

/// How a parameter starts.
struct Init {
  enum class Kind { constant, normal, uniform } kind = Kind::constant;
  double scale = 0;  ///< value of constant; standard deviation of normal; uniform in [-scale, scale]

  static Init zeros() { return {}; }
  static Init ones() { return constant(1); }
  static Init constant(double value) { return {Kind::constant, value}; }
  static Init normal(double deviation) { return {Kind::normal, deviation}; }
  static Init uniform(double bound) { return {Kind::uniform, bound}; }
  /// sqrt(2 / (fan_in + fan_out)) (spec 2.5).
  static Init xavier_normal(double fan_in, double fan_out);
  /// U[-1/sqrt(fan_in), 1/sqrt(fan_in)]: dense layers and their biases.
  static Init fan_in_uniform(double fan_in);
};

/// How the gradient of a parameter is kept. `outer`: as outer products (autograd/outer_sum.h), without memory of its
/// own; for parameters so large that reading and writing their gradient costs more than forming it anew, used by
/// operations that give it so. That pays where gradients are formed in a cache: on a device every gradient is whole.
enum class GradientForm : std::uint8_t { whole, outer };

/// Moved, never copied: a copy would share values and gradients with the original, but not their names and states.
/// Declared once, allocated once; afterwards a model asks for each by its number. Trainable parameters come first in
/// the flat buffer, so that one fused optimiser pass covers them, those with a whole gradient before the others; frozen
/// ones (a fixed Ψ) follow and have no gradient.
class Parameters {
 public:
  Parameters() = default;
  Parameters(Parameters&&) = default;
  Parameters& operator=(Parameters&&) = default;

  /// Throws UsageError for a name that exists, or after allocate().
  int add(std::string name, const Shape& shape, Init init, bool trainable = true,
          GradientForm form = GradientForm::whole);
  /// Draws the start values, each parameter from its own stream (key, name). float32 or float64. On a device they have
  /// the CPU's bits, and the flat buffers its layout.
  void allocate(DType dtype, RandomKey key, Backend* backend = nullptr);

  bool allocated() const { return values_.defined(); }

  /// Where values, gradients and frozen parameters lie; null for the CPU.
  Backend* backend() const { return values_.backend(); }

  int count() const { return static_cast<int>(items_.size()); }
  const std::string& name(int i) const { return item(i).name; }
  /// Known before allocate().
  const Shape& shape(int i) const { return item(i).shape; }
  bool trainable(int i) const { return item(i).trainable; }
  /// Position by name; throws UsageError.
  int find(std::string_view name) const;
  std::int64_t trained_numbers() const;

  /// Views into the flat buffers. Throws UsageError before allocate().
  Tensor value(int i) const { return with_memory(i).value; }
  /// Of a trainable parameter; undefined for another. One in factored form is formed into memory of its own, which the
  /// first call takes: for inspection. Throws UsageError where it has none, before backward() or after the tape's
  /// reset(), and before allocate().
  Tensor grad(int i) const;
  /// A copy of all gradients in the layout of flat_values(), those in factored form, too. Its memory is the caller's as
  /// long as it keeps the tensor or a view of it; then a later call writes there again. Throws as grad() does.
  Tensor all_grads() const;
  /// The same, used up and without a copy where all are whole: the next backward pass writes into other memory, that of
  /// an earlier call once nobody holds it.
  Tensor take_grads();
  /// For an optimiser: what the last backward passes left of it; null for a frozen one.
  const ParameterGradient* gradient(int i) const { return item(i).gradient.get(); }
  ParameterGradient* gradient(int i) { return item(i).gradient.get(); }
  /// Where parameter i begins in flat_values().
  std::int64_t offset(int i) const { return item(i).offset; }
  /// All trained values [n], and their gradients as far as they are whole: of the first of these numbers. Each
  /// parameter starts at a multiple of 64 bytes, the gaps hold zeros.
  Tensor flat_values() const { return values_; }
  Tensor flat_grads() const { return grads_; }

  /// The parameter as a variable of this step: backward() writes its gradient into the flat buffer. Throws UsageError
  /// before allocate().
  Var on(Tape& tape, int i) const;

  /// Whoever changes values tells so: a step that saved them will refuse its backward pass.
  void changed() {
    values_.changed();
    frozen_.changed();
  }

  /// Whether a backward pass left gradients that no optimiser's step has used up.
  bool has_gradients() const { return passes_->current != 0; }
  /// For an optimiser: its step has used them up.
  void used_gradients() { *passes_ = {}; }
  /// For gradients that no tape made: whoever wrote them all into flat_grads() tells so, and the next step takes them.
  /// Throws UsageError when one is kept as outer products.
  void gradients_given();

 private:
  struct Item {
    std::string name;
    Shape shape;
    Init init;
    bool trainable;
    GradientForm form;
    Tensor value;
    std::shared_ptr<ParameterGradient> gradient;
    std::int64_t offset;
  };
  const Item& item(int i) const { return items_[static_cast<std::size_t>(i)]; }
  const Item& with_memory(int i) const;
  std::vector<Item> items_;
  Tensor values_, grads_, frozen_;
  /// What all_grads() gave last; its count tells whether anybody holds it still.
  mutable std::shared_ptr<const Tensor> gathered_;
  std::shared_ptr<const Tensor> taken_;  ///< the same of take_grads()
  std::shared_ptr<GradientPasses> passes_ = std::make_shared<GradientPasses>();
};

}  // namespace weft

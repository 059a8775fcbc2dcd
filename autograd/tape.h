#pragma once
// Reverse-mode differentiation with hand-written vjps. A Tape records one step; its intermediates live in an arena, on
// the CPU or a device.
// After reset() the next step of the same shapes allocates nothing.

#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "weft/autograd/outer_sum.h"
#include "weft/core/tensor.h"
#include "weft/groups/type.h"

namespace weft {

class Tape;
class Backward;

/// A variable of one step: a handle to (tensor, type) on a tape. Invalid after the tape's reset().
class Var {
 public:
  Var() = default;

  const Tensor& value() const;
  const Type& type() const;
  /// Name for messages: "W2"; empty for intermediates.
  std::string_view name() const;
  bool requires_grad() const;
  const Shape& shape() const { return value().shape(); }
  DType dtype() const { return value().dtype(); }
  bool defined() const { return tape_ != nullptr; }
  Tape& tape() const;

 private:
  friend class Tape;
  friend class Backward;
  Var(Tape* tape, int slot, std::uint32_t step) : tape_(tape), slot_(slot), step_(step) {}
  Tape* tape_ = nullptr;
  int slot_ = -1;
  std::uint32_t step_ = 0;
};

/// Counts in-place changes of memory that outlives a step (parameters).
using Version = std::uint64_t;

/// Where a vjp writes the gradient of an input: gradient = beta * gradient + contribution. With beta = 0 the tensor is
/// uninitialised.
struct GradSlot {
  Tensor tensor;
  double beta = 0;
};

/// One recorded operation. Lives in the tape's memory of the host.
class Node {
 public:
  virtual ~Node() = default;
  virtual void vjp(Backward& backward) = 0;

  const char* op = "";
  std::span<int> inputs, outputs;                      ///< slots
  std::span<Version> input_versions, output_versions;  ///< when recorded
};

/// What a vjp sees.
class Backward {
 public:
  /// Cotangent of output i; undefined when nothing downstream depends on it.
  const Tensor& cotangent(int output = 0) const;
  /// Saved values. Throw AutogradError when they were changed in place since the forward pass.
  const Tensor& input(int i) const;
  const Tensor& output(int i = 0) const;
  /// Whether input i needs a gradient.
  bool wants(int i) const;
  /// Throws AutogradError for a parameter whose gradient is kept in factored form.
  GradSlot grad(int i);
  /// Adds `sum` to the gradient of input i: kept as it is where the parameter takes it so, else formed and added. `sum`
  /// and its factors must live in the tape's arena and not be the vjp's scratch.
  void add_outer(int i, OuterSum& sum);
  /// Scratch memory where the tensors lie, and the host's; given back when the vjp returns.
  Arena& arena() const;
  Arena& host() const;

 private:
  friend class Tape;
  Backward(Tape& tape, Node& node) : tape_(tape), node_(node) {}
  Tape& tape_;
  Node& node_;
};

/// An output of a recorded operation.
struct Output {
  Tensor value;
  Type type;
};

class Tape {
 public:
  /// Values live in `arena`, on the device that it belongs to, which outlives this.
  explicit Tape(Arena& arena) : arena_(arena), host_(arena.backend() ? own_host_ : arena) {}
  ~Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  /// A value without gradient. The name must outlive the step. Throws ShapeError when the type's rank is not the
  /// tensor's.
  Var constant(const Tensor& value, const Type& type, std::string_view name = {});
  Var constant(const Tensor& value) { return constant(value, Type::plain(value.rank())); }
  /// A value whose gradient is wanted.
  Var leaf(const Tensor& value, const Type& type, std::string_view name = {});
  Var leaf(const Tensor& value) { return leaf(value, Type::plain(value.rank())); }
  /// The same with the gradient's memory given and a counter of in-place changes: parameters. One variable a step,
  /// however often it is asked for: all uses add into one gradient.
  Var parameter(const Tensor& value, const Tensor& grad, const Version* version, const Type& type,
                std::string_view name);
  /// A parameter whose gradient is kept in factored form, as sums of outer products: only operations that give it so
  /// (Backward::add_outer) may use it.
  Var parameter(const Tensor& value, const std::shared_ptr<OuterGradient>& grad, const Version* version,
                const Type& type, std::string_view name);

  /// Differentiates a scalar. Throws AutogradError on a second call, on a tensor that is no scalar, or when nothing was
  /// recorded.
  void backward(const Var& y);
  /// Differentiates Σ <cotangent, output>.
  void backward(std::span<const Var> outputs, std::span<const Tensor> cotangents);
  /// The gradient of a leaf: a constant of the dual type named "grad <name>". Zeros when y does not depend on x.
  Var grad(const Var& x);

  /// For changing a value in place: whoever saved it for the backward pass will throw.
  Tensor mutable_value(const Var& x);

  /// Ends the step: every Var is invalid, the arena is reset.
  void reset();

  /// Memory of the step where its tensors lie, and on the host: one and the same on the CPU.
  Arena& arena() { return arena_; }
  Arena& host() { return host_; }
  Backend* backend() const { return arena_.backend(); }
  Tensor empty(const Shape& shape, DType dtype) { return Tensor::empty(arena_, shape, dtype); }
  /// n undefined variables, in memory of the step.
  std::span<Var> variables(std::size_t n) {
    const std::span<Var> all(host_.allocate_array<Var>(n), n);
    std::uninitialized_fill(all.begin(), all.end(), Var{});
    return all;
  }

  /// Records an operation with one output. `vjp` is called as vjp(Backward&); it must hold no heap memory.
  template <class Vjp>
  Var record(const char* op, const Tensor& value, const Type& type, std::span<const Var> inputs, Vjp vjp) {
    const Output output{value, type};
    Var y;
    record_many(op, {&output, 1}, {&y, 1}, inputs, std::move(vjp));
    return y;
  }
  template <class Vjp>
  Var record(const char* op, const Tensor& value, const Type& type, std::initializer_list<Var> inputs, Vjp vjp) {
    return record(op, value, type, std::span<const Var>(inputs.begin(), inputs.size()), std::move(vjp));
  }
  /// With several outputs, whose variables are written to `vars`.
  template <class Vjp>
  void record_many(const char* op, std::span<const Output> outputs, std::span<Var> vars, std::span<const Var> inputs,
                   Vjp vjp) {
    const bool needed = begin_record(op, outputs, vars, inputs);
    if (!needed) return;
    struct Closure final : Node {
      explicit Closure(Vjp f) : f_(std::move(f)) {}
      void vjp(Backward& backward) override { f_(backward); }
      Vjp f_;
    };
    end_record(new (host_.allocate(sizeof(Closure))) Closure(std::move(vjp)), op, vars, inputs);
  }

 private:
  friend class Var;
  friend class Backward;
  friend class NoGrad;
  struct Slot {
    Tensor value, grad;
    Type type;
    std::string_view name;
    std::shared_ptr<OuterGradient> outer;  ///< of a parameter that takes its gradient so
    const Version* outside = nullptr;      ///< counter of a parameter
    Version version = 0;
    bool requires_grad = false, has_grad = false, leaf = false;
    Version current() const { return version + (outside ? *outside : 0); }
  };
  Slot& slot(const Var& x);
  Var add_slot(const Tensor& value, const Type& type, std::string_view name);
  bool begin_record(const char* op, std::span<const Output> outputs, std::span<Var> vars, std::span<const Var> inputs);
  void end_record(Node* node, const char* op, std::span<const Var> outputs, std::span<const Var> inputs);
  void seed(const Var& y, const Tensor& cotangent);
  Tensor gradient_memory(const Shape& shape, DType dtype);
  void release_gradients(std::span<const int> slots);
  void destroy_nodes();
  void forget_outer_gradients();

  Arena& arena_;
  Arena own_host_;
  Arena& host_;
  Slot& slot(int i) {
    return chunks_[static_cast<std::size_t>(i / chunk_slots)][static_cast<std::size_t>(i % chunk_slots)];
  }

  // Slots keep their addresses while others are added, and their memory over reset().
  static constexpr int chunk_slots = 128;
  std::vector<std::unique_ptr<Slot[]>> chunks_;
  int slots_ = 0;
  // Gradients of intermediates that have been used up, for others of the same size.
  struct FreeGradient {
    void* memory;
    std::size_t bytes;
  };
  std::vector<FreeGradient> free_gradients_;
  std::vector<Node*> nodes_;
  std::vector<std::pair<const void*, int>> parameters_;  ///< gradient's memory or its OuterGradient, slot
  std::uint32_t step_ = 0;
  int no_grad_ = 0;
  bool consumed_ = false;
};

/// While it lives, nothing is recorded on the tape.
class NoGrad {
 public:
  explicit NoGrad(Tape& tape) : tape_(tape) { ++tape_.no_grad_; }
  ~NoGrad() { --tape_.no_grad_; }
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  Tape& tape_;
};

}  // namespace weft

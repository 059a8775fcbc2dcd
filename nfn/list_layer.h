#pragma once
// What all layers that a term list defines have in common: learned tensors with the list's names, checks, one node.

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weft/groups/term.h"
#include "weft/nfn/reading.h"
#include "weft/nn/module.h"
#include "weft/ops/features.h"

namespace weft {

/// d -> e channels by a term list, which says what the layer computes and what its learned tensors are called:
/// "name.W2.phi3". Results do not depend on the number of threads. A layer outlives the steps in which it is used.
class ListLayer : public Module {
 public:
  virtual ~ListLayer() = default;

  const TermList& list() const { return *list_; }
  const Space& in() const& { return list_->in(); }
  const Space& in() const&& = delete;
  std::int64_t d() const { return d_; }
  std::int64_t e() const { return e_; }

 protected:
  /// `who` is what messages call it: "magep_equivariant".
  ListLayer(const Module& parent, std::string_view name, const char* who, TermList list, std::int64_t d,
            std::int64_t e);
  ListLayer(const ListLayer&) = default;
  ListLayer(ListLayer&&) = default;

  /// Declares the learned tensors as spec 2.5 has them start: phi Xavier-normal with the fans of all terms of one
  /// output tensor summed, constants at 0; psi N(0, 1) / (d x its sizes), but as one of two factors of a low rank at
  /// N(0, 1) / sqrt(its other sizes), and is trained then. `start` multiplies the deviations of phis, by tensor of the
  /// output space; empty: 1.
  void declare(bool train_psi, std::span<const double> start = {});
  /// One more, in the order of list().parameters().
  void declare(const Shape& shape, Init init, bool trainable, GradientForm form = GradientForm::whole);

  /// The declared tensors as variables of this step.
  std::span<const Var> learned_on(Tape& tape) const;
  /// Throws ShapeError, DtypeError for inputs and learned tensors that do not fit, TypeError for a feature of another
  /// type or an activation that the group does not allow, UsageError for what check_reading() refuses.
  void check(const Features& x, std::span<const Var> learned, const LayerInput& input) const;
  /// Throws for an activation or a dropout that the layer does not take.
  virtual void check_reading(const LayerInput& input) const { check_input(who_, input, in()); }
  /// Inputs, then learned tensors: the inputs of the layer's node. In memory of the step.
  static std::span<const Var> node_inputs(const Features& x, std::span<const Var> learned);
  /// One output per tensor of the output space, uninitialised, in memory of the step.
  std::span<Output> make_outputs(const Features& x) const;

  const char* who_;
  std::shared_ptr<const TermList> list_;
  std::int64_t d_, e_;

 private:
  std::vector<int> numbers_;
};

/// From features to features. x: [B, d taps, axes…], y: [B, e taps, axes…]; activation and channel dropout are applied
/// to x as it is read.
class EquivariantLayer : public ListLayer {
 public:
  const Space& out() const& { return list_->out(); }
  const Space& out() const&& = delete;
  /// Throws what check() throws.
  Features operator()(const Features& x, const LayerInput& input = {}) const& {
    return apply(x, learned_on(x.tape()), input);
  }
  Features operator()(const Features&, const LayerInput& = {}) const&& = delete;
  /// The same with the learned tensors given, one per list().parameters().
  Features apply(const Features& x, std::span<const Var> learned, const LayerInput& input = {}) const;

 protected:
  using ListLayer::ListLayer;
  /// Of checked inputs: writes one variable per tensor of the output space.
  virtual void run(const Features& x, std::span<const Var> learned, std::span<Var> y,
                   const LayerInput& input) const = 0;
};

/// From features to plain numbers, [B, e].
class InvariantLayer : public ListLayer {
 public:
  Var operator()(const Features& x, const LayerInput& input = {}) const& {
    return apply(x, learned_on(x.tape()), input);
  }
  Var operator()(const Features&, const LayerInput& = {}) const&& = delete;
  Var apply(const Features& x, std::span<const Var> learned, const LayerInput& input = {}) const;

 protected:
  using ListLayer::ListLayer;
  virtual Var run(const Features& x, std::span<const Var> learned, const LayerInput& input) const = 0;
};

/// Any list on the interpreter: derived layers, and the reference of the fast schedules.
class TermLayer final : public EquivariantLayer {
 public:
  /// Throws what TermList throws.
  TermLayer(const Module& parent, std::string_view name, const Space& in, const Space& out, const std::string& terms,
            std::int64_t d, std::int64_t e, bool train_psi = true);

 private:
  void run(const Features& x, std::span<const Var> learned, std::span<Var> y, const LayerInput& input) const override;
};

}  // namespace weft
